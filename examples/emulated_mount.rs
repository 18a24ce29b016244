//! Mounts an emulated Google Photos in this process: logs in, mounts, copies a photo into a new
//! album, waits until it is uploaded, prints both listings, and unmounts.
//!
//!     cargo run --example emulated_mount -- PHOTO.jpg
//!
//! It needs `/dev/fuse` and `fusermount3`, and no account.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use gphotosfs::api::Scope;
use gphotosfs::commands::login::{self, Attempt};
use gphotosfs::commands::mount::assemble;
use gphotosfs::fuse;
use gphotosfs::profile::Profile;
use gphotosfs::settings::{
    Apis, Commit, Metered, MountSettings, Notify, Passthrough, Sidecars, Sizes, Thumbnails,
    UploadSettings,
};
use gphotosfs_emulator::{Config, Emulator};
use tokio::runtime::Runtime;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let photo = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: emulated_mount PHOTO.jpg")?);
    let runtime = Runtime::new()?;
    let emulator = runtime.block_on(Emulator::start(Config::default()))?;
    let directory = tempfile::tempdir()?;
    let profile = Profile::under(directory.path());
    runtime.block_on(log_in(&emulator, &profile))?;

    let mountpoint = directory.path().join("Google Photos");
    fs::create_dir(&mountpoint)?;
    let settings = settings(&emulator, &mountpoint)?;
    // The filesystem and all parts below it. Nothing here knows of FUSE yet.
    let parts = assemble(&profile, &settings, (&mountpoint, &mountpoint), runtime.handle())?;
    let options = fuse::Options {
        read_only: settings.read_only,
        allow_other: settings.allow_other,
        passthrough: false,
        no_exec: settings.no_exec,
        uid: settings.uid,
        gid: settings.gid,
    };
    let mount = fuse::Mount::new(parts.fs, &mountpoint, &options, runtime.handle().clone())?;
    // Keeps the kernel's caches up to date.
    mount.notify(parts.changes)?;

    let used = use_mount(&mountpoint, &photo);
    for album in emulator.dump().albums {
        println!("at Google: album {:?} with {} items", album.title, album.items.len());
    }
    let unmounted = Command::new("fusermount3").arg("-u").arg(&mountpoint).status()?;
    if !unmounted.success() {
        return Err("fusermount3 could not unmount".into());
    }
    mount.join()?;
    runtime.block_on(async {
        parts.engine.stop().await;
        emulator.stop().await;
    });
    used
}

/// Uses the mount as any program uses a directory.
fn use_mount(mountpoint: &Path, photo: &Path) -> Result<(), Failure> {
    let album = mountpoint.join("From an example");
    fs::create_dir(&album)?;
    fs::copy(photo, album.join(photo.file_name().ok_or("that is no file")?))?;
    // fsync of a directory waits until its files have been uploaded.
    fs::File::open(&album)?.sync_all()?;
    for entry in fs::read_dir(&album)? {
        let entry = entry?;
        println!("{}: {} bytes", entry.path().display(), entry.metadata()?.len());
    }
    Ok(())
}

/// The settings of `gphotosfs mount` without options, with the emulator as the service.
fn settings(emulator: &Emulator, mountpoint: &Path) -> Result<MountSettings, Failure> {
    Ok(MountSettings {
        mountpoint: mountpoint.to_owned(),
        foreground: true,
        detached: false,
        commit: Commit::Background,
        sizes: Sizes::Exact,
        refresh: Duration::from_secs(60),
        read_only: false,
        nonempty: false,
        import: false,
        allow_other: false,
        no_exec: false,
        umask: 0o022,
        uid: None,
        gid: None,
        spool_size: 1 << 30,
        sidecars: Sidecars::Keep,
        passthrough: Passthrough::Off,
        thumbnails: Thumbnails::Off,
        notify: Notify::Off,
        upload: UploadSettings {
            cache_size: 1 << 30,
            uploads: 4,
            upload_delay: std::time::Duration::from_secs(1),
            temporary_names: Vec::new(),
            quality: gphotosfs::media::Quality::Original,
            limit_up: gphotosfs::media::UploadLimit::default(),
            quality_video: gphotosfs::media::VideoQuality::Original,
            apis: Apis { library: emulator.url().parse()?, picker: emulator.picker_url().parse()? },
            metered: Metered::Use,
            unstable_pace: 1,
        },
    })
}

/// Logs in as a user with a browser does; the emulator approves at once.
async fn log_in(emulator: &Emulator, profile: &Profile) -> Result<(), Failure> {
    let client = gphotosfs::api::ClientSecret::parse(&emulator.client_secret_json())?;
    let attempt = Attempt::begin(client, &Scope::LIBRARY).await?;
    let browser = reqwest::get(attempt.url().clone());
    let mut pasted = tokio::sync::mpsc::channel(1).1;
    let (outcome, page) =
        tokio::join!(attempt.finish(&mut pasted, Duration::from_secs(10)), browser);
    page?.error_for_status()?;
    let (client, grant) = outcome?;
    login::store(&client, &grant, profile.config_dir()?)?;
    Ok(())
}

//! Gathers facts about the machine, the profile and Google. Each step has a deadline.

use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustix::process::geteuid;
use url::Url;

use crate::api::{
    self, Binding, ClientSecret, Grant, Login, LoginError, SavedBudget, Scope, Service,
};
use crate::app::engine::{kept_budget, kept_service};
use crate::app::owner::{StoredOwner, kept_binding};
use crate::app::running::Mount;
use crate::app::unseen::{self, Unseen};
use crate::app::{mounts, unmounted};
use crate::media::VideoQuality;
use crate::profile::{Holder, Profile, Tightened};
use crate::settings::{Apis, MountSettings};
use crate::status::{Status, Unmounted};
use crate::store::{self, Backlog, Store};
use crate::upload::can_encode;

/// How long a mount may take to answer.
const LOOK_DEADLINE: Duration = Duration::from_secs(5);
/// How long Google may take to answer.
const ANSWER_DEADLINE: Duration = Duration::from_secs(20);

/// The facts.
pub(super) struct Facts {
    pub now: Timestamp,
    pub root: bool,
    /// Whether `/dev/fuse` can be opened.
    pub device: io::Result<()>,
    /// The program that mounts for ordinary users.
    pub helper: Option<Helper>,
    /// Whether the programs that make videos smaller can do that; or why not. `None`: nobody asks.
    pub video_tools: Option<Result<(), String>>,
    pub fuse_conf: io::Result<String>,
    /// A mount's settings from environment and file, or the reason why it would reject them.
    pub settings: Result<MountSettings, String>,
    pub client: Result<Option<ClientSecret>, LoginError>,
    pub grant: Result<Option<Grant>, LoginError>,
    /// The token file's permission bits.
    pub token_mode: Option<u32>,
    /// Whether Google grants an access token. `None` if there is no login.
    pub renewal: Option<Result<(), LoginError>>,
    pub api_url: Url,
    /// Whether the API answers. `None` if there is no access token.
    pub answer: Option<Result<(), api::Error>>,
    /// Whether the Picker API answers. `None` if the login allows no picks, or cannot be used.
    pub picker: Option<Result<(), api::Error>>,
    /// How far this machine's clock is behind Google's, if an answer came.
    pub skew: Option<SignedDuration>,
    /// The OAuth client that the profile belongs to. `None` before its first use.
    pub binding: Option<Binding>,
    /// Whether the login shows the profile's library. `None` if the API does not answer.
    pub account: Option<Result<(), api::Error>>,
    /// The number of requests today.
    pub spent: SavedBudget,
    pub disks: Vec<io::Result<Disk>>,
    /// The profile's directories that were open to other users before this command.
    pub tightened: Vec<Tightened>,
    /// Directories of its spool and cache that are open to them, for example on another disk.
    pub exposed: Vec<Tightened>,
    /// The profile's mount, if it runs where this process cannot see it.
    pub unseen: Option<Unseen>,
    /// The process that holds the profile's lock.
    pub holder: Holder,
    pub mounts: Vec<(PathBuf, MountState)>,
    /// Where the profile is meant to be mounted and is not, or where files lie under the mountpoint.
    pub unmounted: Option<Unmounted>,
    /// The queue. `None` if there is no database yet.
    pub backlog: Result<Option<Backlog>, store::Error>,
    /// The version of the database, if a mount has yet to bring it up to date.
    pub earlier_version: Option<u32>,
}

/// The program `fusermount3`.
pub(super) struct Helper {
    pub path: PathBuf,
    /// Whether it is setuid root.
    pub privileged: bool,
}

/// A disk that has directories of the profile.
pub(super) struct Disk {
    /// The directories on it, in words.
    pub holds: &'static str,
    pub path: PathBuf,
    /// Whether the spool is on it, so that it must be durable and have room.
    pub spool: bool,
    pub device: u64,
    /// Free bytes.
    pub free: u64,
    /// Size in bytes.
    pub size: u64,
    pub kind: Kind,
}

/// The kind of filesystem on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Durable,
    /// Lost when the machine stops.
    Memory,
    /// Locks and write-ahead logs of databases are not reliable on it.
    Network,
}

/// The state of a mount's process.
pub(super) enum MountState {
    /// It serves this profile and has answered.
    Ours(Box<Status>),
    /// It serves another profile or user.
    Others,
    /// It has died.
    Dead,
    /// It does not answer.
    Unresponsive {
        /// Whether it holds this profile's lock.
        ours: bool,
    },
}

impl Facts {
    /// Gathers all facts. Sends one API request, and up to a few more for a login that has not been
    /// checked yet. A running mount does not count them.
    pub(super) async fn gather(
        profile: &Profile,
        apis: Apis,
        settings: Result<MountSettings, String>,
    ) -> Self {
        let (client, grant) = match profile.config_dir() {
            Ok(dir) => (ClientSecret::stored(dir), Grant::stored(dir)),
            Err(err) => {
                let err = LoginError::File {
                    path: "the profile's directory".into(),
                    source: Arc::new(err),
                };
                (Err(err.clone()), Err(err))
            }
        };
        let token = profile.config_dir().ok().map(Grant::path);
        let token_mode = token.and_then(|path| path.metadata().ok()).map(|it| it.mode() & 0o777);
        let Kept { store, backlog, spent, service } = Kept::read(profile);
        let earlier_version = store.as_ref().and_then(Store::earlier_version);
        let binding = store.as_ref().and_then(|it| kept_binding(it).ok().flatten());
        // If the lock cannot be read, the check of the disks fails too.
        let holder = profile.holder().unwrap_or(Holder::Nobody);
        let mounts = mount_states(&holder, profile);
        // The mount's count is newer: a mount stores its count only at intervals.
        let spent = mounts.iter().find_map(|(_, state)| spent_by(state)).unwrap_or(spent);
        let asked = settings.as_ref().map(|it| it.upload.quality_video);
        let video_tools = match asked {
            Ok(VideoQuality::P1080) => Some(can_encode().await),
            _ => None,
        };
        let google = Google::ask(profile, &apis, service, &spent, store).await;
        Self {
            now: Timestamp::now(),
            root: geteuid().is_root(),
            device: std::fs::File::options().read(true).write(true).open("/dev/fuse").map(drop),
            helper: find_helper(),
            video_tools,
            fuse_conf: std::fs::read_to_string("/etc/fuse.conf"),
            settings,
            client,
            grant,
            token_mode,
            renewal: google.renewal,
            api_url: apis.library,
            answer: google.answer,
            picker: google.picker,
            skew: google.skew,
            binding,
            account: google.account,
            spent: google.spent.unwrap_or(spent),
            disks: disks(profile),
            // After all of the directories have been used.
            tightened: profile.tightened(),
            exposed: exposed(profile),
            mounts,
            // If the record cannot be read, the check of the disks fails too.
            unmounted: unmounted::find(profile).ok().flatten(),
            unseen: unseen::find(profile).ok().flatten(),
            holder,
            backlog,
            earlier_version,
        }
    }
}

/// The count of requests of a mount of this profile.
fn spent_by(state: &MountState) -> Option<SavedBudget> {
    let MountState::Ours(status) = state else { return None };
    let quota = &status.quota;
    Some(SavedBudget {
        day: quota.day.parse().ok()?,
        api: quota.api_requests,
        media: quota.media_requests,
        others_api: quota.others_api_requests,
        before: None,
        api_blocked_until: quota.blocked_until,
        media_blocked_until: quota.media_blocked_until,
    })
}

/// The facts in the database.
struct Kept {
    /// `None` if there is no database yet, or it cannot be read.
    store: Option<Store>,
    backlog: Result<Option<Backlog>, store::Error>,
    spent: SavedBudget,
    service: Option<Service>,
}

impl Kept {
    fn read(profile: &Profile) -> Self {
        let look = || -> Result<_, store::Error> {
            // If the directory cannot be used, the check of the disks fails too.
            let Ok(dir) = profile.state_dir() else { return Ok(None) };
            let Some(store) = Store::open_read_only(dir)? else { return Ok(None) };
            let spent = kept_budget(&store)?.snapshot(Timestamp::now());
            let (backlog, service) = (store.backlog()?, kept_service(&store)?);
            Ok(Some(Self { store: Some(store), backlog: Ok(Some(backlog)), spent, service }))
        };
        let nothing = |backlog| {
            let spent = api::Budget::new(Timestamp::now()).snapshot(Timestamp::now());
            Self { store: None, backlog, spent, service: None }
        };
        match look() {
            Ok(Some(kept)) => kept,
            Ok(None) => nothing(Ok(None)),
            Err(error) => nothing(Err(error)),
        }
    }
}

/// The outcome of the requests to Google.
#[derive(Default)]
struct Google {
    renewal: Option<Result<(), LoginError>>,
    answer: Option<Result<(), api::Error>>,
    picker: Option<Result<(), api::Error>>,
    account: Option<Result<(), api::Error>>,
    skew: Option<SignedDuration>,
    spent: Option<SavedBudget>,
}

impl Google {
    /// Sends a request to each API that the login allows, unless the profile is used with another
    /// `service`. `store` knows the library that the login must show.
    async fn ask(
        profile: &Profile,
        apis: &Apis,
        service: Option<Service>,
        spent: &SavedBudget,
        store: Option<Store>,
    ) -> Self {
        let api_url = &apis.library;
        let checked = service.map_or(Ok(()), |it| it.check(api_url));
        let login =
            match checked.map_err(LoginError::from).and_then(|()| Login::load(profile, api_url)) {
                Ok(login) => Arc::new(login),
                // Other checks report these files.
                Err(LoginError::NotLoggedIn | LoginError::NoClient | LoginError::File { .. }) => {
                    return Self::default();
                }
                Err(error) => return Self { renewal: Some(Err(error)), ..Self::default() },
            };
        if let Err(error) = login.access_token().await {
            return Self { renewal: Some(Err(error)), ..Self::default() };
        }
        let mut google = Self { renewal: Some(Ok(())), ..Self::default() };
        let config = api::Config {
            deadlines: api::Deadlines {
                read: ANSWER_DEADLINE,
                retries: Duration::ZERO,
                throttled: Duration::ZERO,
                ..api::Deadlines::default()
            },
            ..api::Config::default()
        };
        let budget = Arc::new(api::Budget::restore(spent.clone()));
        match api::Client::new(config, login, budget.clone()) {
            Ok(client) => {
                google.answer = Some(client.list_albums(None).await.map(drop));
                if !client.login().lacks(Scope::Pick) {
                    let client = client.clone().with_picker(&apis.picker);
                    google.picker = Some(client.picker().check().await);
                }
                if let (Some(store), Some(Ok(()))) = (store, &google.answer) {
                    let owner = Arc::new(StoredOwner(store));
                    google.account = Some(client.check_owner(owner).await.map(drop));
                }
                google.skew = client.clock_skew();
                google.spent = Some(budget.snapshot(Timestamp::now()));
            }
            Err(error) => google.answer = Some(Err(error)),
        }
        google
    }
}

fn find_helper() -> Option<Helper> {
    #[expect(clippy::disallowed_methods, reason = "PATH is not a setting of this program")]
    let places = std::env::var_os("PATH")?;
    let mut found = std::env::split_paths(&places).map(|dir| dir.join("fusermount3"));
    let path = found.find(|path| path.is_file())?;
    let meta = path.metadata().ok()?;
    Some(Helper { privileged: meta.uid() == 0 && meta.permissions().mode() & 0o4000 != 0, path })
}

/// The disks of spool and cache, which may be the same one.
fn disks(profile: &Profile) -> Vec<io::Result<Disk>> {
    let state = profile.state_dir().and_then(|dir| disk("database and spool", dir, true));
    let cache = profile.cache_dir().and_then(|dir| disk("cache", dir, false));
    match (state, cache) {
        (Ok(state), Ok(cache)) if state.device == cache.device => {
            vec![Ok(Disk { holds: "database, spool and cache", ..state })]
        }
        (state, cache) => vec![state, cache],
    }
}

/// The directories of spool and cache that other users can use. Only a mount changes their modes,
/// because only a mount knows that they are its own.
fn exposed(profile: &Profile) -> Vec<Tightened> {
    let spool = profile.state_dir().map(|dir| dir.join("spool"));
    let content = profile.cache_dir().map(|dir| dir.join("content"));
    let mut found = Vec::new();
    for path in [spool, content].into_iter().flatten() {
        let mode = path.metadata().map_or(0, |it| it.mode() & 0o7777);
        if mode & 0o077 != 0 {
            found.push(Tightened { path, mode });
        }
    }
    found
}

fn disk(holds: &'static str, dir: &Path, spool: bool) -> io::Result<Disk> {
    // This also checks that it can be written to.
    tempfile::tempfile_in(dir).map_err(|err| {
        io::Error::new(err.kind(), format!("cannot write to {}: {err}", dir.display()))
    })?;
    let disk = rustix::fs::statfs(dir)?;
    let room = rustix::fs::statvfs(dir)?;
    // Magic numbers of statfs(2): tmpfs and ramfs; NFS, SMB, SMB2, AFS, Ceph, 9P.
    let kind = match disk.f_type as u32 {
        0x0102_1994 | 0x8584_58f6 => Kind::Memory,
        0x6969 | 0x517b | 0xff53_4d42 | 0xfe53_4d42 | 0x5346_414f | 0x00c3_6400 | 0x0102_1997 => {
            Kind::Network
        }
        _ => Kind::Durable,
    };
    Ok(Disk {
        holds,
        path: dir.to_owned(),
        spool,
        device: dir.metadata()?.dev(),
        free: room.f_bavail.saturating_mul(room.f_frsize),
        size: room.f_blocks.saturating_mul(room.f_frsize),
        kind,
    })
}

/// All gphotosfs mounts of this machine. Uses a thread for each, because one may hang.
fn mount_states(holder: &Holder, profile: &Profile) -> Vec<(PathBuf, MountState)> {
    let mine = match holder {
        Holder::Mount(running) => Some(&running.mountpoint),
        Holder::Nobody | Holder::Other => None,
    };
    // The table of mounts always exists on Linux.
    let places = mounts::ours().unwrap_or_default();
    let look = |place: PathBuf| {
        let (done, waiting) = mpsc::channel();
        let (there, is_mine) = (place.clone(), mine == Some(&place));
        std::thread::spawn(move || {
            let state = match mounts::is_dead(&there) {
                true => MountState::Dead,
                false if !is_mine => MountState::Others,
                false => Mount { root: there }
                    .status()
                    .map_or(MountState::Unresponsive { ours: true }, |status| {
                        MountState::Ours(Box::new(status))
                    }),
            };
            done.send(state)
        });
        let answer = waiting.recv_timeout(LOOK_DEADLINE);
        let state = match answer.unwrap_or(MountState::Unresponsive { ours: is_mine }) {
            MountState::Ours(status) => {
                let mount = Mount { root: place.clone() };
                MountState::Ours(Box::new(mount.as_seen_here(*status, profile)))
            }
            state => state,
        };
        (place, state)
    };
    places.into_iter().map(look).collect()
}

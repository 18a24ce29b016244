//! Uses the API client alone: logs in, creates an album, uploads a photo into it, and lists both.
//!
//! The emulator plays Google, so nothing leaves this machine:
//!
//!     cargo run --example api_client -- PHOTO.jpg
//!
//! With the URL of Google's API and a client file of your own, the same calls work at Google.

use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use gphotosfs::api::{Budget, Client, ClientSecret, Config, Login, NewItem, Payload, Scope};
use gphotosfs::commands::login::{self, Attempt};
use gphotosfs::profile::Profile;
use gphotosfs_emulator::Emulator;
use sha1::{Digest, Sha1};

type Failure = Box<dyn Error + Send + Sync>;

/// How long the login waits for the browser.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let photo = std::env::args_os().nth(1).ok_or("usage: api_client PHOTO.jpg")?;
    let photo = Path::new(&photo);
    let emulator = Emulator::start(gphotosfs_emulator::Config::default()).await?;
    let directory = tempfile::tempdir()?;
    let profile = Profile::under(directory.path());
    log_in(&emulator, &profile).await?;

    let login = Login::load(&profile, &emulator.url().parse()?)?;
    let budget = Budget::new(jiff::Timestamp::now());
    let client = Client::new(Config::default(), Arc::new(login), Arc::new(budget))?;

    let album = client.create_album("From an example").await?;
    // An upload takes two calls: the bytes give a token, and the token becomes an item.
    let token = client.upload_raw(&payload(photo)?).await?;
    let name = photo.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let new = NewItem { token, file_name: name, description: None };
    for item in client.create_items(Some(&album.id), &[new]).await? {
        let item = item.map_err(|error| format!("Google refused the photo: {error:?}"))?;
        println!("uploaded {} as {}", item.filename, item.id);
    }

    // Lists come in pages; only a page without a successor is the last.
    let mut page = None;
    loop {
        let albums = client.list_albums(page.as_ref()).await?;
        for album in albums.items {
            println!("album {:?}, items: {}", album.title, album.items_count);
        }
        page = albums.next;
        if page.is_none() {
            break;
        }
    }
    emulator.stop().await;
    Ok(())
}

/// Logs in as a user with a browser does: follows the link to the consent page, which the emulator
/// answers with a redirect to the login's port on this machine.
async fn log_in(emulator: &Emulator, profile: &Profile) -> Result<(), Failure> {
    let client = ClientSecret::parse(&emulator.client_secret_json())?;
    let attempt = Attempt::begin(client, &Scope::LIBRARY).await?;
    let browser = reqwest::get(attempt.url().clone());
    // The user could also paste the address. This channel has no sender.
    let mut pasted = tokio::sync::mpsc::channel(1).1;
    let (outcome, page) = tokio::join!(attempt.finish(&mut pasted, LOGIN_TIMEOUT), browser);
    page?.error_for_status()?;
    let (client, grant) = outcome?;
    login::store(&client, &grant, profile.config_dir()?)?;
    Ok(())
}

/// Describes a file for its upload.
fn payload(photo: &Path) -> Result<Payload, Failure> {
    let bytes = std::fs::read(photo)?;
    Ok(Payload {
        file: Arc::new(File::open(photo)?),
        len: bytes.len() as u64,
        mime: "image/jpeg".into(),
        sha1: Sha1::digest(&bytes).into(),
        sent: Arc::new(AtomicU64::new(0)),
        turn: None,
    })
}

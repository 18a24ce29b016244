//! The directory of downloads, and the client files that come to it.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use etcetera::BaseStrategy;
use jiff::Timestamp;

use crate::api::ClientSecret;

/// How often the directory is read.
const PAUSE: Duration = Duration::from_millis(500);

/// A client file has less than a thousand bytes.
const BYTES_MAX: u64 = 64 << 10;

/// A file that has come.
pub(super) struct Found {
    pub path: PathBuf,
    /// The client in it, or why there is none.
    pub content: Result<Box<ClientSecret>, String>,
}

/// The time of its last change and its length. While a browser writes a file, they change.
type Stamp = (SystemTime, u64);

/// The directory, and the files in it that have been looked at.
pub(super) struct Downloads {
    dir: Option<PathBuf>,
    done: HashMap<PathBuf, Stamp>,
    /// Those that may still be written.
    unclear: HashMap<PathBuf, Stamp>,
}

impl Downloads {
    /// Finds the directory by the rules of xdg-user-dirs.
    pub(super) fn find() -> Self {
        Self::of(dir())
    }

    fn of(dir: Option<PathBuf>) -> Self {
        Self { dir, done: HashMap::new(), unclear: HashMap::new() }
    }

    /// The directory, for messages.
    pub(super) fn place(&self) -> String {
        self.dir.as_ref().map_or_else(String::new, |it| it.display().to_string())
    }

    /// The newest client file that is there already. The others, too, are none that will come.
    pub(super) async fn earlier(&mut self) -> Option<(PathBuf, Timestamp, Box<ClientSecret>)> {
        let files = self.files().await;
        self.done = files.iter().cloned().collect();
        let client = |(path, (time, _)): (PathBuf, Stamp)| {
            let time = Timestamp::try_from(time).ok()?;
            read(&path).ok().map(|it| (path, time, it))
        };
        tokio::task::spawn_blocking(move || files.into_iter().find_map(client)).await.ok()?
    }

    /// The next file that comes. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Found {
        loop {
            for (path, stamp) in self.files().await {
                if self.done.get(&path) == Some(&stamp) {
                    continue;
                }
                let of_file = path.clone();
                let read = tokio::task::spawn_blocking(move || read(&of_file)).await;
                let content = read.unwrap_or_else(|err| Err(err.to_string()));
                // A browser may not have written all of it yet.
                if content.is_err() && self.unclear.insert(path.clone(), stamp) != Some(stamp) {
                    continue;
                }
                self.done.insert(path.clone(), stamp);
                return Found { path, content };
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The files with a name as Google gives it, the newest first.
    async fn files(&self) -> Vec<(PathBuf, Stamp)> {
        let Some(dir) = self.dir.clone() else { return Vec::new() };
        tokio::task::spawn_blocking(move || list(&dir)).await.unwrap_or_default()
    }
}

fn list(dir: &Path) -> Vec<(PathBuf, Stamp)> {
    let Ok(entries) = dir.read_dir() else { return Vec::new() };
    let file = |entry: std::fs::DirEntry| {
        let name = entry.file_name();
        let name = name.to_str()?;
        let meta = entry.metadata().ok()?;
        let is_it = name.starts_with("client_secret") && name.ends_with(".json") && meta.is_file();
        is_it.then(|| Some((entry.path(), (meta.modified().ok()?, meta.len()))))?
    };
    let mut files: Vec<_> = entries.flatten().filter_map(file).collect();
    files.sort_by_key(|(_, (time, _))| std::cmp::Reverse(*time));
    files
}

/// The client in a file, or why there is none.
pub(super) fn read(path: &Path) -> Result<Box<ClientSecret>, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|err| err.to_string())?;
    file.take(BYTES_MAX).read_to_end(&mut bytes).map_err(|err| err.to_string())?;
    parsed(&bytes)
}

/// The client in the content of a file, or why there is none.
pub(super) fn parsed(bytes: &[u8]) -> Result<Box<ClientSecret>, String> {
    let client = ClientSecret::parse(&String::from_utf8_lossy(bytes));
    client.map(Box::new).map_err(|err| err.to_string())
}

fn dir() -> Option<PathBuf> {
    let base = etcetera::base_strategy::Xdg::new().ok()?;
    let list = std::fs::read_to_string(base.config_dir().join("user-dirs.dirs"));
    let listed = list.ok().and_then(|it| download_dir(&it, base.home_dir()));
    Some(listed.unwrap_or_else(|| base.home_dir().join("Downloads")))
}

/// The entry in a list of user-dirs.dirs(5): a quoted path, which is absolute or begins with `$HOME`.
fn download_dir(list: &str, home: &Path) -> Option<PathBuf> {
    let line =
        list.lines().filter_map(|it| it.trim().strip_prefix("XDG_DOWNLOAD_DIR=")).next_back();
    let path = line?.trim().strip_prefix('"')?.strip_suffix('"')?;
    match path.strip_prefix("$HOME") {
        Some(rest) => Some(home.join(rest.trim_start_matches('/'))),
        None => path.starts_with('/').then(|| PathBuf::from(path)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const CLIENT: &str = r#"{"installed":{"client_id":"1.apps.googleusercontent.com",
        "client_secret":"GOCSPX-x","auth_uri":"https://accounts.google.com/o/oauth2/auth",
        "token_uri":"https://oauth2.googleapis.com/token","redirect_uris":["http://localhost"]}}"#;

    #[test]
    fn the_directory_is_that_of_the_desktop() {
        let home = Path::new("/home/a");
        let dir = |list| download_dir(list, home).map(|it| it.display().to_string());
        assert_eq!(dir("XDG_DOWNLOAD_DIR=\"$HOME/Laden\"\n").as_deref(), Some("/home/a/Laden"));
        assert_eq!(dir("# x\nXDG_DOWNLOAD_DIR=\"/big/in\"").as_deref(), Some("/big/in"));
        assert_eq!(dir("XDG_DOWNLOAD_DIR=\"$HOME/\"").as_deref(), Some("/home/a/"));
        for odd in ["", "XDG_DOWNLOAD_DIR=", "XDG_DOWNLOAD_DIR=\"in\"", "XDG_MUSIC_DIR=\"/m\""] {
            assert_eq!(dir(odd), None, "{odd}");
        }
    }

    #[tokio::test]
    async fn a_file_is_taken_once_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("client_secret_old.json"), CLIENT).unwrap();
        fs::write(at("other.json"), CLIENT).unwrap();
        let mut downloads = Downloads::of(Some(dir.path().to_owned()));
        let (path, _, client) = downloads.earlier().await.unwrap();
        assert_eq!(path, at("client_secret_old.json"));
        assert_eq!(client.client_id, "1.apps.googleusercontent.com");

        fs::write(at("client_secret_a.json.part"), CLIENT).unwrap();
        fs::write(at("client_secret_b.json"), "{\"type\": \"service_account\"}").unwrap();
        let refused = downloads.next().await;
        assert_eq!(refused.path, at("client_secret_b.json"));
        assert!(refused.content.unwrap_err().contains("service account"));

        fs::rename(at("client_secret_a.json.part"), at("client_secret_a (1).json")).unwrap();
        let taken = downloads.next().await;
        assert_eq!(taken.path, at("client_secret_a (1).json"));
        assert!(taken.content.is_ok());
    }

    #[tokio::test]
    async fn a_directory_that_is_missing_has_no_file_yet() {
        let dir = tempfile::tempdir().unwrap();
        let mut downloads = Downloads::of(Some(dir.path().join("Downloads")));
        assert!(downloads.earlier().await.is_none());
        let later = async {
            fs::create_dir(dir.path().join("Downloads")).unwrap();
            fs::write(dir.path().join("Downloads/client_secret.json"), CLIENT).unwrap();
        };
        let (found, ()) = tokio::join!(downloads.next(), later);
        assert!(found.content.is_ok());
    }
}

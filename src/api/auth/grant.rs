//! The user's grant, and its file.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use url::Url;

use super::client_file::ClientSecret;
use super::error::{LoginError, file_error};
use super::fingerprint::Fingerprint;
use super::token_answer::TokenAnswer;
use crate::api::json;
use crate::profile::write_private;

/// How long logins last while the app's publishing status is "Testing" (reference §3.6).
pub const TESTING_LIFE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Its name in the profile.
const TOKEN_FILE: &str = "token.json";

/// The OAuth scopes: three of the Library API (reference §4), and one of the Picker API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Upload bytes, create items and albums.
    AppendOnly,
    /// List, search and get items of this client.
    ReadAppCreated,
    /// Album membership, titles, covers, descriptions.
    EditAppCreated,
    /// See what the user picks from the whole library.
    Pick,
}

impl Scope {
    /// The scopes of the Library API, which each login requests.
    pub const LIBRARY: [Self; 3] = [Self::AppendOnly, Self::ReadAppCreated, Self::EditAppCreated];
    /// The scopes of both APIs. A login for picks requests all of them, because a new grant replaces
    /// the old one.
    pub const WITH_PICKER: [Self; 4] =
        [Self::AppendOnly, Self::ReadAppCreated, Self::EditAppCreated, Self::Pick];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AppendOnly => "https://www.googleapis.com/auth/photoslibrary.appendonly",
            Self::ReadAppCreated => {
                "https://www.googleapis.com/auth/photoslibrary.readonly.appcreateddata"
            }
            Self::EditAppCreated => {
                "https://www.googleapis.com/auth/photoslibrary.edit.appcreateddata"
            }
            Self::Pick => "https://www.googleapis.com/auth/photospicker.mediaitems.readonly",
        }
    }

    /// The last part of the name, as the console shows it.
    pub fn short_name(self) -> &'static str {
        self.as_str().rsplit('/').next().unwrap_or_default()
    }

    /// The actions that the scope permits.
    pub fn allows(self) -> &'static str {
        match self {
            Self::AppendOnly => "upload files and make albums",
            Self::ReadAppCreated => "list albums and read photos",
            Self::EditAppCreated => {
                "remove photos from albums, add existing ones, rename albums and describe photos"
            }
            Self::Pick => "see the photos that you pick from your whole library",
        }
    }

    /// The message that the scope is missing, with the next step.
    pub fn is_missing(self) -> String {
        format!(
            "this login lacks the permission to {} ({}); {}",
            self.allows(),
            self.short_name(),
            self.remedy()
        )
    }

    /// The next step to get the scope.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Pick => "run `gphotosfs login --picker` and tick all boxes",
            _ => "run `gphotosfs login` again and tick all boxes",
        }
    }
}

/// A user's consent. The refresh token does not show in `Debug`.
#[derive(Clone, Serialize, Deserialize)]
pub struct Grant {
    refresh_token: String,
    /// As the token response names it, which may differ from the request.
    scope: String,
    /// When the user consented.
    pub granted_at: Timestamp,
    /// When Google will end it, if it has said so.
    #[serde(default)]
    pub ends_at: Option<Timestamp>,
    /// The user has said that it is of the profile's account, although it shows nothing that the
    /// profile knows.
    #[serde(default)]
    same_account: bool,
}

impl std::fmt::Debug for Grant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grant")
            .field("scope", &self.scope)
            .field("ends_at", &self.ends_at)
            .finish_non_exhaustive()
    }
}

impl Grant {
    /// The grant of a code exchange; `None` if the answer has no refresh token.
    pub(super) fn new(answer: &TokenAnswer, requested: &[Scope], now: Timestamp) -> Option<Self> {
        // A response that names no scopes means "those you asked for" (RFC 6749 §5.1).
        let names = || requested.iter().map(|it| it.as_str()).collect::<Vec<_>>().join(" ");
        let scope = answer.scope.clone().unwrap_or_else(names);
        Some(Self {
            refresh_token: answer.refresh_secret()?.to_owned(),
            scope,
            granted_at: now,
            ends_at: answer.grant_ends_at(now),
            same_account: false,
        })
    }

    /// The grant, with the user's word that it is of the profile's account.
    #[must_use]
    pub fn of_same_account(self) -> Self {
        Self { same_account: true, ..self }
    }

    /// The grant that a renewal has changed; `None` if it is unchanged. Google never sends a new
    /// refresh token, but the protocol allows it.
    pub(super) fn renewed(&self, answer: &TokenAnswer, now: Timestamp) -> Option<Self> {
        let refresh_token = answer.refresh_secret().unwrap_or(&self.refresh_token);
        let scope = answer.scope.as_deref().unwrap_or(&self.scope);
        (refresh_token != self.refresh_token || scope != self.scope).then(|| Self {
            refresh_token: refresh_token.to_owned(),
            scope: scope.to_owned(),
            granted_at: self.granted_at,
            ends_at: answer.grant_ends_at(now).or(self.ends_at),
            same_account: self.same_account,
        })
    }

    /// The secret of the grant.
    pub(super) fn refresh_token(&self) -> &str {
        &self.refresh_token
    }

    /// The granted scopes among those that this program uses.
    pub fn scopes(&self) -> Vec<Scope> {
        Scope::WITH_PICKER.into_iter().filter(|it| self.holds(*it)).collect()
    }

    /// The missing scopes among those that each login requests.
    pub fn missing_scopes(&self) -> Vec<Scope> {
        Scope::LIBRARY.into_iter().filter(|it| !self.holds(*it)).collect()
    }

    /// Whether the user has granted the scope.
    pub fn holds(&self, scope: Scope) -> bool {
        self.scope.split_whitespace().any(|it| it == scope.as_str())
    }

    /// Whether Google has given it no more than the life of a login to an app in "Testing".
    pub fn is_of_testing(&self) -> bool {
        // A renewal states the time that is left, to the second.
        let margin = SignedDuration::from_hours(1);
        self.ends_at.is_some_and(|end| end.duration_since(self.granted_at) < TESTING_LIFE + margin)
    }

    /// Writes it into the profile's configuration directory, readable by its owner only.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&self, dir: &Path) -> Result<(), LoginError> {
        let path = Self::path(dir);
        let text = serde_json::to_vec_pretty(self).map_err(|err| file_error(&path, err))?;
        write_private(&path, &text).map_err(|err| file_error(&path, err))
    }

    /// The path of the grant in the profile's configuration directory.
    pub fn path(dir: &Path) -> PathBuf {
        dir.join(TOKEN_FILE)
    }

    /// The grant of the profile, if there is one.
    ///
    /// # Errors
    /// If the file exists but cannot be used.
    pub fn stored(dir: &Path) -> Result<Option<Self>, LoginError> {
        let path = Self::path(dir);
        match std::fs::read(&path) {
            Ok(text) => {
                let damaged = |err| file_error(&path, io::Error::other(json::reason(&err)));
                serde_json::from_slice(&text).map(Some).map_err(damaged)
            }
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(err) => Err(file_error(&path, err)),
        }
    }

    /// Removes the grant from the profile. Returns whether there was one.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn forget(dir: &Path) -> Result<bool, LoginError> {
        let path = Self::path(dir);
        match std::fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(err) => Err(file_error(&path, err)),
        }
    }
}

/// The two files of a login, which belong to one service.
#[derive(Debug)]
pub(super) struct Stored {
    pub client: ClientSecret,
    pub grant: Grant,
    /// The stamp of the token file as read. `None` for a login that is not stored yet.
    pub stamp: Option<Stamp>,
}

impl Stored {
    pub(super) fn load(dir: &Path, api_url: &Url) -> Result<Self, LoginError> {
        // Takes the stamp first: if the file is replaced in between, the next check sees another
        // stamp and reads it again.
        let stamp = Stamp::of(dir).ok_or(LoginError::NotLoggedIn)?;
        let grant = Grant::stored(dir)?.ok_or(LoginError::NotLoggedIn)?;
        let client = ClientSecret::stored(dir)?.ok_or(LoginError::NoClient)?;
        Self::new(client, grant, Some(stamp), api_url)
    }

    /// A login at the service of `api_url`.
    pub(super) fn new(
        client: ClientSecret,
        grant: Grant,
        stamp: Option<Stamp>,
        api_url: &Url,
    ) -> Result<Self, LoginError> {
        client.service().check(api_url)?;
        Ok(Self { client, grant, stamp })
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.client.client_id, self.grant.refresh_token())
    }

    /// Whether the user has said that it is of the profile's account.
    pub(super) fn is_of_same_account(&self) -> bool {
        self.grant.same_account
    }
}

/// Identifies a version of the token file. Replacing a file gives it a new inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    modified: Option<SystemTime>,
    inode: u64,
    len: u64,
}

impl Stamp {
    pub(super) fn of(dir: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(dir.join(TOKEN_FILE)).ok()?;
        Some(Self {
            modified: metadata.modified().ok(),
            inode: metadata.ino(),
            len: metadata.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn grant(scope: &str) -> Grant {
        Grant {
            refresh_token: "1//secret".into(),
            scope: scope.into(),
            granted_at: Timestamp::now(),
            ends_at: None,
            same_account: false,
        }
    }

    #[test]
    fn scopes_are_compared_as_a_set() {
        let some = grant(&format!("openid {}", Scope::AppendOnly.as_str()));
        assert_eq!(some.scopes(), [Scope::AppendOnly]);
        assert_eq!(some.missing_scopes(), [Scope::ReadAppCreated, Scope::EditAppCreated]);
        // The old, all-embracing scope is none of ours.
        assert_eq!(grant("https://www.googleapis.com/auth/photoslibrary").scopes(), []);
    }

    #[test]
    fn files_are_private_and_come_back() {
        let dir = tempfile::tempdir().unwrap();
        grant("s").save(dir.path()).unwrap();
        let mode = std::fs::metadata(dir.path().join(TOKEN_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(Grant::stored(dir.path()).unwrap().unwrap().refresh_token(), "1//secret");
        let before = Stamp::of(dir.path());
        grant("s").save(dir.path()).unwrap();
        assert_ne!(Stamp::of(dir.path()), before);
        assert!(Grant::forget(dir.path()).unwrap());
        assert!(!Grant::forget(dir.path()).unwrap());
    }

    #[test]
    fn debug_hides_the_token() {
        assert!(!format!("{:?}", grant("s")).contains("secret"));
    }
}

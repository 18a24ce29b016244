//! The OAuth client file as Google's console writes it (reference §3.2).

use std::path::Path;

use serde::Deserialize;
use url::Url;

use super::error::{LoginError, file_error};
use crate::api::json;
use crate::api::service::{Service, is_fit_for_browser, is_plain_public};
use crate::profile::write_private;

/// Its name in the profile.
pub(super) const CLIENT_FILE: &str = "client_secret.json";

/// The type of a client, as chosen in the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientKind {
    /// "Desktop app": Google accepts any loopback port as redirect.
    Installed,
    /// "Web application": Google accepts only the registered redirects.
    Web,
}

/// An OAuth client. The secret does not show in `Debug`.
#[derive(Clone)]
pub struct ClientSecret {
    /// The type.
    pub kind: ClientKind,
    /// The client's public id.
    pub client_id: String,
    /// The Google Cloud project it belongs to, if the file says so.
    pub project_id: Option<String>,
    /// The page where the user consents.
    pub auth_uri: Url,
    /// The endpoint that exchanges codes and refresh tokens for access tokens.
    pub token_uri: Url,
    /// The endpoint that revokes logins.
    pub revoke_uri: Url,
    /// Registered redirects.
    pub redirect_uris: Vec<String>,
    pub(super) secret: String,
    /// The text of the file, to store it unchanged.
    text: String,
}

impl std::fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientSecret")
            .field("kind", &self.kind)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// Why a file is no OAuth client file, and the next step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientFileError {
    /// The file is not JSON.
    #[error("{0}; {AS_GOOGLE_GAVE_IT}")]
    NotJson(String),
    /// The file is the key of a service account.
    #[error(
        "it is the key of a service account, which Google Photos does not accept; {MAKE_DESKTOP_CLIENT}"
    )]
    ServiceAccount,
    /// The file holds a token, not a client.
    #[error("it holds a user's token, not an OAuth client; {MAKE_DESKTOP_CLIENT}")]
    UserToken,
    /// The file holds an API key.
    #[error("it holds an API key, which gives no access to a user's photos; {MAKE_DESKTOP_CLIENT}")]
    ApiKey,
    /// The file is any other JSON.
    #[error("it is JSON, but has neither \"installed\" nor \"web\" in it; {MAKE_DESKTOP_CLIENT}")]
    NoClient,
    /// An address in the file is not safe to use.
    #[error("its {field} is {reason}; {AS_GOOGLE_GAVE_IT}")]
    Unsafe {
        /// The field.
        field: &'static str,
        /// The danger.
        reason: &'static str,
    },
    /// The client file lacks a field.
    #[error("it is incomplete: {0}; {AS_GOOGLE_GAVE_IT}")]
    Incomplete(String),
}

/// Google offers the file only once, and a new client would not see the uploads of the old one.
const AS_GOOGLE_GAVE_IT: &str = "use the file as Google gave it; if it is lost, docs/GOOGLE.md says how to write it again for the same client";

const MAKE_DESKTOP_CLIENT: &str = "make an OAuth client of the type \"Desktop app\" (Google Cloud console, Clients) and use its JSON file";

#[derive(Deserialize)]
struct Fields {
    client_id: String,
    client_secret: String,
    project_id: Option<String>,
    auth_uri: Url,
    token_uri: Url,
    /// Not in Google's files: an emulator names its revocation endpoint here.
    revoke_uri: Option<Url>,
    #[serde(default)]
    redirect_uris: Vec<String>,
}

impl ClientSecret {
    /// The service whose logins it is for.
    pub fn service(&self) -> Service {
        Service::at(&self.token_uri)
    }

    /// Parses Google's file.
    ///
    /// # Errors
    /// If the file is none. The error names its kind.
    pub fn parse(text: &str) -> Result<Self, ClientFileError> {
        use serde_json::Value;
        let text = text.trim_start_matches('\u{feff}'); // editors on Windows add it
        let json: Value = serde_json::from_str(text).map_err(|err| {
            // A bare API key in a file.
            if text.trim().starts_with("AIza") {
                ClientFileError::ApiKey
            } else {
                ClientFileError::NotJson(json::reason(&err))
            }
        })?;
        let has = |key: &str| json.get(key).is_some();
        let (kind, fields) = match (json.get("installed"), json.get("web")) {
            (Some(fields), _) => (ClientKind::Installed, fields),
            (None, Some(fields)) => (ClientKind::Web, fields),
            _ if has("private_key")
                || json.get("type").and_then(Value::as_str) == Some("service_account") =>
            {
                return Err(ClientFileError::ServiceAccount);
            }
            _ if has("refresh_token") || has("access_token") => {
                return Err(ClientFileError::UserToken);
            }
            _ if has("api_key") || has("apiKey") || has("keyString") => {
                return Err(ClientFileError::ApiKey);
            }
            _ => return Err(ClientFileError::NoClient),
        };
        // serde's messages name the field and quote a wrong URL, but never the secret.
        let fields = Fields::deserialize(fields)
            .map_err(|err| ClientFileError::Incomplete(err.to_string()))?;
        for (name, value) in
            [("client_id", &fields.client_id), ("client_secret", &fields.client_secret)]
        {
            if value.trim().is_empty() {
                return Err(ClientFileError::Incomplete(format!("{name} is empty")));
            }
        }
        if !is_fit_for_browser(&fields.auth_uri) {
            let reason = "no https address, nor one on this machine";
            return Err(ClientFileError::Unsafe { field: "auth_uri", reason });
        }
        let beside = fields.token_uri.join("revoke");
        let revoke_uri = fields.revoke_uri.or(beside.ok());
        let revoke_uri = revoke_uri
            .ok_or_else(|| ClientFileError::Incomplete("token_uri is no web address".into()))?;
        for (field, uri) in [("token_uri", &fields.token_uri), ("revoke_uri", &revoke_uri)] {
            if is_plain_public(uri) {
                let reason = "an address on the Internet without https";
                return Err(ClientFileError::Unsafe { field, reason });
            }
            if !matches!(uri.scheme(), "http" | "https") || !uri.has_host() {
                return Err(ClientFileError::Incomplete(format!("{field} is no web address")));
            }
        }
        Ok(Self {
            kind,
            client_id: fields.client_id,
            project_id: fields.project_id,
            secret: fields.client_secret,
            auth_uri: fields.auth_uri,
            token_uri: fields.token_uri,
            revoke_uri,
            redirect_uris: fields.redirect_uris,
            text: text.to_owned(),
        })
    }

    /// Writes the file into the profile's configuration directory, readable by its owner only.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&self, dir: &Path) -> Result<(), LoginError> {
        let path = dir.join(CLIENT_FILE);
        write_private(&path, self.text.as_bytes()).map_err(|err| file_error(&path, err))
    }

    /// The client that the profile used last, if any.
    ///
    /// # Errors
    /// If the file exists but cannot be used.
    pub fn stored(dir: &Path) -> Result<Option<Self>, LoginError> {
        let path = dir.join(CLIENT_FILE);
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text).map(Some).map_err(|err| file_error(&path, err)),
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(err) => Err(file_error(&path, err)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(kind: &str) -> String {
        serde_json::json!({kind: {"client_id": "c", "project_id": "p", "client_secret": "GOCSPX-s",
            "auth_uri": "https://accounts.google.com/o/oauth2/auth", "token_uri": "https://oauth2.googleapis.com/token",
            "redirect_uris": ["http://localhost"]}})
        .to_string()
    }

    #[test]
    fn both_kinds_are_read_and_revoke_lies_beside_token() {
        let client = ClientSecret::parse(&file("installed")).unwrap();
        assert_eq!(client.kind, ClientKind::Installed);
        assert_eq!(client.revoke_uri.as_str(), "https://oauth2.googleapis.com/revoke");
        assert_eq!(ClientSecret::parse(&file("web")).unwrap().kind, ClientKind::Web);
    }

    #[test]
    fn debug_hides_the_secret() {
        let client = ClientSecret::parse(&file("installed")).unwrap();
        assert!(!format!("{client:?}").contains("GOCSPX"));
    }

    #[test]
    fn unsafe_addresses_are_refused() {
        let google = file("installed");
        for (field, from, to) in [
            ("auth_uri", "https://accounts", "http://accounts"),
            ("auth_uri", "https://accounts.google.com/", "file:///"),
            ("auth_uri", "https://accounts.google.com/", "javascript:/"),
            ("auth_uri", "https://accounts.google.com/", "http://10.0.0.1/"),
            ("token_uri", "https://oauth2", "http://oauth2"),
            ("token_uri", "https://oauth2.googleapis.com", "http://oauth2.googleapis.com."),
        ] {
            let error = ClientSecret::parse(&google.replace(from, to)).unwrap_err();
            assert!(
                matches!(error, ClientFileError::Unsafe { field: it, .. } if it == field),
                "{to}: {error}"
            );
        }
        let local = google.replace("https://accounts.google.com", "http://127.0.0.1:8085");
        ClientSecret::parse(
            &local.replace("https://oauth2.googleapis.com", "http://127.0.0.1:8085"),
        )
        .unwrap();
        let none = google.replace("https://oauth2.googleapis.com/token", "mailto:x@example.org");
        assert!(matches!(ClientSecret::parse(&none), Err(ClientFileError::Incomplete(_))));
    }

    #[test]
    fn each_kind_of_wrong_file_has_its_error() {
        use ClientFileError::*;
        let check = |text: &str, expected: ClientFileError| {
            assert_eq!(ClientSecret::parse(text).unwrap_err(), expected, "{text}");
        };
        check(r#"{"type":"service_account","private_key":"k"}"#, ServiceAccount);
        check(r#"{"type":"authorized_user","refresh_token":"r"}"#, UserToken);
        check(r#"{"api_key":"AIza1"}"#, ApiKey);
        check("AIzaSyB\n", ApiKey);
        check("[]", NoClient);
        assert!(matches!(ClientSecret::parse("<html>"), Err(NotJson(_))));
        assert!(matches!(
            ClientSecret::parse(r#"{"installed":{"client_id":"c"}}"#),
            Err(Incomplete(_))
        ));
        let empty = file("installed").replace("GOCSPX-s", " ");
        assert!(matches!(ClientSecret::parse(&empty), Err(Incomplete(_))));
    }
}

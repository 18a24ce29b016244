//! Why there is no access token, and the next step.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::api::service::Foreign;

/// Why there is no access token. Cheap to clone: all tasks that waited for one renewal get its
/// error.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoginError {
    /// The user has not logged in, or has logged out.
    #[error("not logged in; run `gphotosfs login`")]
    NotLoggedIn,
    /// There is a grant, but no OAuth client file.
    #[error("the OAuth client file is missing; run `gphotosfs login --client-secret FILE`")]
    NoClient,
    /// A file of the login cannot be read or written.
    #[error("cannot use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// Google no longer accepts the grant. Final until the user logs in again.
    #[error(
        "Google has ended this login ({0}); run `gphotosfs login`. If this happens every seven days, the app is in \
         \"Testing\": docs/GOOGLE.md says how to publish it"
    )]
    Ended(String),
    /// Google refuses the client or the account, not the grant.
    #[error("Google refuses the login: {error}{}{}", describe(.description), describe(remedy(.error).unwrap_or("")))]
    Refused {
        /// OAuth's error code.
        error: String,
        /// Google's explanation, may be empty.
        description: String,
    },
    /// The client could not reach the token endpoint.
    #[error("cannot reach Google's login service: {0}")]
    Offline(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// The token endpoint failed.
    #[error("Google's login service failed: {0}")]
    Unavailable(String),
    /// The login belongs to another service.
    #[error("the login {0}; {remedy}", remedy = Foreign::REMEDY)]
    Foreign(Foreign),
    /// The login does not show the library that the profile belongs to.
    #[error("{0}; {remedy}", remedy = .0.remedy())]
    OtherLibrary(OtherLibrary),
    /// Nothing says yet whether the login shows the library that the profile belongs to.
    #[error("cannot check yet that this login is of the profile's account: {0}")]
    Unchecked(String),
}

/// Why a login does not show the library that the profile belongs to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OtherLibrary {
    /// It shows nothing that the profile knows.
    #[error(
        "this login is of another Google account, or everything that this profile knows was deleted there: none of \
         {items} items and {albums} albums is found"
    )]
    Account {
        /// How many known items were asked for.
        items: usize,
        /// How many known albums were asked for.
        albums: usize,
    },
    /// Another OAuth client made the library. Google shows it to that client only.
    #[error(
        "the profile belongs to the OAuth client {bound}, and Google shows nothing of its albums and photos to {given}"
    )]
    Client {
        /// The client that the profile belongs to.
        bound: String,
        /// The client of the login.
        given: String,
    },
}

impl OtherLibrary {
    /// The next step.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Account { .. } => {
                "log in as the account that the profile was used with, or use another profile for this one \
                 (--profile NAME); if everything was deleted, run `gphotosfs login --same-account`"
            }
            Self::Client { .. } => {
                "log in with that client's file (`gphotosfs login --client-secret FILE`), or use another profile for \
                 the new client (--profile NAME)"
            }
        }
    }
}

impl From<Foreign> for LoginError {
    fn from(foreign: Foreign) -> Self {
        Self::Foreign(foreign)
    }
}

impl LoginError {
    /// Whether the login may work again without an action of the user.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Offline(_) | Self::Unavailable(_) | Self::Unchecked(_))
    }

    /// The next step for an OAuth error code.
    pub fn remedy(error: &str) -> Option<&'static str> {
        remedy(error)
    }
}

fn describe(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

/// The next step for an OAuth error code, in the terms of the console (reference §3.2 to §3.6).
fn remedy(error: &str) -> Option<&'static str> {
    Some(match error {
        "access_denied" => {
            "you or Google said no; while the app is in \"Testing\", only its test users may log in (page \"Audience\")"
        }
        "invalid_client" => {
            "the client id or secret is wrong or was replaced; give the same client a new one (Google Cloud console, \
             \"Clients\", the client, \"Add secret\"), write it into the client file, and log in with that"
        }
        "deleted_client" => {
            "the OAuth client was deleted in the console; restore it there within 30 days, because a new one would see \
             nothing of its uploads"
        }
        "unauthorized_client" => {
            "this kind of client may not do this; make one of the type \"Desktop app\""
        }
        "admin_policy_enforced" | "access_not_configured" => {
            "the administrator of this Google account forbids it; ask them, or use another account"
        }
        "org_internal" => {
            "this client is for members of its organisation only; choose \"External\" on the console's page \"Audience\""
        }
        "redirect_uri_mismatch" => {
            "the client does not know our address; make an OAuth client of the type \"Desktop app\""
        }
        "invalid_scope" => "add the Photos scopes on the console's page \"Data access\"",
        "invalid_request" => "start again with a fresh link",
        _ => return None,
    })
}

/// The error for a file of the login.
pub(super) fn file_error(
    path: &Path,
    source: impl std::error::Error + Send + Sync + 'static,
) -> LoginError {
    LoginError::File { path: path.to_owned(), source: Arc::new(source) }
}

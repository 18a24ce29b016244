//! The accounts: a Google account as one application sees it.

use serde::{Deserialize, Serialize};

/// The user who is signed in unless a test or the request's `login_hint` names another.
pub const DEFAULT_USER: &str = "user@example.com";

/// A Google account as one application sees it. Ids, items and albums belong to both together
/// (reference §1, §2.3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Account {
    /// The user's e-mail address.
    #[serde(default = "default_user")]
    pub user: String,
    /// The application.
    #[serde(default)]
    pub client: OauthClient,
}

fn default_user() -> String {
    DEFAULT_USER.to_owned()
}

impl Default for Account {
    fn default() -> Account {
        Account { user: default_user(), client: OauthClient::First }
    }
}

impl Account {
    /// Another user of the first client.
    pub fn of(user: &str) -> Account {
        Account { user: user.to_owned(), ..Account::default() }
    }

    /// The default user, in Google's own app and web page.
    pub fn in_google_app() -> Account {
        Account { client: OauthClient::GoogleApp, ..Account::default() }
    }

    /// The default user, by the other client.
    pub fn by_other_client() -> Account {
        Account { client: OauthClient::Other, ..Account::default() }
    }
}

/// The OAuth clients, both desktop applications, each in a Cloud project of its own.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum OauthClient {
    /// The client whose secret file the emulator writes.
    #[default]
    First,
    /// A client that the same person made later in another project.
    Other,
    /// Google's own app and web page, by which the user uploads from the phone and makes albums. It
    /// logs in without OAuth, so no token is for it, and no program sees its items by the Library API.
    GoogleApp,
}

impl OauthClient {
    /// Those that programs log in with.
    pub(crate) const ALL: [OauthClient; 2] = [OauthClient::First, OauthClient::Other];

    /// The client id; it begins with the number of the project.
    pub(crate) fn id(self) -> &'static str {
        match self {
            OauthClient::First => {
                "123456789012-gphotosfsemulator0123456789abcd.apps.googleusercontent.com"
            }
            OauthClient::Other => {
                "210987654321-othergphotosfsemulator456789abcd.apps.googleusercontent.com"
            }
            OauthClient::GoogleApp => "",
        }
    }

    /// The client secret.
    pub(crate) fn secret(self) -> &'static str {
        match self {
            OauthClient::First => "GOCSPX-not-a-secret-in-an-emulator",
            OauthClient::Other => "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t",
            OauthClient::GoogleApp => "",
        }
    }

    /// The Cloud project.
    pub(crate) fn project(self) -> &'static str {
        match self {
            OauthClient::First => "gphotosfs-emulator",
            OauthClient::Other => "gphotosfs-emulator-other",
            OauthClient::GoogleApp => "google-photos",
        }
    }

    /// The client with an id.
    pub(crate) fn with_id(id: &str) -> Option<OauthClient> {
        OauthClient::ALL.into_iter().find(|client| client.id() == id)
    }
}

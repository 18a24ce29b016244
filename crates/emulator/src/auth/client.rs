//! The one OAuth client there is, a desktop application.

use serde_json::{Value, json};

use crate::state::PROJECT;

/// The one OAuth client, a desktop application.
pub(crate) const CLIENT_ID: &str =
    "123456789012-gphotosfsemulator0123456789abcd.apps.googleusercontent.com";
pub(crate) const CLIENT_SECRET: &str = "GOCSPX-not-a-secret-in-an-emulator";

/// A client secret file in Google's format, with this server's addresses.
pub(crate) fn secret_file(url: &str) -> Value {
    json!({ "installed": {
        "client_id": CLIENT_ID,
        "project_id": PROJECT,
        "auth_uri": format!("{url}/o/oauth2/auth"),
        "token_uri": format!("{url}/token"),
        "auth_provider_x509_cert_url": format!("{url}/oauth2/v1/certs"),
        "client_secret": CLIENT_SECRET,
        "redirect_uris": ["http://localhost"],
    } })
}

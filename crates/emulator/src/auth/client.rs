//! The secret files of the OAuth clients.

use serde_json::{Value, json};

use crate::account::OauthClient;

/// A client secret file in Google's format, with this server's addresses.
pub(crate) fn secret_file(url: &str, client: OauthClient) -> Value {
    json!({ "installed": {
        "client_id": client.id(),
        "project_id": client.project(),
        "auth_uri": format!("{url}/o/oauth2/auth"),
        "token_uri": format!("{url}/token"),
        "auth_provider_x509_cert_url": format!("{url}/oauth2/v1/certs"),
        "client_secret": client.secret(),
        "redirect_uris": ["http://localhost"],
    } })
}

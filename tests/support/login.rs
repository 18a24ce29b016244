//! Logins, written as `gphotosfs login` would.

use std::fs;
use std::path::Path;

use gphotosfs_emulator::{Account, Emulator, Grant, SCOPES};

/// Writes a login into a profile's configuration directory.
pub fn write(dir: &Path, client: &str, refresh_token: &str, scope: &str) {
    fs::write(dir.join("client_secret.json"), client).unwrap();
    let token = serde_json::json!({
        "refresh_token": refresh_token,
        "scope": scope,
        "granted_at": "2026-01-01T00:00:00Z",
    });
    // Replaced as a whole: the program tells versions apart by their inodes.
    fs::write(dir.join("token.new"), token.to_string()).unwrap();
    fs::rename(dir.join("token.new"), dir.join("token.json")).unwrap();
}

/// Writes a login at an emulator.
pub fn write_grant(dir: &Path, emulator: &Emulator, grant: &Grant) {
    write(dir, &emulator.client_secret_json(), &grant.refresh_token, &grant.scope);
}

/// Writes a login of an account at an emulator, with all scopes.
pub fn write_account(dir: &Path, emulator: &Emulator, account: &Account) {
    let grant = emulator.grant_to(account, &SCOPES);
    let client = emulator.client_secret_json_of(account.client);
    write(dir, &client, &grant.refresh_token, &grant.scope);
}

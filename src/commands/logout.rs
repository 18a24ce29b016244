//! `gphotosfs logout`: ends the login at Google and removes it from this machine.

use std::path::Path;

use crate::api::{ClientSecret, Grant, LoginError, OAuth};
use crate::app::running::Mount;
use crate::app::{CommandError, print};
use crate::profile::Profile;

/// Ends the login at Google if possible, and removes it from this machine in any case. The client
/// file stays, so that the next `login` needs no argument. `in_full` prints all causes of a failure
/// at Google.
///
/// # Errors
/// If the login cannot be removed from this disk.
pub async fn run(profile: &Profile, in_full: bool) -> Result<(), CommandError> {
    let dir = profile
        .config_dir()
        .map_err(|err| CommandError::new("cannot use the profile's directory").because(err))?;
    let ended = end_at_google(dir).await;
    let there_was_one = Grant::forget(dir)
        .map_err(|err| CommandError::new("cannot remove the login").because(err))?;
    let words = match (there_was_one, ended) {
        (false, _) => "You were not logged in.\n",
        (true, Ok(true)) => {
            "Logged out: Google has ended the login, and it is removed from this machine.\n"
        }
        (true, Ok(false)) => {
            "Logged out: the login had ended before; it is removed from this machine.\n"
        }
        (true, Err(err)) => {
            CommandError::new("could not end the login at Google")
                .because(err)
                .hint("end it yourself at https://myaccount.google.com/connections")
                .say(in_full);
            "The login is removed from this machine.\n"
        }
    };
    print(words)?;
    // Otherwise a mount would go on until its access token expires.
    if let Ok(Some(mount)) = Mount::of_profile(profile) {
        mount.use_stored_login();
        let root = mount.root.display();
        print(format!(
            "The mount on {root} has no login now; queued files wait for the next one.\n"
        ))?;
    }
    Ok(())
}

/// Ends the login at Google. Returns false if it had ended before.
async fn end_at_google(dir: &Path) -> Result<bool, LoginError> {
    let Some(grant) = Grant::stored(dir)? else { return Ok(false) };
    let client = ClientSecret::stored(dir)?.ok_or(LoginError::NoClient)?;
    OAuth::open(client)?.revoke(&grant).await
}

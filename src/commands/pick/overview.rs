//! `gphotosfs pick --list`.

use serde::Serialize;

use super::connection::failed;
use crate::app::engine::no_directory;
use crate::app::{CommandError, json_text, print};
use crate::profile::Profile;
use crate::status::Pick;
use crate::store::Store;

/// The version of the JSON's layout. Added fields do not change it.
const VERSION: u32 = 1;

/// All picks as JSON.
#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    picks: &'a [Pick],
}

/// Lists all picks.
///
/// # Errors
/// If the database fails.
pub fn list(json: bool, profile: &Profile) -> Result<(), CommandError> {
    let dir = profile.state_dir().map_err(no_directory)?;
    let picks = match Store::open_read_only(dir).map_err(failed)? {
        Some(store) => store.pick_summaries().map_err(failed)?,
        None => Vec::new(),
    };
    let picks: Vec<Pick> = picks.iter().map(Pick::from).collect();
    match json {
        true => print(json_text(&Document { version: VERSION, picks: &picks })?),
        false if picks.is_empty() => {
            print("There are no picks: 'gphotosfs pick NAME' makes one.\n")
        }
        false => print(picks.iter().map(|it| format!("{it}\n")).collect::<String>()),
    }
}

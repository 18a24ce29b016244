//! `gphotosfs pick`: from a page of Google's, on which the user picks, to files under
//! `.gphotos/picked/NAME`.
//!
//! This command speaks to Google and writes the tables of picks by itself, with a mount or without
//! one. A mount only reads them.

mod connection;
mod failures;
mod listing;
mod overview;
mod visit;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::time::Duration;

use crate::app::running::Mount;
use crate::app::{CommandError, Exit, counted, print, tell};
use crate::media::EntryName;
use crate::profile::Profile;
use crate::settings::Apis;
use connection::Connection;
use listing::{Addition, Listed};
pub use overview::list;
use visit::Visit;

/// The arguments.
#[derive(Debug)]
pub struct Options {
    /// The pick's name.
    pub name: OsString,
    /// Forget what the pick had.
    pub anew: bool,
    /// Print the address instead of opening a browser.
    pub no_browser: bool,
    /// Also print a QR code.
    pub qr: bool,
    /// Wait no longer than this.
    pub timeout: Option<Duration>,
}

/// Lets the user pick, and adds the items to a pick. Returns whether there were any.
///
/// # Errors
/// If Google or the database fails, or the user interrupts it.
pub async fn run(options: &Options, profile: &Profile, apis: &Apis) -> Result<Exit, CommandError> {
    let name = entry_name(&options.name)?;
    let connection = Connection::open(profile, apis, options.no_browser).await?;
    connection.end_needless_sessions().await;
    finish_earlier(&connection, &name).await?;
    let visit = Visit {
        picker: connection.client.picker(),
        no_browser: options.no_browser,
        qr: options.qr,
        timeout: options.timeout,
    };
    let Some((session, expires_at)) = visit.until_done().await? else {
        tell(
            "gphotosfs: nothing was picked: the wait is over\n  -> run this command again. If \"Done\" did nothing, \
             pick parts of some hundred photos",
        );
        return Ok(Exit::Failed);
    };
    let addition = Addition { name: name.clone(), expires_at, anew: options.anew };
    let listed = connection.list(&session, Some(addition)).await?;
    if listed.items == 0 {
        connection.end_session(&session).await;
        tell("gphotosfs: nothing was picked");
        return Ok(Exit::Failed);
    }
    // Those of a pick that began anew.
    connection.end_needless_sessions().await;
    report(&connection, &name, &listed, profile)?;
    Ok(Exit::Done)
}

/// Forgets a pick, and ends its sessions at Google.
///
/// # Errors
/// If there is no such pick, or the database fails.
pub async fn forget(name: OsString, profile: &Profile, apis: &Apis) -> Result<(), CommandError> {
    let name = entry_name(&name)?;
    if !connection::store(profile, apis)?.forget_pick(&name).map_err(connection::failed)? {
        return Err(CommandError::new(format!("there is no pick {name}"))
            .hint("'gphotosfs pick --list' shows all of them"));
    }
    // Without a login, the sessions end by themselves.
    if let Ok(connection) = Connection::with_login(profile, apis) {
        connection.end_needless_sessions().await;
    }
    Ok(())
}

/// The name as that of a directory. As for an album, it has to be text.
fn entry_name(name: &OsString) -> Result<EntryName, CommandError> {
    let cannot = || {
        let what = format!("a pick cannot be called {}", Path::new(name).display());
        CommandError::usage(what)
            .hint("use a name as for a directory, for example the album's title without '/'")
    };
    if name.to_str().is_none() {
        return Err(cannot().because("the name is not UTF-8"));
    }
    EntryName::new(name.clone().into_vec()).map_err(|err| cannot().because(err))
}

/// Lists what an interrupted command has not.
async fn finish_earlier(connection: &Connection, name: &EntryName) -> Result<(), CommandError> {
    let left = connection.store.unlisted_sessions(name).map_err(connection::failed)?;
    for session in left {
        let listed = connection.list(&session.remote, None).await?;
        tell(format!(
            "An earlier pick was not listed to its end: {} more.",
            counted(listed.fresh, "item")
        ));
    }
    Ok(())
}

/// The counts, and the next step.
fn report(
    connection: &Connection,
    name: &EntryName,
    listed: &Listed,
    profile: &Profile,
) -> Result<(), CommandError> {
    let all = connection.store.pick_summaries().map_err(connection::failed)?;
    let Some(now) = all.into_iter().find(|it| it.pick.name == *name) else { return Ok(()) };
    print(format!(
        "{} picked, {} of them new. {name} has {} now.\n",
        counted(listed.items, "item"),
        listed.fresh,
        counted(now.items, "item")
    ))?;
    if now.nameless > 0 {
        tell(format!(
            "{} without a name at Google got the id as a name.",
            counted(now.nameless, "item")
        ));
    }
    if now.processing > 0 {
        tell(format!(
            "Google is still processing {}: it cannot be read yet.",
            counted(now.processing, "video")
        ));
    }
    if listed.items >= crate::api::PICKED_ITEMS_MAX {
        tell("Google lets you pick no more at a time. Run this command again for the rest.");
    }
    let mount = Mount::of_profile(profile).ok().flatten();
    let root = mount.map_or_else(|| "MOUNTPOINT".into(), |it| it.root);
    let place = root.join(".gphotos/picked").join(std::ffi::OsStr::new(&*name.to_text()));
    let place = shlex::try_quote(&place.to_string_lossy())
        .map_or_else(|_| String::new(), |it| it.into_owned());
    tell(format!("  -> compare it with a folder: gphotosfs diff LOCAL {place}"));
    Ok(())
}

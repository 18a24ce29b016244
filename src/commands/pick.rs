//! `gphotosfs pick`: from a page of Google's, on which the user picks, to files under
//! `.gphotos/picked/NAME`.
//!
//! This command speaks to Google and writes the tables of picks by itself, with a mount or without
//! one. A mount only reads them.

mod connection;
mod failures;
mod listing;
mod name;
mod overview;
mod visit;

use std::ffi::OsString;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::app::running::Mount;
use crate::app::signals::EndSignals;
use crate::app::{CommandError, Exit, counted, print, tell};
use crate::media::{EntryName, PickerSessionId};
use crate::profile::{Picking, Profile};
use crate::settings::Apis;
use connection::Connection;
use listing::{Addition, Listed};
pub use overview::list;
use visit::{End, Stop, Visit};

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
    let name = name::for_new_pick(&options.name)?;
    let limit = options.timeout.map(|it| Instant::now() + it);
    let connection = Connection::open(profile, apis, options.no_browser).await?;
    let _picking = take_place(&connection, profile)?;
    // From here on, Ctrl-C leaves no session behind.
    let mut stop = Stop { signals: EndSignals::listen(&Handle::current())?, limit };
    let visit =
        Visit { connection: &connection, no_browser: options.no_browser, qr: options.qr, limit };
    let earlier = async {
        connection.end_needless_sessions().await;
        finish_earlier(&connection, &name).await.map(|()| None)
    };
    let ended_early = tokio::select! {
        outcome = earlier => outcome?,
        end = stop.reached() => Some(end),
    };
    let end = match ended_early {
        Some(end) => end,
        None => visit.until_done(&mut stop).await?,
    };
    let (session, expires_at) = match end {
        End::Done(session, expires_at) => (session, expires_at),
        End::TimedOut => {
            tell(
                "gphotosfs: nothing was picked: the wait is over\n  -> run this command again. If \"Done\" did nothing, \
                 pick parts of some hundred photos",
            );
            return Ok(Exit::Failed);
        }
        End::Interrupted => {
            let hint = "nothing has changed: run it again to pick";
            return Err(CommandError::new("stopped").hint(hint));
        }
    };
    let addition = Addition { name: name.clone(), expires_at, anew: options.anew };
    let listed = tokio::select! {
        listed = connection.list(&session, Some(addition.clone())) => Some(listed?),
        _ = stop.signals.received() => None,
    };
    let Some(listed) = listed else { return Err(stopped(&connection, &session, addition).await) };
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

/// Keeps the session of a listing that the user stops, so that the next command lists the rest.
/// A pick that begins anew keeps what it had until it has something new, so before its first page the
/// session ends.
async fn stopped(
    connection: &Connection,
    session: &PickerSessionId,
    addition: Addition,
) -> CommandError {
    const WHAT: &str = "stopped while it listed the picked photos";
    let Addition { name, expires_at, anew } = addition;
    let kept = connection.store.unlisted_sessions(&name).and_then(|known| {
        let is_known = known.iter().any(|it| it.remote == *session);
        if !is_known && !anew {
            connection.store.add_to_pick(&name, session, expires_at, false)?;
        }
        Ok(is_known || !anew)
    });
    match kept {
        Ok(true) => {
            CommandError::new(WHAT).hint("run it again: it lists the rest of what was picked first")
        }
        Ok(false) => {
            connection.end_session(session).await;
            CommandError::new(WHAT).hint("nothing has changed: run it again to pick")
        }
        Err(error) => connection::failed(error),
    }
}

/// Takes a place among the commands that wait. The sessions of those that were killed are needless.
fn take_place(connection: &Connection, profile: &Profile) -> Result<Picking, CommandError> {
    let cannot = |err| CommandError::new("cannot lock the picks").because(err);
    let mut picking = profile.picking().map_err(cannot)?;
    if picking.is_alone() {
        connection.store.sessions_given_up(None).map_err(connection::failed)?;
        picking.share().map_err(cannot)?;
    }
    Ok(picking)
}

/// Forgets a pick, and ends its sessions at Google.
///
/// # Errors
/// If there is no such pick, or the database fails.
pub async fn forget(name: OsString, profile: &Profile, apis: &Apis) -> Result<(), CommandError> {
    let name = name::of_pick(&name)?;
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

/// Lists what an interrupted command has not.
async fn finish_earlier(connection: &Connection, name: &EntryName) -> Result<(), CommandError> {
    let left = connection.store.unlisted_sessions(name).map_err(connection::failed)?;
    for session in left {
        if connection
            .client
            .picker()
            .session(&session.remote)
            .await
            .is_err_and(|it| it.is_not_found())
        {
            connection.store.session_ended(&session.remote).map_err(connection::failed)?;
            tell(
                "An earlier pick was not listed to its end, and Google has ended its session: what was listed stays. \
                 Pick the rest again.",
            );
            continue;
        }
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

//! Does for tests and scripts what a person does on the page.

use serde::{Deserialize, Serialize};

use super::desk::TooMany;
use crate::error::ApiError;
use crate::server::Server;
use crate::state::{Change, Item, Origin, Owned, PickSession, Whole, World};

/// One step of the user in the picker. Without `session`, it is the newest one that waits for a user.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields' meaning is the same throughout")]
pub enum PickStep {
    /// Ticks items.
    Tick {
        #[serde(default)]
        session: Option<String>,
        choice: Choice,
    },
    /// Presses Done.
    Done {
        #[serde(default)]
        session: Option<String>,
    },
    /// Ticks items and presses Done.
    Pick {
        #[serde(default)]
        session: Option<String>,
        choice: Choice,
    },
    /// Closes the tab. The session learns nothing of it.
    Close {
        #[serde(default)]
        session: Option<String>,
    },
    /// Not the user's step: the session's time is over.
    Expire {
        #[serde(default)]
        session: Option<String>,
    },
}

/// Why a step was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PickError(pub(crate) String);

/// Items, by all of the properties that are given; without any, all that the user has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Choice {
    /// File names, or ids of the Library API.
    pub items: Option<Vec<String>>,
    /// The title of an album, whichever application has made it.
    pub album: Option<String>,
    /// The first letters of a day, as in `2019-04-28` or `2019-04`.
    pub day: Option<String>,
    /// The first so many of these are left out, counted from the newest.
    pub skip: usize,
    /// At most so many of the rest are chosen.
    pub take: Option<usize>,
}

impl Choice {
    /// The items of an album.
    pub fn album(title: &str) -> Choice {
        Choice { album: Some(title.to_owned()), ..Choice::default() }
    }

    /// Items by their names or ids.
    pub fn items<S: ToString>(items: impl IntoIterator<Item = S>) -> Choice {
        let items = items.into_iter().map(|item| item.to_string()).collect();
        Choice { items: Some(items), ..Choice::default() }
    }

    /// The items of a day.
    pub fn day(day: &str) -> Choice {
        Choice { day: Some(day.to_owned()), ..Choice::default() }
    }

    fn find(&self, whole: &Whole<'_>) -> Result<Vec<Origin>, ApiError> {
        let of_album = self.album.as_deref().map(|title| in_albums(whole, |it| it == title));
        let fits = |it: &&Owned<'_>| {
            let Owned { origin, item } = it;
            let is_named =
                |names: &Vec<String>| names.iter().any(|it| *it == item.filename || *it == item.id);
            of_album.as_ref().is_none_or(|members| members.contains(origin))
                && self.items.as_ref().is_none_or(is_named)
                && self.day.as_ref().is_none_or(|begin| day(item).starts_with(begin))
        };
        let found = whole.items().iter().filter(fits).map(|it| it.origin);
        let take = self.take.unwrap_or(usize::MAX);
        let found: Vec<Origin> = found.skip(self.skip).take(take).collect();
        if found.is_empty() {
            return Err(ApiError::not_found(format!("there is no item of {self:?}")));
        }
        Ok(found)
    }
}

/// The day of an item, as in `2019-04-28`.
pub(super) fn day(item: &Item) -> String {
    let time = jiff::Timestamp::from_second(item.creation_time_s()).unwrap_or_default();
    time.strftime("%F").to_string()
}

/// The items of the albums with such a title.
pub(super) fn in_albums(
    whole: &Whole<'_>,
    fits: impl Fn(&str) -> bool,
) -> std::collections::HashSet<Origin> {
    let albums = whole.albums().filter(|(_, album)| fits(&album.title));
    albums.flat_map(|(client, album)| whole.members(client, album)).collect()
}

/// Takes a step. Returns how many items are ticked or picked then. Blocks.
pub(crate) fn take_step(server: &Server, step: PickStep) -> Result<usize, ApiError> {
    let world = &mut server.world.lock();
    match step {
        PickStep::Tick { session, choice } => {
            let session = waiting(server, world, session)?;
            tick(server, world, &session, &choice)
        }
        PickStep::Done { session } => {
            let session = waiting(server, world, session)?;
            finish(server, world, session)
        }
        PickStep::Pick { session, choice } => {
            let session = waiting(server, world, session)?;
            tick(server, world, &session, &choice)?;
            finish(server, world, session)
        }
        PickStep::Close { session } => {
            server.picker.leave(&waiting(server, world, session)?.id);
            Ok(0)
        }
        PickStep::Expire { session } => {
            let session = match session {
                Some(id) => world.pick_session(&id).cloned().ok_or_else(|| no_session(&id))?,
                None => newest(world.pick_sessions())?,
            };
            let expires_ms = server.now_ms();
            server.record(world, Change::PickSession(PickSession { expires_ms, ..session }))?;
            Ok(0)
        }
    }
}

fn no_session(id: &str) -> ApiError {
    ApiError::not_found(format!("there is no session {id:?} that waits for its user"))
}

fn newest<'a>(sessions: impl Iterator<Item = &'a PickSession>) -> Result<PickSession, ApiError> {
    let newest = sessions.max_by_key(|session| session.created_ms).cloned();
    newest.ok_or_else(|| no_session(""))
}

/// The session of that id, or the newest, if it waits for its user.
fn waiting(
    server: &Server,
    world: &World,
    session: Option<String>,
) -> Result<PickSession, ApiError> {
    let now_ms = server.now_ms();
    match session {
        Some(id) => {
            let session = world.pick_session(&id).filter(|it| it.awaits_user(now_ms));
            session.cloned().ok_or_else(|| no_session(&id))
        }
        None => newest(world.pick_sessions().filter(|it| it.awaits_user(now_ms))),
    }
}

fn tick(
    server: &Server,
    world: &World,
    session: &PickSession,
    choice: &Choice,
) -> Result<usize, ApiError> {
    let items = choice.find(&world.whole(&session.account.user))?;
    let ticked = server.picker.tick(&session.id, &items, session.items_max);
    ticked.map_err(|TooMany| ApiError::invalid(too_many(session)))
}

/// The words of the page for one item too many.
pub(super) fn too_many(session: &PickSession) -> String {
    format!("You can select up to {} items.", session.items_max)
}

/// Presses Done. Returns how many items are picked: none if a switch makes it hang.
pub(super) fn finish(
    server: &Server,
    world: &mut World,
    session: PickSession,
) -> Result<usize, ApiError> {
    let ticked = server.picker.ticked(&session.id);
    let hangs_from = server.switches.get().picker.done_hangs_from;
    if hangs_from.is_some_and(|from| ticked.len() >= from) {
        return Ok(0);
    }
    let count = ticked.len();
    server.record(world, Change::PickSession(PickSession { picked: Some(ticked), ..session }))?;
    Ok(count)
}

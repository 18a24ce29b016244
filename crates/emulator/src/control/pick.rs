//! The sessions of the Picker API, for tests and scripts to see.

use serde::Serialize;

use crate::server::Server;

/// A session of the Picker API that is not deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DumpedPickSession {
    /// As in the API.
    pub id: String,
    /// Whose token has made it.
    pub user: String,
    /// As in the API.
    pub picker_uri: String,
    /// Items that are ticked, or, at the end, picked.
    pub items: usize,
    /// Its state.
    pub state: PickState,
}

/// The state of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PickState {
    /// The user is not done.
    Waiting,
    /// The user has pressed Done.
    Picked,
    /// Its time is over.
    Expired,
}

/// All sessions, oldest first.
pub(crate) fn sessions(server: &Server) -> Vec<DumpedPickSession> {
    let now_ms = server.now_ms();
    let world = server.world.lock();
    let mut sessions: Vec<_> = world.pick_sessions().collect();
    sessions.sort_by_key(|session| session.created_ms);
    let dumped = sessions.into_iter().map(|session| DumpedPickSession {
        id: session.id.clone(),
        user: session.account.user.clone(),
        picker_uri: server.picker_uri(&session.id),
        items: match &session.picked {
            Some(picked) => picked.len(),
            None => server.picker.ticked(&session.id).len(),
        },
        state: match session.picked {
            _ if session.expires_ms <= now_ms => PickState::Expired,
            Some(_) => PickState::Picked,
            None => PickState::Waiting,
        },
    });
    dumped.collect()
}

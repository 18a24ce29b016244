//! Resumable uploads in progress: their progress, and their writers. The bytes lie in the state
//! directory, so an upload can go on after a restart.

use std::collections::HashMap;
use std::io;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use super::dir::StateDir;
use crate::account::Account;
use crate::choices;
use crate::private::nonblocking;

/// Resumable uploads in progress, at most; the oldest goes first.
const SESSIONS_MAX: usize = 10_000;

/// A resumable upload, as kept in the state directory.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Session {
    #[serde(flatten)]
    pub(crate) account: Account,
    pub(crate) name: String,
    pub(crate) content_type: String,
    pub(crate) raw_size: Option<u64>,
    pub(crate) started_ms: i64,
    pub(crate) status: Status,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Active,
    Final,
    Cancelled,
}

impl Status {
    pub(crate) fn header(self) -> &'static str {
        match self {
            Status::Active => "active",
            Status::Final => "final",
            Status::Cancelled => "cancelled",
        }
    }
}

/// The part of a session in memory: its progress, and the hash of the received bytes.
pub(crate) struct Progress {
    pub(crate) session: Session,
    pub(crate) received: u64,
    /// `None` after a restart: the bytes are hashed anew at the end.
    sha256: Option<Sha256>,
    /// Somebody is sending bytes. One writer per session (reference §8.2).
    busy: bool,
}

/// All sessions by id. Those of an earlier run are read from disk when they are asked for.
#[derive(Default)]
pub(crate) struct Sessions {
    progress: Mutex<HashMap<String, Progress>>,
}

impl Sessions {
    /// Runs `f` on a session, or returns `None` if there is none.
    pub(crate) async fn with<T>(
        &self,
        dir: &StateDir,
        now_ms: i64,
        id: &str,
        f: impl FnOnce(&mut Progress) -> T,
    ) -> Option<T> {
        if !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        if !self.progress.lock().contains_key(id) {
            let text = tokio::fs::read(dir.session(id, "json")).await.ok()?;
            let session: Session = serde_json::from_slice(&text).ok()?;
            let part = tokio::fs::metadata(dir.session(id, "part")).await;
            let received = part.map(|part| part.len()).unwrap_or(0);
            let progress = Progress { session, received, sha256: None, busy: false };
            self.progress.lock().entry(id.to_owned()).or_insert(progress);
        }
        let oldest_ms = now_ms - choices::SESSION_DAYS * 24 * 3_600_000;
        let mut sessions = self.progress.lock();
        let progress = sessions.get_mut(id)?;
        (progress.session.started_ms >= oldest_ms).then(|| f(progress))
    }

    /// Makes the caller the one writer of an active session.
    pub(crate) async fn take<'a>(
        &'a self,
        dir: &StateDir,
        now_ms: i64,
        id: &'a str,
        account: &Account,
    ) -> Result<(Session, Writer<'a>), Unavailable> {
        let taken = self.with(dir, now_ms, id, |progress| {
            if progress.session.account != *account {
                return Err(Unavailable::Gone);
            }
            if progress.session.status != Status::Active {
                return Err(Unavailable::NotActive);
            }
            if progress.busy {
                return Err(Unavailable::Busy);
            }
            progress.busy = true;
            let sha256 = progress.sha256.take();
            let received = progress.received;
            Ok((progress.session.clone(), Writer { sessions: self, id, received, sha256 }))
        });
        taken.await.unwrap_or(Err(Unavailable::Gone))
    }

    pub(crate) fn insert(&self, id: String, session: Session) {
        let mut sessions = self.progress.lock();
        if sessions.len() >= SESSIONS_MAX {
            let oldest = sessions.iter().min_by_key(|(_, progress)| progress.session.started_ms);
            if let Some(id) = oldest.map(|(id, _)| id.clone()) {
                sessions.remove(&id);
            }
        }
        let progress = Progress { session, received: 0, sha256: Some(Sha256::new()), busy: false };
        sessions.insert(id, progress);
    }
}

impl Session {
    /// Writes the session to the state directory.
    pub(crate) async fn save(&self, dir: &StateDir, id: &str) -> io::Result<()> {
        let mut file = nonblocking::create(&dir.session(id, "json")).await?;
        file.write_all(&serde_json::to_vec(self)?).await?;
        file.flush().await
    }
}

/// The writer of a session while it sends; ends with it.
pub(crate) struct Writer<'a> {
    sessions: &'a Sessions,
    id: &'a str,
    pub(crate) received: u64,
    /// `None` after a restart: the bytes are hashed anew at the end.
    pub(crate) sha256: Option<Sha256>,
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        if let Some(progress) = self.sessions.progress.lock().get_mut(self.id) {
            progress.received = self.received;
            progress.sha256 = self.sha256.take();
            progress.busy = false;
        }
    }
}

/// Why a session takes no writer.
pub(crate) enum Unavailable {
    Gone,
    NotActive,
    Busy,
}

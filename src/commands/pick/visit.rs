//! The user's visit to Google's page: invites, waits, and cleans up.

use std::pin::pin;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use tokio::time::Instant;
use url::Url;

use super::connection::{Connection, failed};
use super::failures;
use crate::api::{Advice, PickerSession};
use crate::app::signals::EndSignals;
use crate::app::{CommandError, open_browser, print, tell};
use crate::media::{PickerSessionId, local_time};

/// The life of a session that does not say when it ends.
const LIFE: Duration = Duration::from_secs(24 * 3600);

/// How much later than its end the wait may stop, to hear of a "Done" at the last moment.
const LAST_POLL: Duration = Duration::from_secs(60);

/// How long a command that stops waits for a session that is being made, to end it.
const LAST_ANSWER: Duration = Duration::from_secs(2);

/// See the module.
pub(super) struct Visit<'a> {
    pub(super) connection: &'a Connection,
    pub(super) no_browser: bool,
    pub(super) qr: bool,
    /// The end of the user's patience.
    pub(super) limit: Option<Instant>,
}

/// How a wait ended without an error.
pub(super) enum End {
    /// The user has picked in this session, which ends then.
    Done(PickerSessionId, SystemTime),
    TimedOut,
    Interrupted,
}

/// What stops a wait, whatever it waits for.
pub(super) struct Stop {
    pub(super) signals: EndSignals,
    pub(super) limit: Option<Instant>,
}

impl Stop {
    /// Completes with the first signal, and at the limit.
    pub(super) async fn reached(&mut self) -> End {
        let limit = self.limit;
        let patience = async {
            match limit {
                Some(limit) => tokio::time::sleep_until(limit).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.signals.received() => End::Interrupted,
            () = patience => End::TimedOut,
        }
    }
}

impl Visit<'_> {
    /// Waits until the user has pressed "Done", or a reason to stop. Then, and after an error, the
    /// session has ended.
    pub(super) async fn until_done(&self, stop: &mut Stop) -> Result<End, CommandError> {
        let mut making = pin!(self.make());
        let session = tokio::select! {
            session = &mut making => session?,
            end = stop.reached() => {
                if let Ok(Ok(session)) = tokio::time::timeout(LAST_ANSWER, making).await {
                    self.connection.end_session(&session.id).await;
                }
                return Ok(end);
            }
        };
        let id = session.id.clone();
        let outcome = async {
            self.invite(&session).await?;
            self.wait(session).await
        };
        let outcome = tokio::select! {
            outcome = outcome => outcome,
            end = stop.reached() => Ok(end),
        };
        if !matches!(outcome, Ok(End::Done(..))) {
            self.connection.end_session(&id).await;
        }
        outcome
    }

    /// Makes a session, and keeps it, so that a later command ends it if this one is killed.
    async fn make(&self) -> Result<PickerSession, CommandError> {
        let Connection { store, client } = self.connection;
        let session = client.picker().create_session().await.map_err(failures::not_begun)?;
        let (id, expires_at) = (session.id.clone(), end_of(session.expires_at));
        store.run(move |store| store.session_begun(&id, expires_at)).await.map_err(failed)?;
        Ok(session)
    }

    /// Shows the page, or how to get there.
    async fn invite(&self, session: &PickerSession) -> Result<(), CommandError> {
        let Some(page) = &session.page else { return Ok(()) };
        let closing = closing(page);
        let opened = !self.no_browser && open_browser(&closing).await;
        tell(match opened {
            true => "A browser should open. If it does not, use this address:\n",
            false => "Open this address:\n",
        });
        print(format!("{closing}\n"))?;
        if self.qr {
            tell(format!("\n{}", qr_code(page)?));
        }
        let patience = self.limit.map(|it| it.saturating_duration_since(Instant::now()));
        let end = end(session, Timestamp::now()).into_iter().chain(patience).min();
        tell(format!(
            "\nSearch the title of an album there, and tick its photos: a tick at a date takes the whole day.\n\
             You can tick up to 2000 photos; for more, run this command again with the same name.\n\
             If \"Done\" does nothing, pick parts of some hundred photos.\n\
             Waiting{} for \"Done\". Ctrl-C stops, and changes nothing.",
            end.map_or_else(String::new, |left| format!(
                " until {}",
                local_time(Timestamp::now() + left)
            ))
        ));
        Ok(())
    }

    /// Polls as the service says.
    async fn wait(&self, mut session: PickerSession) -> Result<End, CommandError> {
        let mut is_down = false;
        loop {
            let left = end(&session, Timestamp::now()).unwrap_or(Duration::MAX);
            if left.is_zero() {
                return Ok(End::TimedOut);
            }
            let pause = session.poll_interval.min(left.saturating_add(LAST_POLL));
            tokio::time::sleep(pause).await;
            if pause < session.poll_interval {
                return Ok(End::TimedOut);
            }
            match self.connection.client.picker().session(&session.id).await {
                Ok(now) if now.is_done => {
                    let ends_at = end_of(now.expires_at.or(session.expires_at));
                    return Ok(End::Done(session.id, ends_at));
                }
                Ok(now) => {
                    session =
                        PickerSession { expires_at: now.expires_at.or(session.expires_at), ..now };
                    is_down = false;
                }
                // The user goes on meanwhile.
                Err(error) if matches!(error.advice(), Advice::Retry { .. }) => {
                    if !is_down {
                        tell(format!("Google does not answer ({error}). Still waiting."));
                    }
                    is_down = true;
                }
                Err(error) => return Err(failures::explain("cannot wait for the pick", error)),
            }
        }
    }
}

/// When a session ends.
fn end_of(expires_at: Option<Timestamp>) -> SystemTime {
    let said = expires_at.and_then(|at| SystemTime::try_from(at).ok());
    said.unwrap_or_else(|| SystemTime::now() + LIFE)
}

/// How long to wait on: until the end of the session, or of the wait that the service suggests.
/// `None` without either.
fn end(session: &PickerSession, now: Timestamp) -> Option<Duration> {
    let expires =
        session.expires_at.map(|at| Duration::try_from(at.duration_since(now)).unwrap_or_default());
    [session.wait, expires].into_iter().flatten().min()
}

/// The address of the page that closes itself at the end.
fn closing(page: &Url) -> Url {
    let mut closing = page.clone();
    if let Ok(mut path) = closing.path_segments_mut() {
        path.pop_if_empty().push("autoclose");
    }
    closing
}

/// The address for a phone, for a dark terminal.
fn qr_code(page: &Url) -> Result<String, CommandError> {
    let code = QrCode::new(page.as_str())
        .map_err(|err| CommandError::new("cannot make a QR code of the address").because(err))?;
    let mut picture = code.render::<Dense1x2>();
    Ok(picture.dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_the_browser_closes_itself() {
        for (page, expected) in [
            ("https://photos.google.com/p/x", "https://photos.google.com/p/x/autoclose"),
            ("https://photos.google.com/p/x/", "https://photos.google.com/p/x/autoclose"),
            ("https://photos.google.com/p/x?a=b", "https://photos.google.com/p/x/autoclose?a=b"),
        ] {
            assert_eq!(closing(&page.parse().unwrap()).as_str(), expected);
        }
    }

    #[test]
    fn a_code_has_the_address_in_it() {
        let code = qr_code(&"https://photos.google.com/p/x".parse().unwrap()).unwrap();
        let lines: Vec<_> = code.lines().collect();
        assert!(
            lines.len() > 15
                && lines.iter().all(|it| it.chars().count() == lines[0].chars().count())
        );
    }
}

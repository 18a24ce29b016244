//! The user's visit to Google's page: invites, waits, and cleans up.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use tokio::runtime::Handle;
use tokio::time::Instant;
use url::Url;

use super::{connection, failures};
use crate::api::{Advice, Picker, PickerSession};
use crate::app::engine::EndSignals;
use crate::app::{CommandError, open_browser, print, tell};
use crate::media::{PickerSessionId, local_time};

/// The life of a session that does not say when it ends.
const LIFE: Duration = Duration::from_secs(24 * 3600);

/// How much later than its end the wait may stop, to hear of a "Done" at the last moment.
const LAST_POLL: Duration = Duration::from_secs(60);

/// See the module.
pub(super) struct Visit<'a> {
    pub(super) picker: &'a Picker,
    pub(super) no_browser: bool,
    pub(super) qr: bool,
    pub(super) timeout: Option<Duration>,
}

/// How a wait ended without an error.
enum End {
    Done(SystemTime),
    TimedOut,
    Interrupted,
}

impl Visit<'_> {
    /// Waits until the user has pressed "Done". Returns the session and when it ends, or `None` if
    /// the time was up. Then and after an error, the session has ended.
    pub(super) async fn until_done(
        &self,
    ) -> Result<Option<(PickerSessionId, SystemTime)>, CommandError> {
        // From here on, Ctrl-C leaves no session behind.
        let mut signals = EndSignals::listen(&Handle::current())?;
        let session = self.picker.create_session().await.map_err(failures::not_begun)?;
        let id = session.id.clone();
        let outcome = async {
            self.invite(&session).await?;
            tokio::select! {
                outcome = self.wait(session) => outcome,
                () = signals.received() => Ok(End::Interrupted),
            }
        };
        let outcome = outcome.await;
        if let Ok(End::Done(expires_at)) = outcome {
            return Ok(Some((id, expires_at)));
        }
        connection::end(self.picker, &id).await;
        match outcome? {
            End::Interrupted => {
                Err(CommandError::new("stopped").hint("nothing has changed: run it again to pick"))
            }
            End::Done(_) | End::TimedOut => Ok(None),
        }
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
        let end = self.end(session, Instant::now(), Timestamp::now());
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
        let (begun, mut is_down) = (Instant::now(), false);
        loop {
            let left = self.end(&session, begun, Timestamp::now()).unwrap_or(Duration::MAX);
            if left.is_zero() {
                return Ok(End::TimedOut);
            }
            let pause = session.poll_interval.min(left.saturating_add(LAST_POLL));
            tokio::time::sleep(pause).await;
            if pause < session.poll_interval {
                return Ok(End::TimedOut);
            }
            match self.picker.session(&session.id).await {
                Ok(now) if now.is_done => {
                    let at = now.expires_at.or(session.expires_at);
                    let at = at.and_then(|at| SystemTime::try_from(at).ok());
                    return Ok(End::Done(at.unwrap_or_else(|| SystemTime::now() + LIFE)));
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

    /// How long to wait on: until the first end of the session, of the wait that the service
    /// suggests, and of the user's patience. `None` without any of them.
    fn end(&self, session: &PickerSession, begun: Instant, now: Timestamp) -> Option<Duration> {
        let expires = session
            .expires_at
            .map(|at| Duration::try_from(at.duration_since(now)).unwrap_or_default());
        let patience = self.timeout.map(|it| it.saturating_sub(begun.elapsed()));
        [session.wait, expires, patience].into_iter().flatten().min()
    }
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

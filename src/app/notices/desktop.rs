//! Desktop notifications: the interface `org.freedesktop.Notifications` on the session's bus.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::mpsc;
use zbus::message::Type;
use zbus::{Connection, MatchRule, MessageStream, Variant};

use super::actions::DEFAULT;
use super::notice::{Kind, Notice};
use super::words::Words;
use crate::settings::Notify;

/// The name of the service, and its interface.
const SERVICE: &str = "org.freedesktop.Notifications";
/// Its object.
const PATH: &str = "/org/freedesktop/Notifications";

/// How long an answer of the bus or of the desktop may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// Signals that wait for the owner of the notices. Further ones are lost.
const EVENTS_MAX: usize = 16;

/// The user has pressed a button.
#[derive(Debug)]
pub(super) struct Event {
    /// On a notice of this kind.
    pub(super) kind: Kind,
    /// The button's key.
    pub(super) action: String,
}

/// The desktop of the user, if there is one.
pub(super) struct Desktop {
    notify: Notify,
    session: Option<Session>,
    /// The desktop's numbers of the notices that it shows.
    shown: HashMap<Kind, u32>,
    signals: (mpsc::Sender<Signal>, mpsc::Receiver<Signal>),
}

/// A connection to the bus.
struct Session {
    bus: Connection,
    /// What the desktop can show.
    capabilities: Vec<String>,
}

/// A signal of the desktop.
#[derive(Debug)]
enum Signal {
    Pressed(u32, String),
    Closed(u32),
}

impl Desktop {
    pub(super) fn new(notify: Notify) -> Self {
        let signals = mpsc::channel(EVENTS_MAX);
        Self { notify, session: None, shown: HashMap::new(), signals }
    }

    /// The connection to the bus, if there is one.
    pub(super) fn connection(&self) -> Option<&Connection> {
        self.session.as_ref().map(|it| &it.bus)
    }

    /// Shows a notice. Returns whether the user can have seen it; also if the user wants none.
    pub(super) async fn show(&mut self, profile: &str, notice: &Notice) -> bool {
        if self.notify == Notify::Off {
            return true;
        }
        let kind = notice.kind();
        match self.try_show(profile, notice).await {
            Ok(number) => {
                self.shown.insert(kind, number);
                true
            }
            Err(error) => {
                tracing::debug!(%error, ?kind, "no desktop shows notifications");
                self.session = None;
                false
            }
        }
    }

    /// Takes a notice back whose reason is over.
    pub(super) async fn withdraw(&mut self, kind: Kind) {
        let Some(number) = self.shown.remove(&kind) else { return };
        let Some(session) = &self.session else { return };
        // It fails if the user has closed it.
        let _ = session.call("CloseNotification", &(number,)).await;
    }

    /// The next press of a button. May be dropped at any time.
    pub(super) async fn event(&mut self) -> Event {
        loop {
            // The sender lives as long as this does.
            let Some(signal) = self.signals.1.recv().await else { std::future::pending().await };
            let kind = |number| self.shown.iter().find(|it| *it.1 == number).map(|it| *it.0);
            match signal {
                Signal::Pressed(number, action) => {
                    if let Some(kind) = kind(number) {
                        return Event { kind, action };
                    }
                }
                Signal::Closed(number) => {
                    if let Some(kind) = kind(number) {
                        self.shown.remove(&kind);
                    }
                }
            }
        }
    }

    async fn try_show(&mut self, profile: &str, notice: &Notice) -> zbus::Result<u32> {
        let kind = notice.kind();
        let session = match &mut self.session {
            Some(session) if !session.bus.is_closed() => session,
            session => {
                // The numbers of another desktop mean nothing to this one.
                self.shown.clear();
                session.insert(Session::open(self.signals.0.clone()).await?)
            }
        };
        let Words { title, body } = notice.words();
        let body = match (session.can("body"), session.can("body-markup")) {
            (false, _) => String::new(),
            (true, false) => body,
            (true, true) => without_markup(&body),
        };
        let title = match profile {
            "default" => title,
            _ => format!("{title} ({profile})"),
        };
        let mut actions = Vec::new();
        if session.can("actions")
            && let Some((key, label)) = kind.button()
        {
            actions.extend([DEFAULT, label, key, label]);
        }
        let hints = HashMap::from([
            ("urgency", Variant::from(urgency(notice))),
            ("category", Variant::from(category(kind))),
        ]);
        let replaces = self.shown.get(&kind).copied().unwrap_or(0);
        let message = ("gphotosfs", replaces, icon(notice), title, body, actions, hints, -1_i32);
        session.call("Notify", &message).await?.body().deserialize()
    }
}

impl Session {
    /// Connects to the session's bus, and asks the desktop for its abilities.
    async fn open(signals: mpsc::Sender<Signal>) -> zbus::Result<Self> {
        let address = address()
            .ok_or_else(|| zbus::Error::Failure("this process has no session bus".into()))?;
        let connecting =
            zbus::connection::Builder::address(address.as_str()).method_timeout(DEADLINE).build();
        let bus = tokio::time::timeout(DEADLINE, connecting)
            .await
            .map_err(|_| zbus::Error::Failure("the session bus does not answer".into()))??;
        let mut session = Self { bus, capabilities: Vec::new() };
        session.capabilities = session.call("GetCapabilities", &()).await?.body().deserialize()?;
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender(SERVICE)
            .interface(SERVICE)
            .path(PATH)
            .build()?;
        let stream = MessageStream::for_match_rule(rule, &session.bus, None).await?;
        tokio::spawn(forward(stream, signals));
        Ok(session)
    }

    async fn call<B>(&self, method: &str, body: &B) -> zbus::Result<zbus::Message>
    where
        B: serde::Serialize + zbus::DynamicType,
    {
        self.bus.call_method(Some(SERVICE), PATH, Some(SERVICE), method, body).await
    }

    fn can(&self, ability: &str) -> bool {
        self.capabilities.iter().any(|it| it == ability)
    }
}

/// Passes on the desktop's signals until the connection ends.
async fn forward(mut stream: MessageStream, signals: mpsc::Sender<Signal>) {
    while let Some(Ok(message)) = stream.next().await {
        let header = message.header();
        let body = message.body();
        let signal = match header.member().map(|it| it.as_str()) {
            Some("ActionInvoked") => body
                .deserialize::<(u32, String)>()
                .ok()
                .map(|(number, key)| Signal::Pressed(number, key)),
            Some("NotificationClosed") => {
                body.deserialize::<(u32, u32)>().ok().map(|(number, _)| Signal::Closed(number))
            }
            _ => None,
        };
        if let Some(signal) = signal {
            // The user presses again if the queue is full.
            let _ = signals.try_send(signal);
        }
    }
}

/// The address of the session's bus. Starts none: a process without a session has nobody to tell.
#[expect(clippy::disallowed_methods, reason = "the session has set them, and they are no settings")]
fn address() -> Option<String> {
    if let Some(address) =
        std::env::var("DBUS_SESSION_BUS_ADDRESS").ok().filter(|it| !it.is_empty())
    {
        return Some(address);
    }
    // A mount of `/etc/fstab` has no environment, but its user may have a session.
    let dir = std::env::var_os("XDG_RUNTIME_DIR").map_or_else(
        || PathBuf::from(format!("/run/user/{}", rustix::process::geteuid().as_raw())),
        PathBuf::from,
    );
    let socket = dir.join("bus");
    let path = socket.exists().then_some(socket)?;
    Some(format!("unix:path={}", path.to_str()?))
}

/// Some desktops read the text as HTML.
fn without_markup(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn icon(notice: &Notice) -> &'static str {
    match notice {
        Notice::Arrived { .. } => "dialog-information",
        Notice::MountFailed { .. } => "dialog-error",
        _ => "dialog-warning",
    }
}

/// Whether it stays until the user has seen it (2), or goes by itself (1).
fn urgency(notice: &Notice) -> u8 {
    match notice {
        Notice::LoginEnded { .. } | Notice::StorageFull | Notice::MountFailed { .. } => 2,
        _ => 1,
    }
}

fn category(kind: Kind) -> &'static str {
    match kind {
        Kind::Arrived => "transfer.complete",
        Kind::Mount => "device.error",
        _ => "transfer.error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_desktop_that_reads_markup_shows_names_as_they_are() {
        assert_eq!(without_markup("<b>&.jpg"), "&lt;b&gt;&amp;.jpg");
    }
}

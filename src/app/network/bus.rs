//! NetworkManager and logind, on the system's bus.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::select_all;
use tokio::sync::mpsc;
use zbus::message::Type;
use zbus::{Connection, MatchRule, MessageStream, OwnedVariant};

use super::known::{Event, Manager};

const BUS: &str = "org.freedesktop.DBus";
const BUS_PATH: &str = "/org/freedesktop/DBus";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const MANAGER: &str = "org.freedesktop.NetworkManager";
const MANAGER_PATH: &str = "/org/freedesktop/NetworkManager";
const LOGIND: &str = "org.freedesktop.login1";
const LOGIND_PATH: &str = "/org/freedesktop/login1";
const LOGIND_MANAGER: &str = "org.freedesktop.login1.Manager";

/// Where the bus is, unless the environment says otherwise.
const SOCKET: &str = "/run/dbus/system_bus_socket";
/// How long an answer may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// A bus that is missing or has ended may come, or come back.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// `NM_STATE_CONNECTED_LOCAL`: there is a route to somewhere.
const STATE_CONNECTED: u32 = 50;
/// `NM_METERED_YES` and `NM_METERED_GUESS_YES`.
const METERED: [u32; 2] = [1, 3];

/// Tells of NetworkManager's state and of each awakening.
pub(super) async fn listen(events: mpsc::Sender<Event>) {
    loop {
        if let Err(error) = session(&events).await {
            tracing::debug!(%error, "the system's bus tells nothing about the network");
        }
        if events.send(Event::Manager(None)).await.is_err() {
            return;
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

/// Follows the bus until it ends.
async fn session(events: &mpsc::Sender<Event>) -> zbus::Result<()> {
    let Some(address) = address() else { return Ok(()) };
    let connecting =
        zbus::connection::Builder::address(address.as_str()).method_timeout(DEADLINE).build();
    let bus = tokio::time::timeout(DEADLINE, connecting)
        .await
        .map_err(|_| zbus::Error::Failure("the bus does not answer".into()))??;
    let signal = || MatchRule::builder().msg_type(Type::Signal);
    let rules = [
        signal().sender(MANAGER).interface(PROPERTIES).path(MANAGER_PATH).build()?,
        // It starts or ends.
        signal().sender(BUS).member("NameOwnerChanged").arg(0, MANAGER).build()?,
        signal().sender(LOGIND).interface(LOGIND_MANAGER).path(LOGIND_PATH).build()?,
    ];
    let mut streams = Vec::new();
    for rule in rules {
        streams.push(MessageStream::for_match_rule(rule, &bus, None).await?);
    }
    let mut signals = select_all(streams);
    let mut sent = None;
    loop {
        let state = manager(&bus).await?;
        if sent.as_ref() != Some(&state) {
            if events.send(Event::Manager(state.clone())).await.is_err() {
                return Ok(());
            }
            sent = Some(state);
        }
        loop {
            let Some(message) = signals.next().await else { return Ok(()) };
            let message = message?;
            let member = message.header().member().map(|it| it.as_str().to_owned());
            if member.as_deref() != Some("PrepareForSleep") {
                break;
            }
            if message.body().deserialize::<(bool,)>().is_ok_and(|it| !it.0)
                && events.send(Event::Woke).await.is_err()
            {
                return Ok(());
            }
        }
    }
}

/// The state of NetworkManager. Does not start it.
async fn manager(bus: &Connection) -> zbus::Result<Option<Manager>> {
    let owned =
        bus.call_method(Some(BUS), BUS_PATH, Some(BUS), "NameHasOwner", &(MANAGER,)).await?;
    if !owned.body().deserialize::<bool>()? {
        return Ok(None);
    }
    let body = (MANAGER,);
    let answer =
        bus.call_method(Some(MANAGER), MANAGER_PATH, Some(PROPERTIES), "GetAll", &body).await;
    // It may have ended just now, or may not be asked here.
    let Ok(answer) = answer else { return Ok(None) };
    let all: HashMap<String, OwnedVariant> = answer.body().deserialize()?;
    let number = |name| all.get(name).and_then(|it| u32::try_from(it).ok()).unwrap_or(0);
    let primary = all.get("PrimaryConnection").map(|it| it.to_string()).unwrap_or_default();
    Ok(Some(Manager {
        is_metered: METERED.contains(&number("Metered")),
        is_connected: number("State") >= STATE_CONNECTED,
        primary,
    }))
}

#[expect(clippy::disallowed_methods, reason = "the system sets it, and it is no setting")]
fn address() -> Option<String> {
    let given = std::env::var("DBUS_SYSTEM_BUS_ADDRESS").ok().filter(|it| !it.is_empty());
    given.or_else(|| Path::new(SOCKET).exists().then(|| format!("unix:path={SOCKET}")))
}

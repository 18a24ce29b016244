//! What is known of the network, and what an event means. Pure.

use std::net::IpAddr;
use std::time::{Duration, Instant};

/// NetworkManager and the kernel tell of the same change, one soon after the other.
const SAME_CHANGE: Duration = Duration::from_secs(3);

/// Something that a source has told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The state of NetworkManager; `None` if there is none.
    Manager(Option<Manager>),
    /// The machine has slept.
    Woke,
    /// The addresses from which packets to the Internet go.
    Addresses {
        from: Vec<IpAddr>,
        /// Some of those before are not this machine's any more.
        are_gone: bool,
    },
}

/// The state of NetworkManager, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Manager {
    pub(super) is_metered: bool,
    pub(super) is_connected: bool,
    /// The object of the connection that has the default route.
    pub(super) primary: String,
}

/// The consequence of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Nothing,
    /// Requests that have failed may succeed now.
    Retry,
    /// Connections of before are dead, though nothing has told them so. Says why.
    Renew(&'static str),
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Known {
    manager: Option<Manager>,
    addresses: Option<Vec<IpAddr>>,
    renewed_at: Option<Instant>,
}

impl Known {
    pub(super) fn is_metered(&self) -> bool {
        self.manager.as_ref().is_some_and(|it| it.is_metered)
    }

    /// Notes an event. The first one of a source is no change.
    pub(super) fn learn(&mut self, event: Event, now: Instant) -> Change {
        let change = match event {
            Event::Woke => Change::Renew("the machine has woken up"),
            Event::Manager(new) => {
                let old = std::mem::replace(&mut self.manager, new);
                match (&old, &self.manager) {
                    (Some(old), Some(new)) => between(old, new),
                    _ => Change::Nothing,
                }
            }
            Event::Addresses { from, are_gone } => {
                let is_there = !from.is_empty();
                let old = self.addresses.replace(from);
                match old {
                    Some(_) if is_there && are_gone => Change::Renew(ANOTHER),
                    Some(_) if is_there && old != self.addresses => Change::Retry,
                    _ => Change::Nothing,
                }
            }
        };
        let Change::Renew(why) = change else { return change };
        let is_told_again = why == ANOTHER
            && self.renewed_at.is_some_and(|at| now.duration_since(at) < SAME_CHANGE);
        if is_told_again {
            return Change::Retry;
        }
        self.renewed_at = Some(now);
        change
    }
}

const ANOTHER: &str = "the network is another one";

fn between(old: &Manager, new: &Manager) -> Change {
    if !new.is_connected {
        Change::Nothing
    } else if !new.primary.is_empty() && new.primary != old.primary {
        Change::Renew(ANOTHER)
    } else if !old.is_connected {
        Change::Retry
    } else {
        Change::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manager(primary: &str, is_connected: bool) -> Event {
        let primary = primary.to_owned();
        Event::Manager(Some(Manager { is_metered: false, is_connected, primary }))
    }

    fn addresses(address: &[[u8; 4]], are_gone: bool) -> Event {
        let from = address.iter().map(|it| IpAddr::from(*it)).collect();
        Event::Addresses { from, are_gone }
    }

    #[test]
    fn the_first_look_is_no_change() {
        let (mut known, now) = (Known::default(), Instant::now());
        assert_eq!(known.learn(Event::Manager(None), now), Change::Nothing);
        assert_eq!(known.learn(manager("/1", true), now), Change::Nothing);
        assert_eq!(known.learn(addresses(&[[10, 0, 0, 1]], false), now), Change::Nothing);
        assert_eq!(known.learn(addresses(&[[10, 0, 0, 1]], false), now), Change::Nothing);
    }

    #[test]
    fn another_connection_or_address_is_another_network() {
        let (mut known, now) = (Known::default(), Instant::now());
        known.learn(manager("/1", true), now);
        known.learn(addresses(&[[10, 0, 0, 1]], false), now);
        assert_eq!(known.learn(manager("/2", true), now), Change::Renew(ANOTHER));
        assert_eq!(known.learn(addresses(&[[10, 0, 0, 2]], true), now), Change::Retry);
        let later = now + SAME_CHANGE;
        assert_eq!(known.learn(addresses(&[], true), later), Change::Nothing);
        assert_eq!(known.learn(addresses(&[[10, 0, 0, 2]], false), later), Change::Retry);
        assert_eq!(known.learn(addresses(&[[10, 0, 0, 3]], true), later), Change::Renew(ANOTHER));
    }

    #[test]
    fn a_network_that_comes_back_is_tried_at_once() {
        let (mut known, now) = (Known::default(), Instant::now());
        known.learn(manager("/1", true), now);
        assert_eq!(known.learn(manager("/1", false), now), Change::Nothing);
        assert_eq!(known.learn(manager("/1", true), now), Change::Retry);
        assert_eq!(known.learn(Event::Woke, now), Change::Renew("the machine has woken up"));
        assert!(matches!(known.learn(Event::Woke, now), Change::Renew(_)));
    }

    #[test]
    fn without_network_manager_nothing_is_metered() {
        let (mut known, now) = (Known::default(), Instant::now());
        let metered = Manager { is_metered: true, ..Manager::default() };
        known.learn(Event::Manager(Some(metered)), now);
        assert!(known.is_metered());
        known.learn(Event::Manager(None), now);
        assert!(!known.is_metered());
    }
}

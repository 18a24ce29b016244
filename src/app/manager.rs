//! Reports to systemd, if systemd has started this process (sd_notify(3)).

use sd_notify::NotifyState;

/// Reports the mount's state to systemd.
pub fn tell_manager(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "cannot report the mount's state to systemd");
    }
}

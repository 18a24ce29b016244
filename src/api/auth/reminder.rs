//! Reminds the user, in the log, that a login ends soon.

use jiff::{SignedDuration, Timestamp};

use super::grant::Grant;

/// A grant that ends within this time ends soon.
pub const LOGIN_ENDS_SOON: SignedDuration = SignedDuration::from_hours(2 * 24);
/// A mount that runs on repeats the reminder after this time.
const REPEAT_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// When the log last said that the login ends soon.
#[derive(Debug, Default)]
pub(super) struct Reminder {
    last: Option<Timestamp>,
}

impl Reminder {
    /// Logs that the grant ends soon, unless the log has said so within a day.
    pub(super) fn remind(&mut self, grant: &Grant, now: Timestamp) {
        if let Some(ends_at) = self.due(grant, now) {
            tracing::warn!(%ends_at, "Google will end this login soon; run `gphotosfs login` again before that");
        }
    }

    /// The end of the grant, if a reminder of it is due now.
    fn due(&mut self, grant: &Grant, now: Timestamp) -> Option<Timestamp> {
        let ends_at = grant.ends_at.filter(|at| at.duration_since(now) < LOGIN_ENDS_SOON)?;
        if self.last.is_some_and(|last| now.duration_since(last) < REPEAT_AFTER) {
            return None;
        }
        self.last = Some(now);
        Some(ends_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_two_days_have_a_reminder_each() {
        let granted_at = Timestamp::UNIX_EPOCH;
        let after = |hours: i64| granted_at + SignedDuration::from_hours(hours);
        let grant = |ends_at: Option<Timestamp>| -> Grant {
            serde_json::from_value(serde_json::json!({
                "refresh_token": "r", "scope": "s", "granted_at": granted_at, "ends_at": ends_at,
            }))
            .unwrap()
        };
        let end = after(7 * 24);
        let mut reminder = Reminder::default();
        let reminded: Vec<i64> = (0..7 * 24)
            .filter(|hours| reminder.due(&grant(Some(end)), after(*hours)) == Some(end))
            .collect();
        assert_eq!(reminded, [5 * 24 + 1, 6 * 24 + 1]);
        assert_eq!(Reminder::default().due(&grant(None), end), None);
    }
}

//! A session of the Picker API.

use std::time::Duration;

use jiff::Timestamp;
use url::Url;

use crate::media::PickerSessionId;

/// A session: one visit to Google's page.
#[derive(Clone, Debug, PartialEq)]
pub struct PickerSession {
    /// The service's id.
    pub id: PickerSessionId,
    /// The page for the user. Only the answer to the creation is sure to have it.
    pub page: Option<Url>,
    /// How long to wait before the next poll, at least.
    pub poll_interval: Duration,
    /// How long waiting still makes sense, if the service says so.
    pub wait: Option<Duration>,
    /// When neither the session nor its items can be reached any more, if the service says so.
    pub expires_at: Option<Timestamp>,
    /// Whether the user has pressed "Done".
    pub is_done: bool,
}

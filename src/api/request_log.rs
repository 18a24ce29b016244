//! One debug line for each request to Google. `-vv` shows it.

use reqwest::StatusCode;
use tokio::time::Instant;

use super::error::Error;

/// A request that is in flight. Logs nothing that identifies the login: neither URL nor headers.
pub(super) struct RequestLog {
    call: &'static str,
    attempt: u32,
    begun: Instant,
}

impl RequestLog {
    /// Starts the log of a request that is sent for the `attempt`-th time.
    pub(super) fn begin(call: &'static str, attempt: u32) -> Self {
        Self { call, attempt, begun: Instant::now() }
    }

    /// Logs the end of the request: its status and the length of the answer in bytes, if known.
    pub(super) fn end(self, outcome: Result<(StatusCode, Option<u64>), &Error>) {
        let Self { call, attempt, begun } = self;
        let took = begun.elapsed();
        match outcome {
            Ok((status, bytes)) => {
                tracing::debug!(call, status = status.as_u16(), bytes, attempt, ?took, "request");
            }
            Err(error) => {
                let status = error.refusal().map(|it| it.status);
                tracing::debug!(call, status, attempt, ?took, %error, "request failed");
            }
        }
    }
}

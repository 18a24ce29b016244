//! Google limits media requests per minute. All downloads share one [`Throttle`].

use tokio::time::Instant;

use super::error::Error;
use crate::api::{self, Throttle};

/// Waits until downloads may go on.
///
/// # Errors
/// [`Error::Limited`], at once, if that is after `deadline`.
pub(super) async fn wait(throttle: &Throttle, deadline: Instant) -> Result<(), Error> {
    if throttle.wait_until_over(Some(deadline)).await { Ok(()) } else { Err(Error::Limited) }
}

/// Makes a request when the throttle permits it, and again after a 429.
///
/// # Errors
/// [`Error::Limited`] if that is after `deadline`, and the errors of the request.
pub(super) async fn send<T, A: Future<Output = Result<T, api::Error>>>(
    throttle: &Throttle,
    deadline: Instant,
    request: impl Fn() -> A,
) -> Result<T, Error> {
    loop {
        wait(throttle, deadline).await?;
        match request().await {
            Err(error) if error.is_throttled() => throttle.failed(&error),
            outcome => {
                throttle.succeeded();
                return Ok(outcome?);
            }
        }
    }
}

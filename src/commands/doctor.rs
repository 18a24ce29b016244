//! `gphotosfs doctor`: checks everything that a mount depends on, and names the remedy for each
//! fault.
//!
//! Only [`facts`] does I/O; [`checks`] evaluates its facts. It works without a mount, without a
//! login, and beside a running mount, because it does not take the profile's lock.

mod checks;
mod facts;
mod report;

use crate::app::{CommandError, Exit, print_coloured};
use crate::profile::Profile;
use crate::settings::{Apis, MountSettings};
use facts::Facts;
use report::{Report, Verdict};

/// Checks everything and prints the findings. `settings` are a mount's settings from environment
/// and file, or the reason why it would reject them. Returns [`Exit::Failed`] if a check failed.
///
/// # Errors
/// If the findings cannot be printed. A failed check is not an error of this command.
pub async fn run(
    json: bool,
    settings: Result<MountSettings, String>,
    profile: &Profile,
    apis: Apis,
) -> Result<Exit, CommandError> {
    let facts = Facts::gather(profile, apis, settings).await;
    let mut report = Report::default();
    checks::ALL.iter().for_each(|check| check(&facts, &mut report));
    print_coloured(if json { report.json()? } else { report.text() })?;
    Ok(if report.count(Verdict::Fail) == 0 { Exit::Done } else { Exit::Failed })
}

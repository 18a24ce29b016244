//! `gphotosfs doctor`: looks at everything that a mount depends on, and says what to do about what is wrong.
//!
//! [`facts`] looks, and is alone in doing so; [`checks`] judges what was found. Works without a mount, without a
//! login, and beside a running mount, whose lock it leaves alone.

mod checks;
mod facts;
mod report;

use url::Url;

use crate::app::{CommandError, Exit, print};
use crate::profile::Profile;
use crate::settings::MountSettings;
use facts::Facts;
use report::{Report, Verdict};

/// Checks everything and prints what was found. `settings` are those that environment and file give to
/// a mount, or why it would refuse them. [`Exit::Failed`] if something does not work.
///
/// # Errors
/// If the result cannot be printed: what is wrong is no error of this command.
pub async fn run(
    json: bool,
    settings: Result<MountSettings, String>,
    profile: &Profile,
    api_url: Url,
) -> Result<Exit, CommandError> {
    let facts = Facts::gather(profile, api_url, settings).await;
    let mut report = Report::default();
    checks::ALL.iter().for_each(|check| check(&facts, &mut report));
    print(if json { report.json()? } else { report.text() })?;
    Ok(if report.count(Verdict::Fail) == 0 { Exit::Done } else { Exit::Failed })
}

//! `gphotosfs doctor`: looks at everything that a mount depends on, and says what to do about what is wrong.
//!
//! [`facts`] looks, and is alone in doing so; [`checks`] judges what was found. Works without a mount, without a
//! login, and beside a running mount, whose lock it leaves alone.

mod checks;
mod facts;

use console::Style;
use serde::Serialize;
use url::Url;

use crate::app::{CommandError, Exit, print};
use crate::profile::Profile;
use crate::settings::MountSettings;
use facts::Facts;

/// The layout of the JSON; fields may be added without a new number.
const VERSION: u32 = 1;

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

/// How one thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    /// As it should be.
    Ok,
    /// Works, but may not for long, or not as expected.
    Warn,
    /// Something does not work until somebody does something.
    Fail,
}

/// One line.
#[derive(Debug, Serialize)]
struct Finding {
    /// For programs as well: these names stay.
    name: &'static str,
    result: Verdict,
    text: String,
    /// What to do; nothing if all is well.
    remedy: Option<String>,
}

/// All lines.
#[derive(Debug, Default)]
struct Report {
    findings: Vec<Finding>,
}

impl Report {
    fn ok(&mut self, name: &'static str, text: impl Into<String>) {
        self.findings.push(Finding { name, result: Verdict::Ok, text: text.into(), remedy: None });
    }

    fn warn(&mut self, name: &'static str, text: impl Into<String>, remedy: impl Into<String>) {
        let remedy = Some(remedy.into());
        self.findings.push(Finding { name, result: Verdict::Warn, text: text.into(), remedy });
    }

    fn fail(&mut self, name: &'static str, text: impl Into<String>, remedy: impl Into<String>) {
        let remedy = Some(remedy.into());
        self.findings.push(Finding { name, result: Verdict::Fail, text: text.into(), remedy });
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.findings.iter().filter(|it| it.result == verdict).count()
    }

    /// For people: a line each, the remedy below it, and the sum.
    fn text(&self) -> String {
        let width = self.findings.iter().map(|it| it.name.len()).max().unwrap_or(0);
        let mut out = String::new();
        for it in &self.findings {
            let word = match it.result {
                Verdict::Ok => Style::new().green().apply_to("ok  "),
                Verdict::Warn => Style::new().yellow().apply_to("warn"),
                Verdict::Fail => Style::new().red().apply_to("FAIL"),
            };
            out += &format!("{word}  {:width$}  {}\n", it.name, it.text);
            if let Some(remedy) = &it.remedy {
                out += &format!("      {:width$}  -> {remedy}\n", "");
            }
        }
        let sum = match (self.count(Verdict::Fail), self.count(Verdict::Warn)) {
            (0, 0) => "Everything is in order.".to_owned(),
            (0, warnings) => format!("It works; {}.", some(warnings, "warning")),
            (failures, 0) => format!("{}.", some(failures, "failure")),
            (failures, warnings) => {
                format!("{}, {}.", some(failures, "failure"), some(warnings, "warning"))
            }
        };
        out + &format!("\n{sum}\n")
    }

    fn json(&self) -> Result<String, CommandError> {
        let document = serde_json::json!({
            "version": VERSION,
            "ok": self.count(Verdict::Fail) == 0,
            "checks": self.findings,
        });
        let text = serde_json::to_string_pretty(&document)
            .map_err(|err| CommandError::new("cannot write JSON").because(err))?;
        Ok(text + "\n")
    }
}

/// "1 file", "2 files".
fn some(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

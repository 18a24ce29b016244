//! The findings of `doctor`, as text and as JSON.

use console::Style;
use serde::Serialize;

use crate::app::{CommandError, counted, json_text};
use crate::printable::escaped;

/// The version of the JSON's layout. Added fields do not change it.
const VERSION: u32 = 1;

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// In order.
    Ok,
    /// Works, but may not for long, or not as expected.
    Warn,
    /// Does not work until the user applies the remedy.
    Fail,
}

/// The finding of a check.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    /// The check's name. Programs use it too, so it must not change.
    pub(super) name: &'static str,
    pub(super) result: Verdict,
    pub(super) text: String,
    /// The next step. `None` if the check is in order.
    pub(super) remedy: Option<String>,
}

/// All findings.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) findings: Vec<Finding>,
}

impl Report {
    pub(super) fn ok(&mut self, name: &'static str, text: impl Into<String>) {
        self.findings.push(Finding { name, result: Verdict::Ok, text: text.into(), remedy: None });
    }

    pub(super) fn warn(
        &mut self,
        name: &'static str,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let remedy = Some(remedy.into());
        self.findings.push(Finding { name, result: Verdict::Warn, text: text.into(), remedy });
    }

    pub(super) fn fail(
        &mut self,
        name: &'static str,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let remedy = Some(remedy.into());
        self.findings.push(Finding { name, result: Verdict::Fail, text: text.into(), remedy });
    }

    pub(super) fn count(&self, verdict: Verdict) -> usize {
        self.findings.iter().filter(|it| it.result == verdict).count()
    }

    /// The findings as text: a line for each, its remedy below it, and the sum.
    pub(super) fn text(&self) -> String {
        let width = self.findings.iter().map(|it| it.name.len()).max().unwrap_or(0);
        let mut out = String::new();
        for it in &self.findings {
            let word = match it.result {
                Verdict::Ok => Style::new().green().apply_to("ok  "),
                Verdict::Warn => Style::new().yellow().apply_to("warn"),
                Verdict::Fail => Style::new().red().apply_to("FAIL"),
            };
            out += &format!("{word}  {:width$}  {}\n", it.name, escaped(&it.text));
            if let Some(remedy) = &it.remedy {
                out += &format!("      {:width$}  -> {}\n", "", escaped(remedy));
            }
        }
        let sum = match (self.count(Verdict::Fail), self.count(Verdict::Warn)) {
            (0, 0) => "Everything is in order.".to_owned(),
            (0, warnings) => format!("It works; {}.", counted(warnings, "warning")),
            (failures, 0) => format!("{}.", counted(failures, "failure")),
            (failures, warnings) => {
                format!("{}, {}.", counted(failures, "failure"), counted(warnings, "warning"))
            }
        };
        out + &format!("\n{sum}\n")
    }

    pub(super) fn json(&self) -> Result<String, CommandError> {
        let document = serde_json::json!({
            "version": VERSION,
            "ok": self.count(Verdict::Fail) == 0,
            "checks": self.findings,
        });
        json_text(&document)
    }
}

//! What `doctor` found, for people and for programs.

use console::Style;
use serde::Serialize;

use crate::app::CommandError;

/// The layout of the JSON; fields may be added without a new number.
const VERSION: u32 = 1;

/// How one thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// As it should be.
    Ok,
    /// Works, but may not for long, or not as expected.
    Warn,
    /// Something does not work until somebody does something.
    Fail,
}

/// One line.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    /// For programs as well: these names stay.
    pub(super) name: &'static str,
    pub(super) result: Verdict,
    pub(super) text: String,
    /// What to do; nothing if all is well.
    pub(super) remedy: Option<String>,
}

/// All lines.
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

    /// For people: a line each, the remedy below it, and the sum.
    pub(super) fn text(&self) -> String {
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

    pub(super) fn json(&self) -> Result<String, CommandError> {
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
pub(super) fn some(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

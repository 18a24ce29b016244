//! Bounds the warnings that other users of the machine cause. Otherwise they could fill the log, and
//! the older lines would go. The owner's lines all stay.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

use crate::media::Caller;

/// Of each kind, one line is written in this time.
const PAUSE: Duration = Duration::from_secs(60);

/// Lines of one kind: those of one statement, about one operation of the kernel.
#[derive(PartialEq, Eq, Hash)]
struct Kind {
    statement: Identifier,
    operation: Option<String>,
}

/// The last line of a kind.
struct Last {
    at: Instant,
    /// How many lines were left out since.
    left_out: u64,
}

/// Formats lines, and leaves out those of other users that are too many.
pub(super) struct Limited<F> {
    inner: F,
    // Held for one access. There are no more kinds than statements and operations.
    last: Mutex<HashMap<Kind, Last>>,
}

impl<F> Limited<F> {
    pub(super) fn new(inner: F) -> Self {
        Self { inner, last: Mutex::default() }
    }

    /// Whether a line is written, and how many before it were not.
    fn admit(&self, kind: Kind, now: Instant) -> Option<u64> {
        let mut last = self.last.lock();
        match last.get_mut(&kind) {
            Some(last) if now.duration_since(last.at) < PAUSE => {
                last.left_out += 1;
                None
            }
            Some(last) => {
                last.at = now;
                Some(std::mem::take(&mut last.left_out))
            }
            None => {
                last.insert(kind, Last { at: now, left_out: 0 });
                Some(0)
            }
        }
    }
}

impl<S, N, F> FormatEvent<S, N> for Limited<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        // Less important lines appear only if somebody has asked for all of them.
        if *event.metadata().level() > Level::WARN || Caller::current().is_owner() {
            return self.inner.format_event(context, writer, event);
        }
        let mut kind = Kind { statement: event.metadata().callsite(), operation: None };
        event.record(&mut kind);
        let Some(left_out) = self.admit(kind, Instant::now()) else { return Ok(()) };
        if left_out == 0 {
            return self.inner.format_event(context, writer, event);
        }
        let mut line = String::new();
        self.inner.format_event(context, Writer::new(&mut line), event)?;
        let line = line.trim_end();
        writeln!(writer, "{line} (other users have caused {left_out} more lines like this)")
    }
}

impl Visit for Kind {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "op" {
            self.operation = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, _field: &Field, _value: &dyn fmt::Debug) {}
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use tracing_subscriber::fmt::format;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn other_users_cause_one_line_of_each_kind_and_the_owner_all() {
        let written = Lines::default();
        let to = written.clone();
        let plain = format().without_time().with_level(false).with_target(false).with_ansi(false);
        let lines = tracing_subscriber::fmt().with_writer(move || to.clone()).with_ansi(false);
        let lines = lines.event_format(Limited::new(plain)).finish();
        tracing::subscriber::with_default(lines, || {
            let warn = |op: &str| {
                for at in 0..100 {
                    tracing::warn!(op, "{at}");
                }
            };
            Caller::Other(1001).run(|| ["read", "lookup"].map(warn));
            Caller::Other(1002).run(|| warn("read"));
            warn("read");
        });
        let text = String::from_utf8(written.0.lock().clone()).unwrap();
        assert_eq!(text.lines().count(), 102, "{text}");
        assert!(text.starts_with("0 op=\"read\"\n0 op=\"lookup\"\n0 op=\"read\"\n1 op="), "{text}");
    }

    #[test]
    fn lines_that_were_left_out_are_counted_in_the_next_one() {
        let limited = Limited::new(());
        let begun = Instant::now();
        let admit = |after| {
            let callsite =
                tracing::callsite!(name: "x", kind: tracing::metadata::Kind::EVENT, fields: op);
            let statement = tracing::callsite::Callsite::metadata(callsite).callsite();
            limited.admit(Kind { statement, operation: None }, begun + after)
        };
        assert_eq!(admit(Duration::ZERO), Some(0));
        assert_eq!([admit(PAUSE / 3), admit(PAUSE / 2)], [None, None]);
        assert_eq!(admit(PAUSE), Some(2));
        assert_eq!([admit(PAUSE * 3 / 2), admit(PAUSE * 2)], [None, Some(1)]);
    }
}

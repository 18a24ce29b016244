//! `.gphotos/metrics`: the status as Prometheus reads it.

use std::fmt::Write;

use super::{LoginState, Status};

impl Status {
    /// For Prometheus, in its text format. Names keep their meaning; labels are few and of a fixed set of values.
    pub fn metrics(&self) -> Vec<u8> {
        let mut out = String::new();
        let mut family = |name: &str, kind: &str, help: &str, values: &[(&str, f64)]| {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "# HELP gphotosfs_{name} {help}\n# TYPE gphotosfs_{name} {kind}");
            for (labels, value) in values {
                let _ = writeln!(out, "gphotosfs_{name}{labels} {value}");
            }
        };
        let mut gauge =
            |name: &str, help: &str, value: f64| family(name, "gauge", help, &[("", value)]);
        let flag = |it: bool| f64::from(u8::from(it));
        let (queue, quota) = (&self.queue, &self.quota);
        if let Some(since) = self.since {
            let seconds = since.as_millisecond() as f64 / 1000.0;
            gauge("start_time_seconds", "When the mount began, in seconds since 1970.", seconds);
        }
        gauge(
            "login_ok",
            "1 if Google accepts the login, as far as is known.",
            flag(self.login.state == LoginState::Ok),
        );
        gauge(
            "uploads_held_up",
            "1 if something holds up all uploads.",
            flag(self.blocked.is_some()),
        );
        gauge("queue_bytes", "Bytes that Google does not have yet.", queue.bytes_left as f64);
        gauge(
            "quota_api_requests",
            "API requests sent today, in Google's time zone.",
            quota.api_requests as f64,
        );
        gauge(
            "quota_api_requests_limit",
            "API requests there may be in a day.",
            quota.api_limit as f64,
        );
        gauge(
            "quota_media_requests",
            "Downloads today, in Google's time zone.",
            quota.media_requests as f64,
        );
        gauge(
            "quota_media_requests_limit",
            "Downloads there may be in a day.",
            quota.media_limit as f64,
        );
        if let Some(spool) = &self.spool {
            gauge("spool_bytes", "Disk that files on their way take.", spool.bytes as f64);
            gauge(
                "spool_room_bytes",
                "Disk they may still take before writers wait.",
                spool.room as f64,
            );
        }
        if let Some(cache) = &self.cache {
            gauge("cache_bytes", "Disk that the content cache takes.", cache.bytes as f64);
            gauge("cache_limit_bytes", "Disk it may take.", cache.limit as f64);
        }
        let states = [
            (r#"{state="open"}"#, queue.open as f64),
            (r#"{state="scratch"}"#, queue.temporary as f64),
            (r#"{state="sealed"}"#, queue.sealed as f64),
            (r#"{state="uploaded"}"#, queue.uploaded as f64),
            (r#"{state="creating"}"#, queue.creating as f64),
            (r#"{state="confirming"}"#, queue.confirming as f64),
            (r#"{state="failed"}"#, queue.failed as f64),
            (r#"{state="addition"}"#, queue.additions as f64),
            (r#"{state="removal"}"#, queue.removals as f64),
        ];
        family("queue_files", "gauge", "Files on their way, by state.", &states);
        if let Some(it) = &self.progress {
            let mut counter =
                |name, help, value: u64| family(name, "counter", help, &[("", value as f64)]);
            counter(
                "done_total",
                "Files that have arrived and memberships changed, since the mount began.",
                it.files_done,
            );
            counter(
                "sent_bytes_total",
                "Bytes handed to the network since the mount began.",
                it.bytes_sent,
            );
        }
        out.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Progress, Queue};
    use super::*;

    #[test]
    fn metrics_are_families_with_help_and_type_and_finite_values() {
        let status = Status {
            queue: Queue { sealed: 3, bytes_left: 700, ..Queue::default() },
            progress: Some(Progress { files_done: 9, bytes_sent: 1 << 40, ..Progress::default() }),
            ..Status::default()
        };
        let text = String::from_utf8(status.metrics()).unwrap();
        for line in [
            "gphotosfs_queue_files{state=\"sealed\"} 3",
            "gphotosfs_queue_bytes 700",
            "# TYPE gphotosfs_sent_bytes_total counter",
            "gphotosfs_sent_bytes_total 1099511627776",
        ] {
            assert!(text.lines().any(|it| it == line), "no {line:?} in:\n{text}");
        }
        let mut family = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                family = rest.split(' ').next().unwrap().to_owned();
            } else if !line.starts_with('#') {
                let (name, value) = line.rsplit_once(' ').unwrap();
                assert_eq!(name.split('{').next().unwrap(), family);
                assert!(value.parse::<f64>().unwrap().is_finite(), "{line}");
            }
        }
    }
}

//! `.gphotos/metrics`: the status in the text format of Prometheus.

use std::fmt::Write;

use super::{LoginState, Status};

impl Status {
    /// The metrics in Prometheus's text format. Names keep their meaning, and labels have few,
    /// fixed values.
    pub fn metrics(&self) -> Vec<u8> {
        let mut text = Exposition::default();
        self.add_mount(&mut text);
        self.add_quota(&mut text);
        self.add_disk(&mut text);
        self.add_queue(&mut text);
        self.add_saved(&mut text);
        text.0.into_bytes()
    }

    fn add_mount(&self, text: &mut Exposition) {
        let flag = |it: bool| f64::from(u8::from(it));
        if let Some(since) = self.since {
            let seconds = since.as_millisecond() as f64 / 1000.0;
            let help = "When the mount began, in seconds since 1970.";
            text.gauge("start_time_seconds", help, seconds);
        }
        let login_ok = flag(self.login.state == LoginState::Ok);
        text.gauge("login_ok", "1 if Google accepts the login, as far as is known.", login_ok);
        let blocked = flag(self.blocked.is_some());
        text.gauge("uploads_held_up", "1 if all uploads are blocked.", blocked);
    }

    fn add_quota(&self, text: &mut Exposition) {
        let quota = &self.quota;
        for (name, help, value) in [
            (
                "quota_api_requests",
                "API requests today, in Google's time zone.",
                quota.api_requests,
            ),
            ("quota_api_requests_limit", "The daily limit of API requests.", quota.api_limit),
            (
                "quota_media_requests",
                "Downloads today, in Google's time zone.",
                quota.media_requests,
            ),
            ("quota_media_requests_limit", "The daily limit of downloads.", quota.media_limit),
        ] {
            text.gauge(name, help, value as f64);
        }
    }

    fn add_disk(&self, text: &mut Exposition) {
        if let Some(spool) = &self.spool {
            text.gauge("spool_bytes", "The size of the spool on the disk.", spool.bytes as f64);
            let help = "How many more bytes fit into the spool before writers wait.";
            text.gauge("spool_room_bytes", help, spool.room as f64);
        }
        if let Some(cache) = &self.cache {
            text.gauge("cache_bytes", "The size of the content cache.", cache.bytes as f64);
            text.gauge("cache_limit_bytes", "The limit of its size.", cache.limit as f64);
        }
    }

    fn add_saved(&self, text: &mut Exposition) {
        let saved = &self.saved;
        let help = "Files at Google that were uploaded while smaller copies were asked for.";
        text.gauge("saver_files", help, saved.files as f64);
        let help = "Those of them that went as smaller copies.";
        text.gauge("saver_smaller_files", help, saved.smaller() as f64);
        text.gauge("saver_original_bytes", "The bytes of all these files.", saved.bytes as f64);
        text.gauge("saver_sent_bytes", "The bytes sent for them.", saved.sent_bytes as f64);
        let whole = saved.whole.iter();
        let whole: Vec<_> =
            whole.map(|(word, files)| (format!("{{reason=\"{word}\"}}"), *files as f64)).collect();
        let whole: Vec<_> = whole.iter().map(|(label, files)| (label.as_str(), *files)).collect();
        if !whole.is_empty() {
            let help = "Those of them that went whole, by reason.";
            text.family("saver_whole_files", "gauge", help, &whole);
        }
        let help = "Bytes that Google has stored of this profile's uploads.";
        text.counter("stored_bytes_total", help, self.stored.bytes);
    }

    fn add_queue(&self, text: &mut Exposition) {
        let queue = &self.queue;
        let help = "Bytes that Google does not have yet.";
        text.gauge("queue_bytes", help, queue.bytes_left as f64);
        let states = [
            (r#"{state="open"}"#, queue.open as f64),
            (r#"{state="scratch"}"#, queue.temporary as f64),
            (r#"{state="kept"}"#, queue.kept as f64),
            (r#"{state="sealed"}"#, queue.sealed as f64),
            (r#"{state="shrinking"}"#, queue.shrinking as f64),
            (r#"{state="uploaded"}"#, queue.uploaded as f64),
            (r#"{state="creating"}"#, queue.creating as f64),
            (r#"{state="confirming"}"#, queue.confirming as f64),
            (r#"{state="unseen"}"#, queue.unseen as f64),
            (r#"{state="failed"}"#, queue.failed as f64),
            (r#"{state="addition"}"#, queue.additions as f64),
            (r#"{state="removal"}"#, queue.removals as f64),
        ];
        text.family("queue_files", "gauge", "Files in the queue, by state.", &states);
        if let Some(it) = &self.progress {
            let help = "Files uploaded and memberships changed since the mount began.";
            text.counter("done_total", help, it.files_done);
            text.counter("sent_bytes_total", "Bytes sent since the mount began.", it.bytes_sent);
        }
        if let Some(allowed) = self.limit_up.as_ref().and_then(|it| it.bytes_per_second) {
            let help = "How many bytes of uploads a second the user allows now.";
            text.gauge("upload_limit_bytes_per_second", help, allowed as f64);
        }
    }
}

/// A text in the format of Prometheus.
#[derive(Default)]
struct Exposition(String);

impl Exposition {
    /// Adds a metric with its help, its type, and a value for each set of labels.
    fn family(&mut self, name: &str, kind: &str, help: &str, values: &[(&str, f64)]) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP gphotosfs_{name} {help}\n# TYPE gphotosfs_{name} {kind}");
        for (labels, value) in values {
            let _ = writeln!(self.0, "gphotosfs_{name}{labels} {value}");
        }
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.family(name, "gauge", help, &[("", value)]);
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "counter", help, &[("", value as f64)]);
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
            saved: super::super::Saved {
                files: 41,
                bytes: 900,
                sent_bytes: 400,
                whole: [("lean".to_owned(), 7), ("motion-photo".to_owned(), 31)].into(),
                whole_bytes: 100,
            },
            ..Status::default()
        };
        let text = String::from_utf8(status.metrics()).unwrap();
        for line in [
            "gphotosfs_queue_files{state=\"sealed\"} 3",
            "gphotosfs_queue_bytes 700",
            "gphotosfs_saver_files 41",
            "gphotosfs_saver_smaller_files 3",
            "gphotosfs_saver_sent_bytes 400",
            "gphotosfs_saver_whole_files{reason=\"motion-photo\"} 31",
            "gphotosfs_stored_bytes_total 0",
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

//! A Chromium that a test steers through the DevTools protocol, over pipes.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

/// A browser of its own. It ends with this, or after 90 seconds.
pub(super) struct Browser {
    program: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    calls: u64,
    /// Pages that have been loaded.
    loads: u64,
    _home: tempfile::TempDir,
}

/// A tab of a [`Browser`].
pub(super) struct Tab<'a> {
    browser: &'a mut Browser,
    target: String,
    session: String,
}

impl Browser {
    pub(super) fn start() -> Browser {
        let home = tempfile::tempdir().unwrap();
        // The protocol speaks over descriptors 3 and 4.
        let script = "exec timeout 90 chromium \"$@\" 3<&0 4>&1 </dev/null >/dev/null";
        let mut program = Command::new("sh")
            .args(["-c", script, "sh", "--headless", "--no-sandbox", "--disable-gpu"])
            .args(["--no-first-run", "--disable-quic", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", home.path().display()))
            .env("HOME", home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let to = program.stdin.take().unwrap();
        let from = BufReader::new(program.stdout.take().unwrap());
        Browser { program, to, from, calls: 0, loads: 0, _home: home }
    }

    fn message(&mut self) -> Value {
        let mut message = Vec::new();
        self.from.read_until(0, &mut message).unwrap();
        assert_eq!(message.pop(), Some(0), "the browser has ended");
        let message: Value = serde_json::from_slice(&message).unwrap();
        self.loads += u64::from(message["method"] == "Page.loadEventFired");
        message
    }

    /// Calls a method, of a tab if there is a session, and waits for the result.
    fn call(&mut self, session: Option<&str>, method: &str, params: Value) -> Value {
        self.calls += 1;
        let mut call = json!({"id": self.calls, "method": method, "params": params});
        if let Some(session) = session {
            call["sessionId"] = session.into();
        }
        self.to.write_all(format!("{call}\0").as_bytes()).unwrap();
        loop {
            let mut message = self.message();
            if message["id"] == self.calls {
                assert_eq!(message.get("error"), None, "{method}");
                return message["result"].take();
            }
        }
    }

    pub(super) fn open(&mut self, url: &str) -> Tab<'_> {
        let target = self.call(None, "Target.createTarget", json!({"url": "about:blank"}));
        let target = target["targetId"].as_str().unwrap().to_owned();
        let attach = json!({"targetId": target, "flatten": true});
        let session = self.call(None, "Target.attachToTarget", attach);
        let session = session["sessionId"].as_str().unwrap().to_owned();
        let mut tab = Tab { browser: self, target, session };
        tab.call("Page.enable", json!({}));
        tab.leads_on(|tab| {
            tab.call("Page.navigate", json!({"url": url}));
        });
        tab
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // `timeout` hands the signal on to the browser.
        let _ = self.to.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        let _ = self.program.wait();
    }
}

impl Tab<'_> {
    fn call(&mut self, method: &str, params: Value) -> Value {
        self.browser.call(Some(&self.session.clone()), method, params)
    }

    /// Does something that leads to another page, and waits until that is there.
    fn leads_on(&mut self, step: impl FnOnce(&mut Self)) {
        self.evaluate("window.isOld = true");
        let mut loads = self.browser.loads;
        step(self);
        loop {
            while self.browser.loads == loads {
                self.browser.message();
            }
            loads = self.browser.loads;
            if self.evaluate("window.isOld").is_null() {
                return;
            }
        }
    }

    /// Clicks at something that leads to another page: the element that an expression finds.
    pub(super) fn click(&mut self, element: &str) {
        self.leads_on(|tab| {
            tab.evaluate(&format!("{element}.click()"));
        });
    }

    /// The value of an expression on the page.
    pub(super) fn evaluate(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let mut result = self.call("Runtime.evaluate", params);
        assert_eq!(result.get("exceptionDetails"), None, "{expression}");
        result["result"]["value"].take()
    }

    /// The text of the page.
    pub(super) fn text(&mut self) -> String {
        self.evaluate("document.body.innerText").as_str().unwrap().to_owned()
    }

    /// Closes the tab.
    pub(super) fn close(self) {
        let target = json!({"targetId": self.target});
        self.browser.call(None, "Target.closeTarget", target);
    }
}

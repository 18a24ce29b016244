//! `gphotosfs login` as a guide, for a person at a terminal without a client file.

use std::fs;
use std::process::Command;

use gphotosfs_emulator::{Config, Emulator};
use tempfile::TempDir;

use crate::support::terminal::Terminal;

/// A person with a home directory of their own.
struct Person {
    home: TempDir,
    emulator: Emulator,
}

impl Person {
    async fn new() -> Self {
        let emulator = Emulator::start(Config::default()).await.unwrap();
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("Downloads")).unwrap();
        Self { home, emulator }
    }

    fn begins(&self) -> Terminal {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gphotosfs"));
        command.args(["--api-url", &self.emulator.url(), "login", "--no-browser"]);
        command.env("HOME", self.home.path()).current_dir(self.home.path());
        Terminal::start(&command)
    }

    fn downloads(&self, name: &str, text: &str) {
        fs::write(self.home.path().join("Downloads").join(name), text).unwrap();
    }

    fn is_logged_in(&self) -> bool {
        self.home.path().join(".config/gphotosfs/default/token.json").exists()
    }
}

/// Presses Enter at each page but the last one.
fn turn_pages(terminal: &mut Terminal, titles: &[&str]) {
    for title in titles {
        terminal.expect(title);
        terminal.expect("Press Enter when it is done");
        terminal.type_in("\r");
    }
}

const UP_TO_AUDIENCE: [&str; 4] = ["1. A project", "2. The API", "3. Get started", "5. Audience"];

#[tokio::test(flavor = "multi_thread")]
async fn a_person_without_a_client_file_is_led_to_one_and_logged_in() {
    let person = Person::new().await;
    let mut terminal = person.begins();
    terminal.expect("there is none yet");
    terminal.expect("Press Enter for Testing");
    terminal.type_in("\r");
    turn_pages(&mut terminal, &UP_TO_AUDIENCE);
    turn_pages(&mut terminal, &["6. Data access"]);
    let page = terminal.expect("waiting for client_secret");
    assert!(page.contains("Desktop app") && page.contains("auth/clients"), "{page}");

    person.downloads("client_secret_1.json", "{\"type\": \"service_account\"}");
    terminal.expect("cannot be used");
    person.downloads("client_secret_2.json", &person.emulator.client_secret_json());
    terminal.expect("client_secret_2.json");
    terminal.expect("three boxes");
    terminal.consent();
    terminal.expect("Logged in.");
    terminal.expect("Press Enter to mount");
    terminal.type_in("n\r");
    let (status, shown) = terminal.end();
    assert!(status.success() && shown.contains("Mount later with"), "{shown}");
    assert!(person.is_logged_in());

    // The second login has a client.
    let mut terminal = person.begins();
    terminal.consent();
    let (status, shown) = terminal.end();
    assert!(status.success() && !shown.contains("Press Enter"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_with_a_web_page_has_its_step_and_a_step_back() {
    let person = Person::new().await;
    let mut terminal = person.begins();
    terminal.expect("Press Enter for Testing");
    terminal.type_in("p\r");
    turn_pages(&mut terminal, &["1. A project", "2. The API", "3. Get started"]);
    terminal.expect("4. Branding");
    terminal.expect("Press Enter when it is done");
    terminal.type_in("b\r");
    turn_pages(&mut terminal, &["3. Get started", "4. Branding"]);
    // Somebody who is ahead pastes the file here already.
    terminal.expect("Press Enter when it is done");
    let client: serde_json::Value =
        serde_json::from_str(&person.emulator.client_secret_json()).unwrap();
    terminal.type_in(&format!("{client}\r"));
    terminal.consent();
    terminal.expect("Press Enter to mount");
    terminal.type_in("\x03");
    let (status, shown) = terminal.end();
    assert!(!status.success() && shown.contains("the login is stored"), "{shown}");
    assert!(person.is_logged_in());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_download_is_offered_first() {
    let person = Person::new().await;
    person.downloads("client_secret_9.json", &person.emulator.client_secret_json());
    let mut terminal = person.begins();
    terminal.expect("client_secret_9.json");
    terminal.expect("Press Enter to use it");
    terminal.type_in("\r");
    terminal.consent();
    terminal.expect("Press Enter to mount");
    terminal.type_in("n\r");
    assert!(terminal.end().0.success());
    assert!(person.is_logged_in());
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_the_wait_and_leaves_nothing() {
    let person = Person::new().await;
    let mut terminal = person.begins();
    terminal.expect("Press Enter for Testing");
    terminal.type_in("\r");
    turn_pages(&mut terminal, &UP_TO_AUDIENCE);
    turn_pages(&mut terminal, &["6. Data access"]);
    terminal.expect("waiting for client_secret");
    terminal.type_in("\x03");
    let (status, shown) = terminal.end();
    assert_eq!(status.code(), Some(1), "{shown}");
    assert!(shown.contains("nothing has changed"), "{shown}");
    let kept = fs::read_dir(person.home.path().join(".config/gphotosfs/default")).unwrap();
    assert_eq!(kept.count(), 0);
}

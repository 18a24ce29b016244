//! A login, and another user of this machine.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::support::World;
use crate::support::mount::http;

/// Any user but root.
const STRANGER: u32 = 65534;

/// Sends the answer as that user does with his own browser. Returns the first line of the page.
fn answer_as(user: u32, address: &str) -> String {
    let url: reqwest::Url = address.parse().unwrap();
    let script = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{}; \
         printf 'GET %s HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\nConnection: close\\r\\n\\r\\n' '{}?{}' >&3; \
         head -n 1 <&3",
        url.port().unwrap(),
        url.path(),
        url.query().unwrap()
    );
    let output = Command::new("bash").args(["-c", &script]).uid(user).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn another_user_cannot_answer_a_login() {
    let world = World::new();
    let mut login = world
        .program()
        .args(["login", "--no-browser"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(login.stdout.take().unwrap());
    let mut link = String::new();
    out.read_line(&mut link).unwrap();
    // The stranger sees the link in the list of processes, and consents with his own account.
    world.emulator.sign_in("stranger@example.com");
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let consent = async {
        let _ = http();
        client.build().unwrap().get(link.trim()).send().await
    };
    let consent = world.emulator.wait(consent).unwrap();
    let address = consent.headers()["location"].to_str().unwrap().to_owned();
    for _ in 0..20 {
        assert_eq!(answer_as(STRANGER, &address), "");
    }
    // The user's own browser is served.
    world.emulator.sign_in(gphotosfs_emulator::DEFAULT_USER);
    let page = world.emulator.wait(async { http().get(link.trim()).send().await?.text().await });
    assert!(page.unwrap().contains("gphotosfs has the answer"));
    let mut said = String::new();
    out.read_to_string(&mut said).unwrap();
    let mut errors = String::new();
    login.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert!(login.wait().unwrap().success(), "{errors}");
    assert!(said.contains("The account has no album"), "{said}");
    let refused = errors.lines().filter(|it| it.contains("was refused")).count();
    assert!((1..=5).contains(&refused), "{errors}");
    assert!(errors.contains("number 65534"), "{errors}");
}

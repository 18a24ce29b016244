//! Proxies and certificates as offices and hotels have them: what goes through them, and what the
//! user reads when nothing does.

use gphotosfs_line::{Gate, Rule, Shape, Validity};

use crate::support::{Way, World};

impl World {
    /// All traffic is to go through this proxy, as its variables say.
    fn behind_proxy(&mut self, url: &str) {
        for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"] {
            self.env.push((name, url.to_owned()));
        }
    }

    /// A proxy that leads to the front of this way, as `photos.test`.
    fn gate(&mut self, way: &Way, rule: Rule, scheme: &str) -> Gate {
        let gate = self.emulator.wait(Gate::start(way.relay.address(), rule)).unwrap();
        way.front.known_as("https://photos.test");
        self.api_url = "https://photos.test".to_owned();
        self.behind_proxy(&format!("{scheme}://{}", gate.address()));
        gate
    }

    /// What `doctor` prints.
    fn diagnosis(&self) -> String {
        let outcome = self.run(&["doctor"]);
        let said = [outcome.stdout, outcome.stderr].concat();
        String::from_utf8(said).unwrap()
    }
}

/// Words of libraries, which help nobody.
fn assert_plain(said: &str) {
    for words in ["client error", "tcp connect error", "dns error", "tunnel error", "os error"] {
        assert!(!said.contains(words), "{words} in:\n{said}");
    }
}

#[test]
fn this_machine_is_never_reached_through_a_proxy() {
    let mut world = World::new();
    let nowhere = world.emulator.url.trim_start_matches("http://").parse().unwrap();
    let gate = world.emulator.wait(Gate::start(nowhere, Rule::Pass)).unwrap();
    world.behind_proxy(&format!("http://{}", gate.address()));
    world.login();
    world.mount(&[]);
    world.photo("x.jpg", 1, 5000);
    world.sh("mkdir mnt/A && cp x.jpg mnt/A/");
    world.sync();
    let (done, said) = world.told(&["logout", "--yes"]);
    assert_eq!(gate.asked(), [""; 0], "{done} {said}");
}

#[test]
fn photos_arrive_through_proxies_of_both_kinds() {
    for (scheme, expected) in [("http", "CONNECT photos.test:443 "), ("socks5h", "photos.test:443")]
    {
        let mut world = World::new();
        let way = Way::of(&mut world, Shape::default());
        let gate = world.gate(&way, Rule::Pass, scheme);
        world.mount(&[]);
        world.photo("x.jpg", 1, 5000);
        world.sh("mkdir mnt/A && cp x.jpg mnt/A/");
        world.sync();
        assert_eq!(world.remote("A"), ["x.jpg"]);
        let asked = gate.asked();
        assert!(!asked.is_empty() && asked.iter().all(|it| it.starts_with(expected)), "{asked:?}");
    }
}

#[test]
fn each_fault_of_a_proxy_is_said_with_the_next_step() {
    for (scheme, rule, expected) in [
        ("http", Rule::Login, "wants a user and a password (407): put them into its address"),
        ("socks5h", Rule::Login, "wants a user and a password: put them into its address"),
        ("http", Rule::Refuse, "does not let this through (403 Forbidden): it has to allow"),
        ("socks5h", Rule::Refuse, "does not let this through: it has to allow *.googleapis.com"),
        (
            "http",
            Rule::Redirect,
            "does not let this through (302 Found, to http://portal/): it has",
        ),
        ("http", Rule::Page, "its answer is no TLS: a proxy or this network's login page"),
    ] {
        let mut world = World::new();
        let way = Way::of(&mut world, Shape::default());
        let _gate = world.gate(&way, rule, scheme);
        let said = world.diagnosis();
        assert!(said.contains(expected), "{scheme} {rule:?}:\n{said}");
        assert_plain(&said);
    }
}

#[test]
fn a_proxy_that_is_not_there_is_named() {
    let mut world = World::new();
    world.api_url = "https://photos.test".to_owned();
    // Port 9 of this machine: discard(7), which nobody runs.
    world.behind_proxy("http://user:secret@127.0.0.1:9");
    let said = world.diagnosis();
    assert!(said.contains("the proxy 127.0.0.1:9 (https_proxy) cannot be used"), "{said}");
    assert!(said.contains("Connection refused") && !said.contains("secret"), "{said}");
    assert_plain(&said);
}

#[test]
fn each_fault_of_a_certificate_is_said_with_the_next_step() {
    let now = || (World::new(), Validity::Now);
    let (mut world, validity) = now();
    let _way = Way::with(&mut world, validity, Shape::default());
    let said = world.diagnosis();
    assert!(said.contains("no authority that this machine knows vouches for"), "{said}");
    assert!(said.contains("SSL_CERT_FILE"), "{said}");
    assert_plain(&said);
    for name in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
        world.env.push((name, "/dev/null".to_owned()));
    }
    let said = world.diagnosis();
    assert!(
        said.contains("this machine has no root certificates: install ca-certificates"),
        "{said}"
    );
    for (validity, expected) in [
        (Validity::Over, "certificate has expired, or this machine's clock is ahead"),
        (Validity::NotYet, "certificate is not valid yet, or this machine's clock is behind"),
    ] {
        let mut world = World::new();
        let _way = Way::with(&mut world, validity, Shape::default());
        let authority = world.dir.path().join("authority.pem");
        world.env.push(("SSL_CERT_FILE", authority.to_str().unwrap().to_owned()));
        let said = world.diagnosis();
        assert!(said.contains(expected), "{validity:?}:\n{said}");
        assert_plain(&said);
    }
}

#[test]
fn a_login_says_why_the_login_service_cannot_be_reached() {
    let mut world = World::new();
    let way = Way::with(&mut world, Validity::Over, Shape::default());
    let authority = world.dir.path().join("authority.pem");
    world.env.push(("SSL_CERT_FILE", authority.to_str().unwrap().to_owned()));
    world.api_url.clone_from(&world.emulator.url);
    let client = world.emulator.client_secret_json();
    let mut file: serde_json::Value = serde_json::from_str(&client).unwrap();
    let token_uri = &mut file["installed"]["token_uri"];
    let moved = token_uri.as_str().unwrap().replace(&world.emulator.url, &way.url);
    *token_uri = moved.into();
    let (done, said) = world.log_in_with(&file.to_string(), &[]);
    assert!(!done && said.contains("certificate has expired, or this machine's clock"), "{said}");
    assert_plain(&said);
}

#[test]
fn a_name_that_does_not_exist_is_said_to_be_one() {
    let mut world = World::new();
    world.api_url = "https://photos.invalid".to_owned();
    let said = world.diagnosis();
    let either = ["there is no host of this name", "no name server answers"];
    assert!(either.iter().any(|it| said.contains(it)), "{said}");
    assert_plain(&said);
}

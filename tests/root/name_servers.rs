//! Name servers that do not answer, in a file of the program's own instead of `/etc/resolv.conf`.

use std::net::{Ipv4Addr, UdpSocket};
use std::process::{Command, Output};

use gphotosfs_line::Shape;

use crate::support::{Way, World};

/// A name server on an address of its own, because its port is fixed. It answers nothing.
fn silent() -> (UdpSocket, Ipv4Addr) {
    loop {
        let [a, b, c, _] = rand::random::<u32>().to_be_bytes();
        let address = Ipv4Addr::new(127, a, b, c.clamp(1, 254));
        if let Ok(socket) = UdpSocket::bind((address, 53)) {
            return (socket, address);
        }
    }
}

/// One that knows this machine under every name.
fn live() -> Ipv4Addr {
    let (socket, address) = silent();
    std::thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((len, from)) = socket.recv_from(&mut query) {
            let _ = socket.send_to(&answer(&query[..len]), from);
        }
    });
    address
}

/// The answer to a query (RFC 1035): 127.0.0.1 for an address of IPv4, nothing else.
fn answer(query: &[u8]) -> Vec<u8> {
    let name_len = 1 + query[12..].iter().position(|it| *it == 0).unwrap();
    let question = &query[12..12 + name_len + 4];
    let is_ipv4 = question[name_len..name_len + 2] == [0, 1];
    let mut answer = query[..2].to_vec();
    answer.extend([0x81, 0x80, 0, 1, 0, u8::from(is_ipv4), 0, 0, 0, 0]);
    answer.extend(question);
    if is_ipv4 {
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
    }
    answer
}

/// Runs `doctor` where only these servers know names. Each is waited for a second, not five.
fn doctor(world: &World, servers: &[Ipv4Addr]) -> String {
    let lines: String = servers.iter().map(|it| format!("nameserver {it}\n")).collect();
    std::fs::write(world.dir.path().join("resolv.conf"), lines).unwrap();
    let program = world.program();
    let name = program.get_program().to_str().unwrap();
    let script = format!("mount --bind resolv.conf /etc/resolv.conf; {name} doctor");
    let environment = program.get_envs().filter_map(|(name, value)| Some((name, value?)));
    let Output { stdout, stderr, .. } = Command::new("unshare")
        .args(["--mount", "sh", "-euc", &script])
        .envs(environment)
        .env("RES_OPTIONS", "timeout:1 attempts:1")
        .current_dir(world.dir.path())
        .output()
        .unwrap();
    String::from_utf8([stdout, stderr].concat()).unwrap()
}

/// A world whose service has a name that only a name server knows.
fn world() -> (World, Way) {
    let mut world = World::new();
    let way = Way::of(&mut world, Shape::default());
    let url = format!("https://photos.test:{}", way.relay.address().port());
    way.front.known_as(&url);
    world.api_url = url;
    (world, way)
}

#[test]
fn two_dead_name_servers_before_a_live_one_are_only_slow() {
    let (world, way) = world();
    let dead = [silent(), silent()];
    let said = doctor(&world, &[dead[0].1, dead[1].1, live()]);
    assert!(way.relay.counts().connections > 0, "{said}");
    assert!(!said.contains("no name server answers"), "{said}");
}

#[test]
fn dead_name_servers_alone_are_said_to_be_dead() {
    let (world, way) = world();
    let dead = [silent(), silent(), silent()];
    let said = doctor(&world, &dead.each_ref().map(|it| it.1));
    assert!(said.contains("no name server answers: check the network"), "{said}");
    assert_eq!(way.relay.counts().connections, 0);
}

//! A laptop: its connection is a phone's at times, becomes another one, and sleeps. A small service on a bus
//! of the test's own stands for NetworkManager and logind.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use gphotosfs_emulator::{Call, Moment};
use serde_json::Value;

use crate::support::desktop::{Bus, Desktop};
use crate::support::network_manager::{Network, NetworkManager};
use crate::support::{World, wait_for};

struct Laptop {
    manager: NetworkManager,
    bus: Bus,
    world: World,
}

impl Laptop {
    fn new(network: Network) -> Self {
        let mut world = World::new();
        let bus = Bus::start(world.dir.path());
        let manager = NetworkManager::start(&bus, network);
        world.env.push(("DBUS_SYSTEM_BUS_ADDRESS", bus.address.clone()));
        Self { manager, bus, world }
    }

    fn status(&self) -> Value {
        serde_json::from_slice(&self.world.run(&["status", "--json"]).stdout).unwrap()
    }

    /// Mounts, and waits until the mount knows the network.
    fn mount(&self, options: &[&str]) {
        self.world.mount(options);
        wait_for("the mount to ask", || self.manager.asked() > 0);
    }

    fn wait_until_paused(&self) {
        wait_for("uploads to pause", || self.status()["trouble"]["kind"] == "metered");
    }
}

#[test]
fn uploads_wait_for_a_connection_that_is_not_metered() {
    let laptop = Laptop::new(Network::PHONE);
    let desktop = Desktop::start(&laptop.bus);
    let world = &laptop.world;
    let env = [("DBUS_SESSION_BUS_ADDRESS", &*laptop.bus.address), ("GPHOTOSFS_NOTIFY", "auto")];
    world.mount_with(&env, &[]);
    laptop.wait_until_paused();
    world.photo("x.jpg", 1, 10_000);
    world.sh("mkdir mnt/A && cp x.jpg mnt/A/");
    let shown = desktop.shown();
    assert_eq!(shown.title, "Uploads wait: the connection is metered");
    let said = String::from_utf8(world.run(&["status"]).stdout).unwrap();
    assert!(said.contains("paused: the connection is metered"), "{said}");
    assert!(world.log().contains("paused: the connection is metered"), "{}", world.log());
    // Albums are made all the same, and files are read.
    assert!(world.remote("A").is_empty());
    world.sh("cmp x.jpg mnt/A/x.jpg");
    let mut sync = world.program();
    let sync = sync.args(["sync", "mnt"]).current_dir(world.dir.path()).stderr(Stdio::piped());
    let mut sync = sync.spawn().unwrap();
    let mut said = BufReader::new(sync.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(
        said.any(|it| it.contains("paused: the connection is metered")),
        "sync says why it waits"
    );
    assert_eq!(world.emulator.stats().requests.get(&Call::UploadRaw), None);
    laptop.manager.switch(Network::HOME);
    let rest: Vec<_> = said.collect();
    assert!(sync.wait().unwrap().success(), "{rest:?}");
    assert_eq!(world.remote("A"), ["x.jpg"]);
    wait_for("status to be clear", || laptop.status()["trouble"].is_null());
}

#[test]
fn an_upload_under_way_pauses_and_goes_on_from_where_it_is() {
    let laptop = Laptop::new(Network::HOME);
    let world = &laptop.world;
    laptop.mount(&[]);
    let under_way = world.emulator.barrier(Call::UploadChunk, 1, Moment::Request);
    world.photo("large.jpg", 1, 9_000_000);
    world.sh("mkdir mnt/A && cp large.jpg mnt/A/");
    world.emulator.wait(under_way.arrived());
    laptop.manager.switch(Network::PHONE);
    laptop.wait_until_paused();
    wait_for("the upload to end", || laptop.status()["queue"]["uploading"] == 0);
    under_way.release();
    laptop.manager.switch(Network::HOME);
    world.sync();
    assert_eq!(world.remote("A"), ["large.jpg"]);
    let starts = world.emulator.stats().requests[&Call::UploadStart];
    assert_eq!(starts, 1, "the session goes on");
}

#[test]
fn a_metered_connection_is_used_if_the_user_says_so() {
    let laptop = Laptop::new(Network::PHONE);
    let world = &laptop.world;
    laptop.mount(&["--metered", "use"]);
    world.photo("x.jpg", 1, 10_000);
    world.sh("mkdir mnt/A && cp x.jpg mnt/A/");
    world.sync();
    assert_eq!(world.remote("A"), ["x.jpg"]);
    assert!(!world.log().contains("metered"), "{}", world.log());
}

/// A request that the old network has swallowed gets no answer. It would be given up after minutes.
fn goes_on_after(happens: impl FnOnce(&NetworkManager)) {
    let laptop = Laptop::new(Network::HOME);
    let world = &laptop.world;
    laptop.mount(&[]);
    world.photo("x.jpg", 1, 10_000);
    world.sh("mkdir mnt/A");
    let swallowed = world.emulator.barrier(Call::UploadRaw, 1, Moment::Request);
    world.sh("cp x.jpg mnt/A/");
    world.emulator.wait(swallowed.arrived());
    happens(&laptop.manager);
    world.sync();
    assert_eq!(world.remote("A"), ["x.jpg"]);
    swallowed.release();
}

#[test]
fn uploads_go_on_at_once_in_another_network() {
    goes_on_after(|manager| {
        manager.switch(Network::NONE);
        manager.switch(Network { connection: "/hotel", ..Network::HOME });
    });
}

#[test]
fn uploads_go_on_at_once_after_a_sleep() {
    goes_on_after(NetworkManager::sleep);
}

//! Google for tests that are not async: an emulator, and the runtime that serves it.

use std::net::SocketAddr;
use std::ops::Deref;
use std::path::Path;

use gphotosfs::profile::Profile;
use gphotosfs_emulator::{Call, Config, Edit, Emulator};
use tokio::net::TcpSocket;
use tokio::runtime::Runtime;

use super::account::requests;
use super::login;
use super::wait::DEADLINE;

/// The service. It outlives the program, and can go off the network.
pub struct Google {
    emulator: Emulator,
    runtime: Runtime,
    config: Config,
    /// Holds its port while it is off the network, so that the service of another test gets none of
    /// its requests. It does not listen.
    port: Option<TcpSocket>,
    /// Its address, also while it is off the network.
    pub url: String,
}

impl Google {
    /// A service with an empty library.
    pub fn start(config: Config) -> Self {
        let runtime = Runtime::new().unwrap();
        let emulator = runtime.block_on(Emulator::start(config.clone())).unwrap();
        let url = emulator.url();
        Self { emulator, runtime, config, port: None, url }
    }

    /// A profile in this directory that is logged in with these scopes.
    pub fn profile(&self, dir: &Path, scopes: &[&str]) -> Profile {
        let profile = Profile::under(dir);
        let grant = self.grant_scopes(scopes);
        login::write_grant(profile.config_dir().unwrap(), self, &grant);
        profile
    }

    /// Waits for something in the service.
    pub fn wait<T>(&self, event: impl Future<Output = T>) -> T {
        let within = async { tokio::time::timeout(DEADLINE, event).await };
        self.runtime.block_on(within).expect("it happens in time")
    }

    /// Does what the user does in the app, or what another client has done before.
    pub fn edit(&self, edit: Edit) -> String {
        self.wait(self.emulator.edit(edit)).unwrap()
    }

    /// Makes an album of `count` photos of 5000 bytes each: `IMG_000000.jpg` and so on.
    pub fn seed(&self, album: &str, count: u64) {
        self.seed_sized(album, count, 5000);
    }

    /// As [`Google::seed`], with photos of that size.
    pub fn seed_sized(&self, album: &str, count: u64, size: u64) {
        self.edit(Edit::CreateAlbum { title: album.into() });
        let (album, prefix) = (Some(album.to_owned()), "IMG_".to_owned());
        self.edit(Edit::Seed { album, count, size, prefix });
    }

    /// The requests that `work` costs, of each kind but those for a login.
    pub fn cost(&self, work: impl FnOnce()) -> Vec<(Call, u64)> {
        self.reset_stats();
        work();
        requests(self).collect()
    }

    fn address(&self) -> SocketAddr {
        self.url.trim_start_matches("http://").trim_end_matches('/').parse().unwrap()
    }

    /// Goes off the network: connections are refused until [`Google::come_back`].
    pub fn go_away(&mut self) {
        // Another one stands in for it, which nobody asks.
        let other = self.runtime.block_on(Emulator::start(Config::default())).unwrap();
        let emulator = std::mem::replace(&mut self.emulator, other);
        self.runtime.block_on(emulator.stop());
        let port = TcpSocket::new_v4().unwrap();
        port.set_reuseaddr(true).unwrap();
        port.bind(self.address()).unwrap();
        self.port = Some(port);
    }

    /// Comes back with all that it knew, if it has a state directory.
    pub fn come_back(&mut self) {
        self.port = None;
        let config = Config { listen: self.address(), ..self.config.clone() };
        self.emulator = self.runtime.block_on(Emulator::start(config)).unwrap();
    }
}

impl Deref for Google {
    type Target = Emulator;

    fn deref(&self) -> &Emulator {
        &self.emulator
    }
}

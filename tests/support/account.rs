//! The depth of the store: an account at an emulator, without the program. A test adds the parts that it is about:
//! a client, a store, a pipeline.

use std::sync::Arc;
use std::time::Duration;

use gphotosfs::api::{self, Budget, Client, Deadlines, Login};
use gphotosfs::profile::Profile;
use gphotosfs_emulator::{Call, Emulator, Grant};

use super::login;

/// An emulator, and a profile that is logged in to it.
pub struct Account {
    pub emulator: Emulator,
    pub profile: Profile,
    pub dir: tempfile::TempDir,
}

impl Account {
    /// An account that has granted the program this.
    pub fn granted(emulator: Emulator, grant: &Grant) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let profile = Profile::under(dir.path());
        let account = Self { emulator, profile, dir };
        account.write_login(grant);
        account
    }

    /// Replaces the login of the profile.
    pub fn write_login(&self, grant: &Grant) {
        login::write_grant(self.profile.config_dir().unwrap(), &self.emulator, grant);
    }

    /// A client that is logged in, with a day's allowance of requests.
    pub fn client(&self, config: api::Config) -> Client {
        let login = Login::load(&self.profile, &self.emulator.url().parse().unwrap()).unwrap();
        let budget = Arc::new(Budget::new(jiff::Timestamp::now()));
        Client::new(config, Arc::new(login), budget).unwrap()
    }
}

/// Settings of the API client with which it gives up soon.
pub fn brisk() -> api::Config {
    api::Config {
        deadlines: Deadlines {
            connect: Duration::from_secs(2),
            read: Duration::from_secs(10),
            write: Duration::from_secs(10),
            stall: Duration::from_secs(10),
            retries: Duration::from_millis(50),
            throttled: Duration::from_millis(50),
        },
        retry_base: Duration::from_millis(2),
        write_pause: Duration::from_millis(1),
        ..api::Config::default()
    }
}

/// The requests since the last reset, but those for a login.
pub fn requests(emulator: &Emulator) -> impl Iterator<Item = (Call, u64)> {
    emulator.stats().requests.into_iter().filter(|(call, _)| *call != Call::OauthToken)
}

//! Uploads over a line that is slower than the buffers of this machine's kernel.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gphotosfs::api::{Budget, Client, Login};
use gphotosfs_emulator::{Config, Emulator};
use gphotosfs_line::{Relay, Shape};

use crate::support::account::brisk;
use crate::support::{Account, eventually, payload, photo};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes ten seconds"]
async fn the_time_for_the_answer_begins_when_the_line_has_carried_the_last_byte() {
    let emulator = Emulator::start(Config::default()).await.unwrap();
    let grant = emulator.grant();
    let account = Account::granted(emulator, &grant);
    let shape = Shape { up: 100_000, queue: 16 << 10, ..Shape::default() };
    let to = account.emulator.url().trim_start_matches("http://").parse().unwrap();
    let relay = Relay::start(to, shape).await.unwrap();
    let url = format!("http://{}", relay.address());
    let login = Arc::new(Login::load(&account.profile, &url.parse().unwrap()).unwrap());
    let mut config = brisk();
    config.deadlines.write = Duration::from_secs(4);
    let budget = Arc::new(Budget::new(jiff::Timestamp::now()));
    let client = Client::new(config, login, budget).unwrap();
    let photo = payload(&photo(1, 1_000_000));
    let upload = {
        let (client, photo) = (client.clone(), photo.clone());
        tokio::spawn(async move { client.upload_raw(&photo).await })
    };
    eventually("the kernel to have all of it", || photo.sent.load(Ordering::Relaxed) == 1_000_000)
        .await;
    // Six seconds of the line are left, and four are the time for an answer.
    let carried = relay.counts().up;
    assert!(carried < 400_000, "{carried}");
    upload.await.unwrap().unwrap();
    let carried = relay.counts().up;
    assert!(carried < 1_050_000, "{carried} bytes for 1,000,000");
}

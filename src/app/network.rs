//! The machine's network: whether the connection is metered, when it becomes another one, and when
//! the machine wakes up.
//!
//! One task owns that. It listens to NetworkManager and logind on the system's bus (`bus`), and to
//! the kernel (`routes`), which also serves machines without either. `Known` decides what an event
//! means. Where nothing tells of changes, the queue's own naps are the remedy, a minute at most.

mod bus;
mod known;
mod routes;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::api::Client;
use crate::settings::Metered;
use crate::upload::Pipeline;
use known::{Change, Known};

/// Events that wait for the task. The sources wait if there are more.
const EVENTS_MAX: usize = 16;

/// The task that watches the network. It ends when this is dropped.
#[derive(Debug)]
pub struct NetworkWatch(JoinHandle<()>);

impl Drop for NetworkWatch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl NetworkWatch {
    /// Begins to tell uploads and connections of changes.
    pub fn start(pipeline: Pipeline, client: Client, metered: Metered, runtime: &Handle) -> Self {
        Self(runtime.spawn(watch(pipeline, client, metered)))
    }
}

async fn watch(pipeline: Pipeline, client: Client, metered: Metered) {
    let (sender, mut events) = mpsc::channel(EVENTS_MAX);
    let mut sources = JoinSet::new();
    sources.spawn(bus::listen(sender.clone()));
    sources.spawn(routes::listen(sender));
    let mut known = Known::default();
    while let Some(event) = events.recv().await {
        let change = known.learn(event, Instant::now().into_std());
        pipeline.set_metered(known.is_metered() && metered == Metered::Pause);
        match change {
            Change::Nothing => continue,
            Change::Retry => tracing::info!("the network is there again"),
            Change::Renew(why) => {
                tracing::info!("{why}: connections are made anew");
                client.renew_connections();
            }
        }
        pipeline.network_changed();
    }
}

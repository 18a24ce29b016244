//! The start of the pipeline.

use std::sync::Arc;

use super::config::Config;
use super::errors::Error;
use super::pipeline::Pipeline;
use super::shared::Shared;
use super::{replay, worker};
use crate::api;
use crate::store::Store;

impl Pipeline {
    /// Replays the journal and starts the worker. Blocking.
    ///
    /// # Errors
    /// If spool or database fail.
    pub fn start(
        config: Config,
        store: Store,
        client: api::Client,
        runtime: &tokio::runtime::Handle,
    ) -> Result<Self, Error> {
        let shared = Arc::new(Shared::new(config, store, client)?);
        replay::replay(&shared)?;
        shared.spool.count()?;
        shared.count_set_aside()?;
        runtime.spawn(worker::run(shared.clone()));
        Ok(Self { shared })
    }
}

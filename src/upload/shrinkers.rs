//! Makes smaller copies on threads of low priority, with bounded memory.

use std::fs::File;
use std::io;
use std::sync::Arc;

use tokio::sync::{Semaphore, oneshot};

use crate::media::Saver;
use crate::shrink::{Whole, making};

/// How far the threads give way to others, as nice(1).
const NICENESS: i32 = 10;

/// The memory that the makers of smaller copies share.
pub(super) struct Shrinkers {
    memory: Arc<Semaphore>,
    /// In MiB.
    memory_max: u32,
}

impl Default for Shrinkers {
    fn default() -> Self {
        let memory_max = making::memory_of_machine();
        Self { memory: Arc::new(Semaphore::new(memory_max as usize)), memory_max }
    }
}

impl Shrinkers {
    /// Makes a smaller copy of a file. The inner error says why it is left whole.
    ///
    /// # Errors
    /// If the file cannot be read, or no thread be started.
    pub(super) async fn shrink(
        &self,
        file: Arc<File>,
        saver: Saver,
    ) -> io::Result<Result<Vec<u8>, Whole>> {
        let (of_head, memory_max) = (file.clone(), self.memory_max);
        let need = tokio::task::spawn_blocking(move || making::need(&of_head, saver, memory_max));
        let need = match need.await.map_err(io::Error::other)?? {
            Ok(need) => need,
            Err(whole) => return Ok(Err(whole)),
        };
        let memory = self.memory.clone().acquire_many_owned(need).await;
        let memory = memory.map_err(io::Error::other)?;
        let (done, outcome) = oneshot::channel();
        // A thread of its own, because a thread cannot take its low priority back.
        std::thread::Builder::new().name("shrink".to_owned()).spawn(move || {
            // Without it, copies are made all the same.
            let _ = rustix::process::setpriority_process(None, NICENESS);
            let copy = making::make(&file, saver).map(|it| it.1);
            drop(memory);
            // If nobody waits any more, a writer has opened the file.
            let _ = done.send(copy);
        })?;
        outcome.await.map_err(io::Error::other)?
    }
}

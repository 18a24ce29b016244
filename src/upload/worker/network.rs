//! What the worker does when the connection becomes a metered one, or another one.

use std::sync::atomic::Ordering;
use std::time::SystemTime;

use super::context::Worker;
use crate::store;
use crate::upload::concurrency::ConcurrencyLimit;

impl Worker {
    /// Looks whether the network has changed since the last call.
    pub(super) async fn look_at_network(&mut self, now: SystemTime) -> store::Result<()> {
        let shared = self.shared.clone();
        let is_metered = shared.metered.load(Ordering::Relaxed);
        if self.blockers.set_metered(is_metered, now) {
            if is_metered {
                self.pause_large_uploads();
            }
            self.publish_blockers();
        }
        if shared.network_changed.swap(false, Ordering::Relaxed) {
            self.blockers.network_changed(now);
            self.publish_blockers();
            // Another line carries another number of uploads.
            self.limit = ConcurrencyLimit::new(shared.config.uploads);
            shared.store.run(|store| store.retry_now()).await?;
            self.claims.mark_dirty();
        }
        Ok(())
    }

    /// Stops the uploads that go on from where they are. Small files go to their end: to stop them
    /// would send their bytes twice.
    fn pause_large_uploads(&self) {
        for transfer in self.uploads.values().filter(|it| it.large) {
            transfer.cancel.cancel();
        }
    }
}

//! What the worker does when the connection becomes a metered one, or another one.

use std::sync::atomic::Ordering;
use std::time::SystemTime;

use super::context::Worker;
use crate::store;

impl Worker {
    /// Looks whether the network has changed since the last call.
    pub(super) async fn look_at_network(&mut self, now: SystemTime) -> store::Result<()> {
        let shared = self.shared.clone();
        let is_metered = shared.metered.load(Ordering::Relaxed);
        if self.blockers.set_metered(is_metered, now) {
            if is_metered {
                self.pause_uploads();
            }
            self.publish_blockers();
        }
        if shared.network_changed.swap(false, Ordering::Relaxed) {
            self.blockers.network_changed(now);
            self.publish_blockers();
            shared.store.run(|store| store.retry_now()).await?;
            self.claims.mark_dirty();
        }
        Ok(())
    }

    /// Stops the uploads that have not begun, and those that go on from where they are. Small files
    /// that have begun go to their end: to stop them would send their bytes twice.
    fn pause_uploads(&self) {
        let uploads = self.uploads.values().filter(|it| !it.preparing);
        for transfer in uploads.filter(|it| it.large || !it.begun.load(Ordering::Relaxed)) {
            transfer.cancel.cancel();
        }
    }
}

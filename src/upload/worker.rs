//! (to come)
pub(super) async fn run(shared: std::sync::Arc<super::Shared>) {
    shared.stopped.cancel();
}

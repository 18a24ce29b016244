//! Invalidates the kernel's caches.
//!
//! A notification may block: on the lock of a directory, which the kernel may hold while it waits
//! for an answer of ours, or on a page that is being read. So it must never be sent from a thread
//! that answers requests, nor while a lock of ours is held.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;

use fuser::Notifier;

use super::reply::inode;
use crate::fs::Node;
use crate::media::FileId;
use crate::store::{Invalidation, InvalidationShard};

/// With this offset the kernel keeps its pages and drops only the attributes. A file's bytes have
/// not changed. A directory's listing would never become complete in the cache if each change
/// dropped it; the kernel notices an outdated one by the directory's time.
const ATTRIBUTES_ONLY: i64 = -1;

/// Starts a thread that sends the kernel all invalidations of `shard`.
pub(super) fn start(notifier: Notifier, shard: InvalidationShard) -> io::Result<()> {
    let send_all = move || {
        while let Some(batch) = shard.next() {
            match batch {
                Ok(batch) => {
                    batch.into_iter().for_each(|invalidation| send(&notifier, invalidation))
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot read which of the kernel's caches to invalidate")
                }
            }
        }
    };
    std::thread::Builder::new().name("notify".into()).spawn(send_all)?;
    Ok(())
}

fn send(notifier: &Notifier, invalidation: Invalidation) {
    let outcome =
        match &invalidation {
            Invalidation::Entry(dir, name) => notifier
                .inval_entry(inode(Node::Dir(*dir).ino()), OsStr::from_bytes(name.as_bytes())),
            Invalidation::Dir(dir) => {
                notifier.inval_inode(inode(Node::Dir(*dir).ino()), ATTRIBUTES_ONLY, 0)
            }
            Invalidation::Listing(dir) => notifier.inval_inode(inode(Node::Dir(*dir).ino()), 0, 0),
            Invalidation::Attributes(file) => file_changed(notifier, *file, ATTRIBUTES_ONLY),
            Invalidation::Bytes(file) => file_changed(notifier, *file, 0),
            Invalidation::ViewEntry(view, name) => notifier
                .inval_entry(inode(Node::View(*view).ino()), OsStr::from_bytes(name.as_bytes())),
        };
    if let Err(error) = outcome {
        tracing::debug!(?invalidation, %error, "the kernel refused a cache invalidation");
    }
}

/// The kernel may know a file by two inode numbers, by one of them, or by none.
fn file_changed(notifier: &Notifier, file: FileId, offset: i64) -> io::Result<()> {
    let viewed = notifier.inval_inode(inode(Node::ReadOnlyFile(file).ino()), offset, 0);
    notifier.inval_inode(inode(Node::File(file).ino()), offset, 0).or(viewed)
}

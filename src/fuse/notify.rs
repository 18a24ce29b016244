//! Tells the kernel what its caches hold and what is no longer so.
//!
//! A notification may wait for a directory whose lock the kernel holds while it waits for an answer of ours, or for a
//! page that is being read: it must never be sent by a thread that answers, nor by one that holds a lock of ours.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;

use fuser::Notifier;

use super::reply::inode;
use crate::fs::Node;
use crate::media::FileId;
use crate::store::{Invalidation, InvalidationShard};

/// An offset that spares the kernel's pages: of a file because the bytes are the same, of a directory because a
/// listing that is being cached would never become complete. The kernel notices by the directory's time.
const ATTRIBUTES_ONLY: i64 = -1;

/// Starts a thread that tells the kernel all of `shard`.
pub(super) fn start(notifier: Notifier, shard: InvalidationShard) -> io::Result<()> {
    let tell = move || {
        while let Some(batch) = shard.next() {
            match batch {
                Ok(batch) => {
                    batch.into_iter().for_each(|invalidation| tell(&notifier, invalidation))
                }
                Err(error) => tracing::warn!(%error, "the kernel cannot be told what has changed"),
            }
        }
    };
    std::thread::Builder::new().name("notify".into()).spawn(tell)?;
    Ok(())
}

fn tell(notifier: &Notifier, invalidation: Invalidation) {
    let outcome =
        match &invalidation {
            Invalidation::Entry(dir, name) => notifier
                .inval_entry(inode(Node::Dir(*dir).ino()), OsStr::from_bytes(name.as_bytes())),
            Invalidation::Dir(dir) => {
                notifier.inval_inode(inode(Node::Dir(*dir).ino()), ATTRIBUTES_ONLY, 0)
            }
            Invalidation::Attributes(file) => file_changed(notifier, *file, ATTRIBUTES_ONLY),
            Invalidation::Bytes(file) => file_changed(notifier, *file, 0),
            Invalidation::ViewEntry(view, name) => notifier
                .inval_entry(inode(Node::View(*view).ino()), OsStr::from_bytes(name.as_bytes())),
        };
    if let Err(error) = outcome {
        tracing::debug!(?invalidation, %error, "the kernel did not take a notification");
    }
}

/// A file may be known by two numbers, or by one of them, or by none.
fn file_changed(notifier: &Notifier, file: FileId, offset: i64) -> io::Result<()> {
    let viewed = notifier.inval_inode(inode(Node::ReadOnlyFile(file).ino()), offset, 0);
    notifier.inval_inode(inode(Node::File(file).ino()), offset, 0).or(viewed)
}

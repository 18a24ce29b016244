//! The descriptors that operations use.

use std::sync::Arc;

use crate::fs::error::{Error, Result};
use crate::fs::filesystem::Fs;
use crate::fs::handles::{Fh, Handle, OpenFile};
use crate::upload::Writer;

/// The file of a descriptor that may write.
pub(super) struct WritableFile {
    /// Shared by all descriptors of the file.
    pub(super) open: Arc<OpenFile>,
    /// The descriptor's writer.
    pub(super) writer: Arc<Writer>,
}

impl Fs {
    pub(super) fn handle(&self, fh: Fh) -> Result<Handle> {
        self.handles.get(fh).ok_or_else(|| Error::plain(libc::EBADF))
    }

    /// The file of a descriptor, if it may write.
    pub(super) fn writable(&self, fh: Fh) -> Result<WritableFile> {
        match self.handle(fh)? {
            Handle::File { open, writer: Some(writer) } => Ok(WritableFile { open, writer }),
            _ => Err(Error::plain(libc::EBADF)),
        }
    }
}

/// A descriptor that an operation has opened for itself. Dropping it closes it, also if the caller
/// stops waiting for the operation.
pub(super) struct Descriptor<'a> {
    pub(super) fs: &'a Fs,
    pub(super) fh: Fh,
}

impl Drop for Descriptor<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.fs.release(self.fh) {
            tracing::debug!(%error, "cannot close a descriptor of an operation");
        }
    }
}

impl Descriptor<'_> {
    /// Leaves the close to the caller.
    pub(super) fn keep<T>(self, opened: T) -> T {
        std::mem::forget(self);
        opened
    }
}

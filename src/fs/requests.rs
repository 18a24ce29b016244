//! How often the kernel has asked for what.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! requests {
    ($($name:ident),* $(,)?) => {
        /// Counts, by the names that FUSE has for its requests.
        #[derive(Debug, Default)]
        #[allow(missing_docs)] // The names say it.
        pub struct Requests {
            $(pub $name: Count,)*
        }

        impl Requests {
            /// All counts so far that are not 0.
            pub fn so_far(&self) -> BTreeMap<String, u64> {
                [$((stringify!($name), &self.$name)),*]
                    .into_iter()
                    .map(|(name, count)| (name.to_owned(), count.0.load(Ordering::Relaxed)))
                    .filter(|(_, count)| *count > 0)
                    .collect()
            }
        }
    };
}

requests!(
    lookup,
    getattr,
    setattr,
    mknod,
    mkdir,
    unlink,
    rmdir,
    rename,
    link,
    open,
    create,
    read,
    write,
    flush,
    release,
    fsync,
    opendir,
    readdir,
    readdirplus,
    releasedir,
    fsyncdir,
    statfs,
    setxattr,
    getxattr,
    listxattr,
    fallocate,
    lseek,
);

/// One count.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// One more.
    pub fn up(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

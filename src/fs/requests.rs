//! The operations of the FUSE protocol, and how many of each the kernel has requested.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! operations {
    ($($variant:ident $name:literal),* $(,)?) => {
        /// A request of the kernel that is answered.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs)] // The names say it.
        pub enum Operation {
            $($variant,)*
        }

        impl Operation {
            /// All operations, in the order of their discriminants.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name that the FUSE protocol has for it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

operations!(
    Lookup "lookup",
    Getattr "getattr",
    Setattr "setattr",
    Readlink "readlink",
    Symlink "symlink",
    Mknod "mknod",
    Mkdir "mkdir",
    Unlink "unlink",
    Rmdir "rmdir",
    Rename "rename",
    Link "link",
    Open "open",
    Create "create",
    Read "read",
    Write "write",
    Flush "flush",
    Release "release",
    Fsync "fsync",
    Opendir "opendir",
    Readdir "readdir",
    Readdirplus "readdirplus",
    Releasedir "releasedir",
    Fsyncdir "fsyncdir",
    Statfs "statfs",
    Setxattr "setxattr",
    Getxattr "getxattr",
    Listxattr "listxattr",
    Removexattr "removexattr",
    Fallocate "fallocate",
    Lseek "lseek",
);

/// How many requests of each operation have come since the mount began.
#[derive(Debug, Default)]
pub struct Requests([AtomicU64; Operation::ALL.len()]);

impl Requests {
    /// Adds a request.
    pub fn count(&self, operation: Operation) {
        self.0[operation as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// All counts so far that are not 0, by the operation's name.
    pub fn so_far(&self) -> BTreeMap<String, u64> {
        let count = |it: &Operation| self.0[*it as usize].load(Ordering::Relaxed);
        Operation::ALL
            .iter()
            .map(|it| (it.name().to_owned(), count(it)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operation_has_a_count_of_its_own() {
        let requests = Requests::default();
        for (times, operation) in Operation::ALL.iter().enumerate() {
            (0..times).for_each(|_| requests.count(*operation));
        }
        let counts = requests.so_far();
        for (times, operation) in Operation::ALL.iter().enumerate() {
            assert_eq!(counts.get(operation.name()).copied().unwrap_or(0), times as u64);
        }
    }
}

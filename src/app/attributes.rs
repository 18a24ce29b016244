//! The extended attributes of a mount's files, `user.gphotos.NAME`, seen from outside.

use std::io;
use std::path::Path;

use rustix::fs::{XattrFlags, getxattr, removexattr, setxattr};
use rustix::io::Errno;

/// The room for a value that suffices for nearly all, so that one request of the kernel does.
const USUAL_BYTES: usize = 4 << 10;

/// The longest value that the kernel hands out (xattr(7)).
const BYTES_MAX: usize = 64 << 10;

/// An attribute. `None` if the file does not have it.
///
/// # Errors
/// If the mount or the file is gone.
pub fn get(path: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    let name = full(name);
    let mut bytes = vec![0; USUAL_BYTES];
    let mut read = getxattr(path, name.as_str(), bytes.as_mut_slice());
    if read == Err(Errno::RANGE) {
        bytes.resize(BYTES_MAX, 0);
        read = getxattr(path, name.as_str(), bytes.as_mut_slice());
    }
    match read {
        Ok(length) => {
            bytes.truncate(length);
            Ok(Some(bytes))
        }
        Err(Errno::NODATA) => Ok(None),
        Err(err) => Err(err.into()),
    }
}

/// Sets an attribute.
///
/// # Errors
/// Those of the mount.
pub fn set(path: &Path, name: &str, value: &[u8]) -> io::Result<()> {
    setxattr(path, full(name), value, XattrFlags::empty())?;
    Ok(())
}

/// Removes an attribute. Returns whether it was there.
///
/// # Errors
/// Those of the mount.
pub fn remove(path: &Path, name: &str) -> io::Result<bool> {
    match removexattr(path, full(name)) {
        Ok(()) => Ok(true),
        Err(Errno::NODATA) => Ok(false),
        Err(err) => Err(err.into()),
    }
}

fn full(name: &str) -> String {
    format!("user.gphotos.{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_any_length_come_back_whole() {
        // Some filesystems of temporary files take few attributes, or none.
        let file = tempfile::NamedTempFile::new_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        assert_eq!(get(file.path(), "absent").unwrap(), None);
        for length in [0, 1, USUAL_BYTES - 100] {
            let value = vec![b'x'; length];
            if let Err(err) = set(file.path(), "length", &value) {
                assert_eq!(err.raw_os_error(), Some(libc::EOPNOTSUPP));
                return;
            }
            assert_eq!(get(file.path(), "length").unwrap(), Some(value));
        }
        assert!(get(Path::new("/no/such/file"), "length").is_err());
    }
}

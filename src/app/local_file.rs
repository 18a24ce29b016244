//! Reads files of the user. Their names may lead anywhere: a file of the kernel's says that it is
//! empty, and gives bytes without end, or waits for the next one for ever.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Opens a file whose bytes end where its length says.
///
/// # Errors
/// If it is another file, or cannot be read.
pub fn open(path: &Path) -> io::Result<File> {
    // A pipe would wait for a writer.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no ordinary file"));
    }
    check_end(&file)?;
    Ok(file)
}

/// Passes on the bytes of such a file, as many as it had at first. Returns their number.
///
/// # Errors
/// If the file cannot be read, or is being written.
pub fn pass_on(mut file: &File, to: &mut impl Write) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let passed = io::copy(&mut Read::by_ref(&mut file).take(length), to)?;
    if file.metadata()?.len() > length {
        return Err(io::Error::other("it is being written"));
    }
    Ok(passed)
}

/// The bytes of such a file.
///
/// # Errors
/// As [`open`] and [`pass_on`].
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    pass_on(&open(path)?, &mut bytes)?;
    Ok(bytes)
}

fn check_end(file: &File) -> io::Result<()> {
    match file.read_at(&mut [0], file.metadata()?.len())? {
        0 => Ok(()),
        _ => Err(io::Error::other("it has more bytes than its length says")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_file_is_passed_on_whole() {
        let dir = tempfile::tempdir().unwrap();
        for bytes in [&b""[..], b"some bytes"] {
            let path = dir.path().join("a");
            std::fs::write(&path, bytes).unwrap();
            let mut got = Vec::new();
            assert_eq!(pass_on(&open(&path).unwrap(), &mut got).unwrap(), bytes.len() as u64);
            assert_eq!(got, bytes);
        }
    }

    #[test]
    fn files_of_the_kernel_are_refused_and_nothing_waits() {
        for path in ["/proc/self/pagemap", "/proc/self/mem", "/proc/self/maps", "/proc/kmsg"] {
            if Path::new(path).exists() {
                open(Path::new(path)).expect_err(path);
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
        open(&pipe).unwrap_err();
    }

    #[test]
    fn a_file_that_grows_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, "one").unwrap();
        let file = open(&path).unwrap();
        struct Grow<'a>(&'a Path);
        impl Write for Grow<'_> {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                std::fs::write(self.0, "one and more")?;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let refused = pass_on(&file, &mut Grow(&path)).unwrap_err();
        assert!(refused.to_string().contains("being written"), "{refused}");
    }
}

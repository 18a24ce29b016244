//! An export larger than 4 GB, in little memory.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::process::Command;

use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::Case;
use crate::support::photo;

/// A file that leaves out zeros, so that many of them take no room on the disk.
struct Sparse(File);

impl Write for Sparse {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.iter().any(|&it| it != 0) {
            return self.0.write(bytes);
        }
        self.0.seek(SeekFrom::Current(bytes.len() as i64))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Seek for Sparse {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

/// The program gets so much address space, in KiB.
const MEMORY_MAX: u64 = 256 << 10;

#[test]
#[ignore = "reads 4 GB"]
fn a_video_of_four_gigabytes_takes_no_memory() {
    let case = Case::of(1);
    let path = case.path("takeout-20261101T120000Z-001.zip");
    let mut zip = ZipWriter::new(Sparse(File::create(&path).unwrap()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut add = |name: &str, size: u64, content: &[u8]| {
        let name = format!("Takeout/Google Photos/Trip/{name}");
        zip.start_file(name, options.large_file(size > u32::MAX.into())).unwrap();
        io::copy(&mut io::Read::take(io::repeat(0), size), &mut zip).unwrap();
        zip.write_all(content).unwrap();
    };
    add("huge.mp4", 4 << 30, b"");
    // These lie behind the first 4 GB.
    let content = photo(1, 300);
    add("a.jpg", 0, &content);
    add("metadata.json", 0, br#"{"title": "Trip"}"#);
    zip.finish().unwrap();
    case.local("a.jpg", &content);
    let script = format!(
        "ulimit -v {MEMORY_MAX} && exec {} diff photo {} --json --album Trip",
        env!("CARGO_BIN_EXE_gphotosfs"),
        path.display()
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script]).current_dir(case.path("")).env_clear().env("HOME", case.path(""));
    // Threads and their heaps reserve addresses that they do not use.
    let output =
        command.env("RAYON_NUM_THREADS", "2").env("MALLOC_ARENA_MAX", "1").output().unwrap();
    let said: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(said["same"]["identical"], 1);
    assert_eq!(said["only_in_album"], json!(["huge.mp4"]));
}

//! Writes lines to a stream that may have no reader, and leaves out those for which it has no room.
//!
//! A pipe whose reader has stopped is full after 64 KiB. From then on a write waits until somebody
//! reads, and so would every operation of the mount that logs a line.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// A pipe that has room has room for so many bytes.
const PIECE: usize = 4096;

/// A reader that is only slow loses no line: the first line for which there is no room waits so long.
const PATIENCE: Duration = Duration::from_millis(100);

/// Counts the lines that were left out.
#[derive(Debug)]
pub(super) struct Unblocked {
    left_out: u64,
}

impl Unblocked {
    pub(super) const fn new() -> Self {
        Self { left_out: 0 }
    }

    /// Writes a line if the stream has room for it, and first how many were left out before it.
    pub(super) fn write_line(
        &mut self,
        mut stream: impl Write + AsFd,
        line: &[u8],
    ) -> io::Result<()> {
        // Once a line was left out, the others do not wait again.
        let patience = if self.left_out == 0 { PATIENCE } else { Duration::ZERO };
        if !has_room(&stream, patience)? {
            self.left_out += 1;
            return Ok(());
        }
        let notice = match std::mem::take(&mut self.left_out) {
            0 => Vec::new(),
            count => format!("({count} lines were left out here: nobody read them)\n").into_bytes(),
        };
        for piece in notice.chunks(PIECE).chain(line.chunks(PIECE)) {
            if !has_room(&stream, patience)? {
                self.left_out += 1;
                break;
            }
            stream.write_all(piece)?;
        }
        Ok(())
    }
}

/// Whether a piece can be written without waiting.
fn has_room(stream: &impl AsFd, patience: Duration) -> io::Result<bool> {
    let mut polled = [PollFd::new(stream, PollFlags::OUT)];
    let timeout = Timespec { tv_sec: 0, tv_nsec: patience.subsec_nanos().into() };
    match poll(&mut polled, Some(&timeout)) {
        Ok(0) => Ok(false),
        // The write reports what is wrong with the stream, if anything is.
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(true),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_pipe_that_nobody_reads_takes_what_it_can_and_says_later_what_is_missing() {
        let (mut reader, writer) = io::pipe().unwrap();
        let (mut lines, line) = (Unblocked::new(), [vec![b'x'; 999], vec![b'\n']].concat());
        // Twice what a pipe holds. A write that waits would wait for ever.
        for _ in 0..130 {
            lines.write_line(&writer, &line).unwrap();
        }
        assert!(lines.left_out > 50, "{}", lines.left_out);
        let mut taken = vec![0; 8192];
        reader.read_exact(&mut taken).unwrap();
        lines.write_line(&writer, b"the next\n").unwrap();
        drop(writer);
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        let (_, end) = rest.rsplit_once("x\n").unwrap();
        assert!(end.starts_with('(') && end.ends_with("read them)\nthe next\n"), "{end}");
    }
}

//! A service manager that a mount reports its state to, as systemd does (sd_notify(3)).

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use super::wait::DEADLINE;

/// See the module.
pub struct Manager {
    socket: UnixDatagram,
    /// For `NOTIFY_SOCKET`.
    pub path: PathBuf,
}

impl Manager {
    /// Makes the socket in a directory.
    pub fn listen(dir: &Path) -> Self {
        let path = dir.join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { socket, path }
    }

    /// The next report.
    pub fn next(&self) -> String {
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).expect("the mount reports in time");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    /// The next report with `what` in it.
    pub fn hear(&self, what: &str) -> String {
        loop {
            let said = self.next();
            if said.contains(what) {
                return said;
            }
        }
    }
}

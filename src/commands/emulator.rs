//! `gphotosfs emulator`: runs a local Google Photos, to try gphotosfs without an account.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use gphotosfs_emulator::{Config, Emulator, Faults};
use tokio::signal::unix::{SignalKind, signal};

use crate::app::CommandError;

/// The arguments.
#[derive(Debug)]
pub struct Options {
    /// Loopback address to listen on.
    pub listen: SocketAddr,
    /// The directory that keeps albums, items and grants.
    pub state: Option<PathBuf>,
    /// The client secret file to write.
    pub client_secret: Option<PathBuf>,
    /// Approve every login at once instead of showing the consent page.
    pub auto_approve: bool,
    /// How fast the service is.
    pub speed: Speed,
    /// The faults that are on from the start.
    pub faults: Option<serde_json::Value>,
}

/// How fast the service is.
#[derive(Clone, Copy, Debug)]
pub enum Speed {
    /// As fast as this machine.
    Instant,
    /// About as fast as Google: 150 ms a call, 400 ms and more a batch, uploads at 20 MB/s.
    Realistic,
}

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
/// If the address or the state directory cannot be used, or the faults cannot be parsed.
pub fn run(options: Options) -> Result<(), CommandError> {
    let faults = match options.speed {
        Speed::Instant => Faults::default(),
        Speed::Realistic => Faults::realistic(),
    };
    let faults = match &options.faults {
        Some(patch) => faults
            .patched(patch)
            .map_err(|error| CommandError::usage(format!("--faults: {error}")))?,
        None => faults,
    };
    // On all cores, so that the emulator does not slow down the program that is measured.
    tokio::runtime::Runtime::new()
        .and_then(|runtime| runtime.block_on(serve(options, faults)))
        .map_err(|error| {
            let hint = match error.kind() {
                io::ErrorKind::PermissionDenied => {
                    "use a port above 1023, and a state directory that you can write to"
                }
                io::ErrorKind::AddrInUse => {
                    "another program uses this port: choose another one with --listen"
                }
                _ => "check the address of --listen and the directory of --state",
            };
            CommandError::new("cannot run the emulator").because(error).hint(hint)
        })
}

async fn serve(options: Options, faults: Faults) -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let in_state = options.state.as_deref().map(|state| state.join("client_secret.json"));
    let secret = options.client_secret.or(in_state);
    let config = Config {
        listen: options.listen,
        state: options.state,
        auto_approve: options.auto_approve,
        faults,
    };
    let emulator = Emulator::start(config).await?;
    if let Some(path) = &secret {
        emulator.write_client_secret(path)?;
    }
    announce(&emulator, secret.as_deref())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Prints the address at once, even if stdout is a pipe: scripts wait for it.
fn announce(emulator: &Emulator, secret: Option<&Path>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "listening on {}", emulator.url())?;
    if let Some(path) = secret {
        writeln!(out, "client secret file: {}", path.display())?;
    }
    writeln!(out, "picker API: {}", emulator.picker_url())?;
    out.flush()
}

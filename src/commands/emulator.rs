//! `gphotosfs emulator`: a local Google Photos to try everything against.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use gphotosfs_emulator::{Config, Emulator, Faults};
use tokio::signal::unix::{SignalKind, signal};

use super::CommandError;

/// `gphotosfs emulator`.
#[derive(Debug, clap::Args)]
pub struct EmulatorArgs {
    /// Loopback address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))]
    listen: SocketAddr,

    /// Keep albums, items and grants in this directory; without it they end with the emulator
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,

    /// Write the client secret file here [default: DIR/client_secret.json with --state]
    #[arg(long, value_name = "FILE")]
    client_secret: Option<PathBuf>,

    /// Approve every login at once instead of showing the consent page
    #[arg(long)]
    auto_approve: bool,

    /// How fast the service is
    #[arg(long, value_enum, default_value_t = Speed::Instant)]
    speed: Speed,

    /// Fault switches to begin with, as JSON; see GET /emulator/faults
    #[arg(long, value_name = "JSON", value_parser = parse_json)]
    faults: Option<serde_json::Value>,
}

fn parse_json(text: &str) -> Result<serde_json::Value, serde_json::Error> {
    serde_json::from_str(text)
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Speed {
    /// As fast as this machine
    Instant,
    /// Roughly as Google: 150 ms a call, 400 ms and more a batch, uploads at 20 MB/s
    Realistic,
}

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
/// If the address or the state directory cannot be used, or the switches are not understood.
pub fn run(args: EmulatorArgs) -> Result<(), CommandError> {
    let faults = match args.speed {
        Speed::Instant => Faults::default(),
        Speed::Realistic => Faults::realistic(),
    };
    let faults = match &args.faults {
        Some(patch) => faults
            .patched(patch)
            .map_err(|error| CommandError::usage(format!("--faults: {error}")))?,
        None => faults,
    };
    // On all cores: what is measured against the emulator should not be the emulator.
    tokio::runtime::Runtime::new()
        .and_then(|runtime| runtime.block_on(serve(args, faults)))
        .map_err(|error| {
            let hint = match error.kind() {
                io::ErrorKind::PermissionDenied => {
                    "use a port above 1023 and a state directory of your own"
                }
                io::ErrorKind::AddrInUse => {
                    "another program has this port: use another one with --listen"
                }
                _ => "--listen and --state name its address and its directory",
            };
            CommandError::new("cannot run the emulator").because(error).hint(hint)
        })
}

async fn serve(args: EmulatorArgs, faults: Faults) -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let in_state = args.state.as_deref().map(|state| state.join("client_secret.json"));
    let secret = args.client_secret.or(in_state);
    let config =
        Config { listen: args.listen, state: args.state, auto_approve: args.auto_approve, faults };
    let emulator = Emulator::start(config).await?;
    if let Some(path) = &secret {
        tokio::fs::write(path, emulator.client_secret_json()).await?;
    }
    announce(&emulator, secret.as_deref())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Says where it is, at once even if stdout is a pipe: scripts wait for it.
fn announce(emulator: &Emulator, secret: Option<&Path>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "listening on {}", emulator.url())?;
    if let Some(path) = secret {
        writeln!(out, "client secret file: {}", path.display())?;
    }
    out.flush()
}

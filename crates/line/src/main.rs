//! A line to measure on. The program prints the address of its near end, and at its end the bytes that
//! the relay has carried.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use gphotosfs_line::{Authority, Front, Relay, Shape, Validity, Windows};
use tokio::signal::unix::{SignalKind, signal};

/// A line between this machine and a service, with a TLS front as Google has it.
#[derive(Parser)]
struct Options {
    /// The service, as http://127.0.0.1:PORT.
    #[arg(long)]
    to: String,
    /// The file for the certificate of its authority, for SSL_CERT_FILE.
    #[arg(long)]
    authority: PathBuf,
    /// kbit/s to the service; 0 is without a limit.
    #[arg(long, default_value_t = 0)]
    up: u64,
    /// kbit/s from the service; 0 is without a limit.
    #[arg(long, default_value_t = 0)]
    down: u64,
    /// The most kbit/s of a single connection, as loss has it; 0 is without a limit.
    #[arg(long, default_value_t = 0)]
    connection: u64,
    /// The modem's buffer in KiB, in each direction.
    #[arg(long, default_value_t = 64)]
    queue: usize,
    /// KiB of each connection that wait before that, in this machine.
    #[arg(long, default_value_t = 1024)]
    backlog: usize,
    /// The round trip in milliseconds.
    #[arg(long, default_value_t = 0)]
    round_trip: u64,
    /// All connections break every so many seconds; 0 is never.
    #[arg(long, default_value_t = 0)]
    break_every: u64,
    /// HTTP/2's windows in KiB.
    #[arg(long, default_value_t = 1024)]
    window: u32,
    /// The front speaks HTTP/1.1 only.
    #[arg(long)]
    http1: bool,
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let options = Options::parse();
    let authority = Authority::new("gphotosfs line")?;
    authority.write(&options.authority)?;
    let protocols: &[&str] = if options.http1 { &["http/1.1"] } else { &["h2", "http/1.1"] };
    let tls = authority.server("localhost", Validity::Now, protocols)?;
    let front = Front::start(&options.to, tls, Windows(options.window << 10)).await?;
    let kbit = |rate: u64| rate * 1000 / 8;
    let shape = Shape {
        up: kbit(options.up),
        down: kbit(options.down),
        queue: options.queue << 10,
        backlog: options.backlog << 10,
        delay: Duration::from_millis(options.round_trip) / 2,
        connection: kbit(options.connection),
    };
    let relay = Relay::start(front.address(), shape).await?;
    let SocketAddr::V4(near) = relay.address() else { unreachable!("it is an IPv4 address") };
    let url = format!("https://localhost:{}", near.port());
    front.known_as(&url);
    println!("{url}");
    let mut end = signal(SignalKind::terminate())?;
    let every = Duration::from_secs(options.break_every);
    let breaks = async {
        loop {
            match every {
                Duration::ZERO => std::future::pending().await,
                every => tokio::time::sleep(every).await,
            }
            relay.cut();
        }
    };
    tokio::select! {
        _ = end.recv() => {}
        () = breaks => {}
    }
    println!("{}", serde_json::json!({ "line": relay.counts(), "front": front.seen() }));
    Ok(())
}

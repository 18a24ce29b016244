//! A line to measure on. The program prints the address of its near end, and at its end what the line
//! has carried.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use gphotosfs_line::{
    Authority, FAR, Front, NEAR, PacketLine, PacketShape, Relay, Shape, Validity, Windows,
};
use tokio::signal::unix::{SignalKind, signal};

/// Google's name, by which rclone knows it.
const API_HOST: &str = "photoslibrary.googleapis.com";
/// The port of https, because rclone's address of Google names none.
const HTTPS: u16 = 443;

/// A line between this machine and a service, with a TLS front as Google has it.
#[derive(Parser)]
struct Options {
    /// The service, as http://127.0.0.1:PORT.
    #[arg(long)]
    to: String,
    /// The file for the certificate of its authority, for SSL_CERT_FILE.
    #[arg(long)]
    authority: PathBuf,
    /// Standard input is a TUN interface with address 10.0.0.1/24: carry packets, to 10.0.0.2.
    #[arg(long)]
    packets: bool,
    /// kbit/s to the service; 0 is without a limit.
    #[arg(long, default_value_t = 0)]
    up: u64,
    /// kbit/s from the service; 0 is without a limit.
    #[arg(long, default_value_t = 0)]
    down: u64,
    /// The modem's buffer in KiB, in each direction.
    #[arg(long, default_value_t = 64)]
    queue: usize,
    /// The round trip in milliseconds.
    #[arg(long, default_value_t = 0)]
    round_trip: u64,
    /// All connections break every so many seconds; 0 is never.
    #[arg(long, default_value_t = 0)]
    break_every: u64,
    /// Packets: nothing passes for so many seconds then.
    #[arg(long, default_value_t = 2)]
    break_for: u64,
    /// Packets: what the line forgot in a break it does not reset.
    #[arg(long)]
    silent: bool,
    /// Packets: so many of a hundred are lost.
    #[arg(long, default_value_t = 0.0)]
    loss: f64,
    /// Packets: larger ones disappear; 0 is none.
    #[arg(long, default_value_t = 0)]
    mtu: usize,
    /// Bytes: KiB of each connection that wait before the queue, in this machine.
    #[arg(long, default_value_t = 1024)]
    backlog: usize,
    /// Bytes: the most kbit/s of a single connection, as loss has it; 0 is without a limit.
    #[arg(long, default_value_t = 0)]
    connection: u64,
    /// HTTP/2's windows in KiB.
    #[arg(long, default_value_t = 1024)]
    window: u32,
    /// The front speaks HTTP/1.1 only.
    #[arg(long)]
    http1: bool,
}

impl Options {
    fn delay(&self) -> Duration {
        Duration::from_millis(self.round_trip) / 2
    }

    fn break_every(&self) -> Option<Duration> {
        (self.break_every > 0).then(|| Duration::from_secs(self.break_every))
    }

    async fn front(&self, at: SocketAddr, names: &[&str]) -> io::Result<Front> {
        let authority = Authority::new("gphotosfs line")?;
        let protocols: &[&str] = if self.http1 { &["http/1.1"] } else { &["h2", "http/1.1"] };
        let tls = authority.server(names, Validity::Now, protocols)?;
        let front = Front::start_at(at, &self.to, tls, Windows(self.window << 10)).await?;
        authority.write(&self.authority)?;
        Ok(front)
    }
}

fn bytes_per_s(kbit: u64) -> u64 {
    kbit * 1000 / 8
}

fn announce(front: &Front, url: &str) {
    front.known_as(url);
    println!("{url}");
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let options = Options::parse();
    let mut end = signal(SignalKind::terminate())?;
    if options.packets {
        let tun = io::stdin().as_fd().try_clone_to_owned()?;
        let front = options.front((NEAR, HTTPS).into(), &[&FAR.to_string(), API_HOST]).await?;
        let shape = PacketShape {
            up: bytes_per_s(options.up),
            down: bytes_per_s(options.down),
            queue: options.queue << 10,
            delay: options.delay(),
            loss: options.loss / 100.0,
            mtu: options.mtu,
            break_every: options.break_every(),
            break_for: Duration::from_secs(options.break_for),
            silent: options.silent,
        };
        let line = PacketLine::start(tun.into(), HTTPS, shape)?;
        announce(&front, &format!("https://{FAR}"));
        end.recv().await;
        println!("{}", serde_json::json!({ "line": line.counts(), "front": front.seen() }));
        return Ok(());
    }
    let front = options.front((Ipv4Addr::LOCALHOST, 0).into(), &["localhost"]).await?;
    let shape = Shape {
        up: bytes_per_s(options.up),
        down: bytes_per_s(options.down),
        queue: options.queue << 10,
        backlog: options.backlog << 10,
        delay: options.delay(),
        connection: bytes_per_s(options.connection),
    };
    let relay = Relay::start(front.address(), shape).await?;
    announce(&front, &format!("https://localhost:{}", relay.address().port()));
    let breaks = async {
        loop {
            match options.break_every() {
                None => std::future::pending().await,
                Some(every) => tokio::time::sleep(every).await,
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

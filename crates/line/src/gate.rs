//! A proxy as offices have it: HTTP's CONNECT and SOCKS5, with its own ideas of who may pass.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{
    AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy, copy_bidirectional, sink,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// What the proxy does with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// It connects to the place behind it, whatever the name.
    Pass,
    /// It wants a user and a password.
    Login,
    /// It forbids.
    Refuse,
    /// It answers with its own page.
    Page,
    /// It sends the client elsewhere.
    Redirect,
}

/// A running proxy. It ends when it is dropped.
pub struct Gate {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    stop: CancellationToken,
}

impl Gate {
    /// A proxy for connections to `behind`.
    ///
    /// # Errors
    /// If no port is free.
    pub async fn start(behind: SocketAddr, rule: Rule) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let stop = CancellationToken::new();
        let serving = {
            let asked = asked.clone();
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    let asked = asked.clone();
                    // A client that breaks off is no failure of the proxy's.
                    tokio::spawn(async move { serve(client, behind, rule, &asked).await });
                }
            }
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(serving));
        Ok(Self { address, asked, stop })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The first lines of all requests of clients, or the SOCKS5 names. One for each connection.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().clone()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn serve(
    client: TcpStream,
    behind: SocketAddr,
    rule: Rule,
    asked: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let mut client = BufReader::new(client);
    let passes = match client.fill_buf().await?.first() {
        Some(5) => socks(&mut client, rule, asked).await?,
        Some(_) => http(&mut client, rule, asked).await?,
        None => {
            asked.lock().push(String::new());
            false
        }
    };
    if passes {
        let mut server = TcpStream::connect(behind).await?;
        copy_bidirectional(&mut client, &mut server).await?;
    } else {
        // With bytes unread, close(2) resets the connection, and the client may lose the answer.
        client.shutdown().await?;
        copy(&mut client, &mut sink()).await?;
    }
    Ok(())
}

async fn http(
    client: &mut BufReader<TcpStream>,
    rule: Rule,
    asked: &Mutex<Vec<String>>,
) -> io::Result<bool> {
    let mut first = String::new();
    client.read_line(&mut first).await?;
    asked.lock().push(first.trim().to_owned());
    let mut line = String::new();
    while client.read_line(&mut line).await? > 0 && !line.trim().is_empty() {
        line.clear();
    }
    let answer = match rule {
        Rule::Pass => "200 Connection established\r\n\r\n",
        Rule::Login => {
            "407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\
             Content-Length: 0\r\n\r\n"
        }
        Rule::Refuse => "403 Forbidden\r\nContent-Length: 0\r\n\r\n",
        Rule::Page => {
            "200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>"
        }
        Rule::Redirect => "302 Found\r\nLocation: http://portal/\r\nContent-Length: 0\r\n\r\n",
    };
    client.write_all(format!("HTTP/1.1 {answer}").as_bytes()).await?;
    Ok(rule == Rule::Pass)
}

/// RFC 1928, with no authentication.
async fn socks(
    client: &mut BufReader<TcpStream>,
    rule: Rule,
    asked: &Mutex<Vec<String>>,
) -> io::Result<bool> {
    let mut head = [0; 2];
    client.read_exact(&mut head).await?;
    let mut methods = vec![0; usize::from(head[1])];
    client.read_exact(&mut methods).await?;
    if rule == Rule::Login {
        client.write_all(&[5, 0xff]).await?;
        return Ok(false);
    }
    client.write_all(&[5, 0]).await?;
    let mut request = [0; 4];
    client.read_exact(&mut request).await?;
    let name = match request[3] {
        3 => {
            let mut name = vec![0; usize::from(client.read_u8().await?)];
            client.read_exact(&mut name).await?;
            String::from_utf8_lossy(&name).into_owned()
        }
        1 => Ipv4Addr::from(client.read_u32().await?).to_string(),
        other => return Err(io::Error::other(format!("address type {other}"))),
    };
    let port = client.read_u16().await?;
    asked.lock().push(format!("{name}:{port}"));
    let status = if rule == Rule::Pass { 0 } else { 2 };
    client.write_all(&[5, status, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    Ok(rule == Rule::Pass)
}

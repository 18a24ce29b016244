//! The answer of a proxy that lets nothing through. The HTTP library drops it, so the client asks
//! the proxy once more, to tell it to the user.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

/// It has answered the same a moment before.
const DEADLINE: Duration = Duration::from_secs(5);
/// Longer heads are cut off.
const HEAD_BYTES_MAX: u64 = 8 << 10;
/// As many characters of the proxy's own words are shown.
const WORDS_MAX: usize = 80;

/// What a proxy says to a CONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProxyAnswer {
    status: u16,
    reason: String,
    /// The address of the page that it leads to.
    leads_to: Option<String>,
}

impl fmt::Display for ProxyAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        if !self.reason.is_empty() {
            write!(f, " {}", self.reason)?;
        }
        match &self.leads_to {
            Some(page) => write!(f, ", to {page}"),
            None => Ok(()),
        }
    }
}

/// Asks a proxy of HTTP for a connection. `None` if it does not answer, or lets this one through.
pub(super) async fn ask(proxy: &Url, host: &str, port: u16) -> Option<ProxyAnswer> {
    let asking = async {
        let place = (proxy.host_str()?, proxy.port_or_known_default()?);
        let mut stream = TcpStream::connect(place).await.ok()?;
        stream.write_all(request(proxy, host, port).as_bytes()).await.ok()?;
        let (mut head, mut rest) = (Vec::new(), stream.take(HEAD_BYTES_MAX));
        while !ends(&head) && rest.read_buf(&mut head).await.ok()? > 0 {}
        read(&String::from_utf8_lossy(&head))
    };
    // TLS to the proxy itself would need more than this.
    if proxy.scheme() != "http" {
        return None;
    }
    tokio::time::timeout(DEADLINE, asking).await.ok().flatten()
}

fn request(proxy: &Url, host: &str, port: u16) -> String {
    let mut text = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
    if !proxy.username().is_empty() {
        let plain = |it| percent_decode_str(it).decode_utf8_lossy().into_owned();
        let password = plain(proxy.password().unwrap_or_default());
        let login = format!("{}:{password}", plain(proxy.username()));
        text += &format!("Proxy-Authorization: Basic {}\r\n", BASE64.encode(login));
    }
    text + "\r\n"
}

fn ends(head: &[u8]) -> bool {
    head.windows(4).any(|it| it == b"\r\n\r\n")
}

fn read(head: &str) -> Option<ProxyAnswer> {
    let mut lines = head.lines();
    let mut words = lines.next()?.splitn(3, ' ');
    words.next().filter(|it| it.starts_with("HTTP/"))?;
    let status: u16 = words.next()?.parse().ok()?;
    let reason = shown(words.next().unwrap_or_default());
    let location = lines.take_while(|it| !it.is_empty()).find_map(|it| {
        let (name, value) = it.split_once(':')?;
        name.eq_ignore_ascii_case("location").then(|| shown(value))
    });
    let leads_to = location.filter(|_| (300..400).contains(&status));
    (!(200..300).contains(&status)).then_some(ProxyAnswer { status, reason, leads_to })
}

/// Foreign words, short and in one line.
fn shown(words: &str) -> String {
    words.trim().chars().filter(|it| !it.is_control()).take(WORDS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_told_with_its_number() {
        for (head, expected) in [
            ("HTTP/1.1 403 Forbidden\r\nServer: x\r\n\r\n", Some("403 Forbidden")),
            ("HTTP/1.0 503\r\n\r\n", Some("503")),
            (
                "HTTP/1.1 302 Found\r\nlocation: http://portal/\r\n",
                Some("302 Found, to http://portal/"),
            ),
            ("HTTP/1.1 403 No\u{1b}[31m\r\nLocation: http://x/\r\n\r\n", Some("403 No[31m")),
            ("HTTP/1.1 200 Connection established\r\n\r\n", None),
            ("SSH-2.0-x\r\n", None),
            ("", None),
        ] {
            assert_eq!(read(head).map(|it| it.to_string()).as_deref(), expected, "{head:?}");
        }
    }

    #[test]
    fn the_proxy_gets_the_login_that_its_address_has() {
        let proxy = "http://me:s%40crt@p:3128".parse().unwrap();
        let text = request(&proxy, "photos.test", 443);
        assert!(text.starts_with("CONNECT photos.test:443 HTTP/1.1\r\nHost: photos.test:443\r\n"));
        let login = BASE64.encode("me:s@crt");
        assert!(text.ends_with(&format!("Proxy-Authorization: Basic {login}\r\n\r\n")), "{text}");
    }
}

//! Keeps web pages of others away. A browser on this machine lets any page send requests to a
//! loopback port. If a name of the page's own comes to mean 127.0.0.1 (DNS rebinding), the page can
//! read the answers, too.

use axum::body::Body;
use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, Uri, header};
use axum::middleware::Next;

use crate::http::html_error;

/// Refuses requests that a page of another site has caused, and forbids others to frame ours.
pub(crate) async fn check(request: Request, next: Next) -> Response<Body> {
    if let Some(reason) = refusal(request.uri(), request.headers()) {
        return html_error(StatusCode::FORBIDDEN, reason);
    }
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    response
}

fn refusal(uri: &Uri, headers: &HeaderMap) -> Option<&'static str> {
    let text = |name: &str| headers.get(name).map(|it| it.to_str().unwrap_or("?"));
    // Which of two a server believes is a matter of taste.
    if ["host", "origin"].into_iter().any(|it| headers.get_all(it).iter().count() > 1) {
        return Some("The request has two Host or Origin headers.");
    }
    let host = text("host").or(uri.authority().map(Authority::as_str)).unwrap_or_default();
    if !is_this_machine(host) && !is_google(host) {
        return Some("The Host header does not name this machine.");
    }
    if text("origin").is_some_and(|origin| origin != format!("http://{host}")) {
        return Some("A page of another origin has sent this request.");
    }
    // A link on another page may lead to a page here, as to the consent page, but to nothing else.
    let is_foreign = text("sec-fetch-site").is_some_and(|it| !matches!(it, "none" | "same-origin"));
    let is_link =
        text("sec-fetch-mode") == Some("navigate") && !uri.path().starts_with("/emulator");
    if is_foreign && !is_link {
        return Some("A page of another site has caused this request.");
    }
    None
}

/// Whether a Host header names this machine. The port does not matter: it may be forwarded.
fn is_this_machine(host: &str) -> bool {
    // A Host header has no user (RFC 9110, 7.2), although an authority may.
    let Some(authority) = host.parse::<Authority>().ok().filter(|_| !host.contains('@')) else {
        return false;
    };
    let name = authority.host();
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || address.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether a Host header names a host of Google's API. A client that knows only these reaches the
/// emulator by /etc/hosts. No page can make such a name mean 127.0.0.1.
fn is_google(host: &str) -> bool {
    ["photoslibrary.googleapis.com", "photospicker.googleapis.com", "oauth2.googleapis.com"]
        .iter()
        .any(|it| host.eq_ignore_ascii_case(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(path: &str, headers: &[(&str, &str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| {
            (name.parse::<header::HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
        });
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.append(name, value);
        }
        refusal(&path.parse().unwrap(), &all).is_some()
    }

    #[test]
    fn only_names_of_this_machine_are_served() {
        for (host, served) in [
            ("127.0.0.1:8085", true),
            ("localhost:8085", true),
            ("LOCALHOST", true),
            ("[::1]:8085", true),
            ("127.0.0.1.example.org:8085", false),
            ("photoslibrary.googleapis.com", true),
            ("photoslibrary.googleapis.com.example.org", false),
            ("evil.test:8085", false),
            ("localhost.evil.test", false),
            ("0.0.0.0:8085", false),
            ("192.168.0.1", false),
            ("user@127.0.0.1", false),
            ("evil.test@127.0.0.1:8085", false),
            ("", false),
            ("a b", false),
        ] {
            assert_eq!(!is_refused("/", &[("host", host)]), served, "{host}");
        }
        assert!(is_refused("/", &[]), "no host at all");
        for (second, origin) in [("evil.test", None), ("127.0.0.1:1", Some("http://127.0.0.1:1"))] {
            let mut headers = vec![("host", "127.0.0.1:1"), ("host", second)];
            headers.extend(origin.map(|it| ("origin", it)));
            assert!(is_refused("/", &headers), "{headers:?}");
        }
        let own = ("origin", "http://127.0.0.1:1");
        let other = ("origin", "http://evil.test");
        assert!(is_refused("/", &[("host", "127.0.0.1:1"), own, other]));
        assert!(!is_refused("/", &[("host", "127.0.0.1:1"), own]));
    }

    #[test]
    fn pages_of_others_are_not() {
        let host = ("host", "127.0.0.1:8085");
        for (path, name, value, served) in [
            ("/emulator/edit", "origin", "http://127.0.0.1:8085", true),
            ("/emulator/edit", "origin", "http://127.0.0.1:9", false),
            ("/emulator/edit", "origin", "http://localhost:8085", false),
            ("/emulator/edit", "origin", "https://127.0.0.1:8085", false),
            ("/emulator/edit", "origin", "null", false),
            ("/emulator/dump", "sec-fetch-site", "cross-site", false),
            ("/emulator/dump", "sec-fetch-site", "same-site", false),
            ("/emulator/dump", "sec-fetch-site", "same-origin", true),
            ("/emulator/dump", "sec-fetch-site", "none", true),
        ] {
            assert_eq!(!is_refused(path, &[host, (name, value)]), served, "{path} {name} {value}");
        }
        let (cross, link) = (("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"));
        assert!(!is_refused("/o/oauth2/auth?x=y", &[host, cross, link]));
        assert!(is_refused("/emulator/dump", &[host, cross, link]));
        assert!(is_refused("/o/oauth2/auth", &[host, cross, ("sec-fetch-mode", "no-cors")]));
    }
}

//! Opens pages in the user's browser.

use std::time::Duration;

use url::Url;

/// How long the browser may take to start.
const START_DEADLINE: Duration = Duration::from_secs(5);

/// Tries to open the page in a browser. Uses a thread of its own, because some browsers stay in the
/// foreground.
pub async fn open_browser(url: &Url) -> bool {
    let (told, opened) = tokio::sync::oneshot::channel();
    let url = url.clone();
    std::thread::spawn(move || told.send(webbrowser::open(url.as_str()).is_ok()));
    matches!(tokio::time::timeout(START_DEADLINE, opened).await, Ok(Ok(true)))
}

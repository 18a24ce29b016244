//! The Picker API: the user picks in a page of Google's from the whole library, and this program
//! reads the picked items. It has an address, a quota and a scope of its own.
//!
//! A picked item's id need not be the one that the Library API has for the same item.

mod session;
mod wire;

use std::sync::Arc;

use serde_json::json;
use url::Url;

use super::call::{Call, delete, get, post};
use super::download::Download;
use super::error::Error;
use super::guard::Guard;
use super::page::{Page, next_page};
use super::refusal::Class;
use super::request::ITEMS_PER_PAGE;
use super::service::{Service, is_fit_for_browser, is_plain_public};
use super::transport::Transport;
pub use session::PickerSession;

use crate::media::{MediaItem, MediaKind, PageToken, PickerSessionId};

/// Why no call is answered in a project of the user's without this API.
pub const PICKER_DISABLED: &str =
    "the Google Photos Picker API is not enabled in the Google Cloud project";
/// The next step then.
pub const ENABLE_PICKER: &str = "enable the \"Google Photos Picker API\" in the same project, and wait a few minutes: \
    https://console.cloud.google.com/apis/library/photospicker.googleapis.com";

/// Most items that one session can have.
pub const PICKED_ITEMS_MAX: u64 = 2000;

/// The Picker API with a login. Cheap to clone.
#[derive(Clone)]
pub struct Picker {
    transport: Arc<Transport>,
}

impl Picker {
    /// Uses the login of another connection for the API at `base`.
    pub(super) fn new(library: &Transport, base: Url) -> Self {
        Self { transport: Arc::new(library.to_picker(base)) }
    }

    pub(super) fn guarded(&self, guard: Arc<dyn Guard>) -> Self {
        Self { transport: Arc::new(self.transport.guarded(guard)) }
    }

    /// Google's address.
    pub(super) fn default_url() -> Url {
        Url::parse("https://photospicker.googleapis.com")
            .expect("the address is part of the program")
    }

    /// Makes a session.
    ///
    /// # Errors
    /// [`Error::is_throttled`] if there are too many sessions already; see [`Error`] for others.
    pub async fn create_session(&self) -> Result<PickerSession, Error> {
        const NAME: &str = "sessions.create";
        let transport = self.transport()?;
        // A repeated creation may leave a session behind that nobody uses. It ends by itself.
        let call = Call { class: Class::Read, ..post(NAME, ["sessions"], json!({})) };
        let attempt =
            async |nth| match transport.once(&call, transport.config.deadlines.read, nth).await {
                // To wait does not help, because this 429 may also mean that too many sessions are open.
                Err(error) if error.is_throttled() => Ok(Err(error)),
                outcome => outcome.map(Ok),
            };
        let answer: wire::Session = transport.repeat(attempt).await??.json(NAME)?;
        let session = session(NAME, answer)?;
        if session.page.is_none() {
            return Err(garbled(NAME, "the session has no address for a browser"));
        }
        Ok(session)
    }

    /// Asks whether the user has finished. The caller waits as long as the last answer says before
    /// it asks again.
    ///
    /// # Errors
    /// [`Error::is_not_found`] if the session has ended; see [`Error`] for others.
    pub async fn session(&self, id: &PickerSessionId) -> Result<PickerSession, Error> {
        const NAME: &str = "sessions.get";
        session(NAME, self.transport()?.read(&get(NAME, ["sessions", id.as_str()])).await?)
    }

    /// Ends a session, also one that has ended before.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn delete_session(&self, id: &PickerSessionId) -> Result<(), Error> {
        let transport = self.transport()?;
        let call = delete("sessions.delete", ["sessions", id.as_str()]);
        let deadline = transport.config.deadlines.read;
        match transport.repeat(async |nth| transport.once(&call, deadline, nth).await).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    /// Lists one page of the items that the user has picked, with addresses of their bytes.
    ///
    /// # Errors
    /// [`Error::is_not_found`] if the session has ended; see [`Error`] for others.
    pub async fn list_picked(
        &self,
        id: &PickerSessionId,
        page: Option<&PageToken>,
    ) -> Result<Page<MediaItem>, Error> {
        const NAME: &str = "mediaItems.list of the Picker API";
        let mut query =
            vec![("sessionId", id.as_str().to_owned()), ("pageSize", ITEMS_PER_PAGE.to_string())];
        query.extend(page.map(|it| ("pageToken", it.as_str().to_owned())));
        let call = Call { query, ..get(NAME, ["mediaItems"]) };
        let answer: wire::ItemsPage = self.transport()?.read(&call).await?;
        let items = answer.media_items.into_iter().filter_map(wire::Item::into_item).collect();
        Ok(Page { items, next: next_page(NAME, page, answer.next_page_token)? })
    }

    /// Asks for a session that cannot exist, to learn whether the API answers this login.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn check(&self) -> Result<(), Error> {
        match self.session(&PickerSessionId::new("00000000-0000-4000-8000-000000000000")).await {
            Err(error) if error.is_not_found() || error.is_invalid_request() => Ok(()),
            outcome => outcome.map(drop),
        }
    }

    /// As [`Client::download`](super::Client::download), for a picked item. Sends the token, but
    /// along no redirect.
    ///
    /// # Errors
    /// As there.
    pub async fn download(
        &self,
        base_url: &str,
        kind: MediaKind,
        from: u64,
    ) -> Result<Download, Error> {
        self.transport()?.download(base_url, kind, from).await
    }

    /// As [`Client::download_size`](super::Client::download_size), for a picked item.
    ///
    /// # Errors
    /// As there.
    pub async fn download_size(
        &self,
        base_url: &str,
        kind: MediaKind,
    ) -> Result<Option<u64>, Error> {
        self.transport()?.download_size(base_url, kind).await
    }

    /// The connection, unless its address is not for this login.
    fn transport(&self) -> Result<&Transport, Error> {
        const NAME: &str = "a call of the Picker API";
        let transport = &*self.transport;
        let unfit = |why| Err(Error::Unfit { call: NAME, why });
        if is_plain_public(&transport.base) {
            return unfit("the login must not travel on the Internet without https".to_owned());
        }
        if let Err(foreign) = Service::at(transport.login.api_url()).check(&transport.base) {
            let remedy = "name the right address with --picker-url or GPHOTOSFS_PICKER_URL";
            return unfit(format!("the login {foreign}; {remedy}"));
        }
        Ok(transport)
    }
}

fn garbled(call: &'static str, why: &str) -> Error {
    Error::Garbled { call, why: why.to_owned() }
}

fn session(call: &'static str, answer: wire::Session) -> Result<PickerSession, Error> {
    let session = answer.into_session().ok_or_else(|| garbled(call, "the session has no id"))?;
    Ok(PickerSession { page: session.page.filter(is_fit_for_browser), ..session })
}

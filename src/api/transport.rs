//! Sends requests and reads answers: guards the token, keeps deadlines and the order of writes,
//! repeats reads, and classifies every failure.
//!
//! Library-changing calls go out one at a time, because Google answers concurrent ones with 429
//! (reference §10.2). A call that was sent runs to its end even if its caller has gone. To hang up
//! would not stop Google, and the next write would collide with it.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use url::Url;

use super::auth::{Access, Login, LoginError};
use super::budget::{Budget, Kind, Unspent};
use super::call::Call;
use super::config::Config;
use super::connections::{Connections, while_in_use};
use super::error::Error;
use super::failure::FailureKind;
use super::guard::Guard;
use super::http::{classify, clock_skew, header, whole_body};
use super::json;
use super::refusal::{Class, Refusal};
use super::request_log::RequestLog;
use super::retry::{self, RetryLimits};
use super::service::{is_fit_for_media, is_fit_for_token, is_loopback, is_plain_public};
use super::throttle::Throttle;
use super::upload_speed::UploadSpeed;
use super::upload_turns::UploadTurns;
use crate::media::Caller;

/// A whole answer with a status of success.
pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// Parses the body as JSON, whatever its Content-Type.
    pub(super) fn json<T: DeserializeOwned>(&self, call: &'static str) -> Result<T, Error> {
        json::parse(&self.body).map_err(|why| Error::Garbled { call, why })
    }
}

/// The connection to the service.
pub(super) struct Transport {
    pub(super) http: Connections,
    pub(super) config: Config,
    pub(super) budget: Arc<Budget>,
    pub(super) login: Arc<Login>,
    /// The API's address, without `/v1`.
    pub(super) base: Url,
    /// Whether addresses of bytes need the login, too.
    pub(super) bytes_need_login: bool,
    /// Decides whether requests may be sent with the login.
    guard: Option<Arc<dyn Guard>>,
    /// Held while a library-changing call waits for the end of a pause, and while it is in flight.
    writer: Arc<tokio::sync::Mutex<()>>,
    /// Delays library-changing calls after a short-term 429.
    pub(super) throttle: Throttle,
    /// Delays bytes of uploads.
    pub(super) upload_turns: Arc<UploadTurns>,
    /// How fast single uploads are.
    pub(super) upload_speed: Arc<UploadSpeed>,
    /// Bytes of all uploads that were handed to the network.
    pub(super) bytes_up: Arc<AtomicU64>,
    /// The service's time minus ours, by the last answer.
    skew: Mutex<Option<SignedDuration>>,
}

impl Transport {
    pub(super) fn new(
        config: Config,
        login: Arc<Login>,
        budget: Arc<Budget>,
    ) -> Result<Self, Error> {
        let unfit = |why: String| Error::Unfit { call: "setup", why };
        let api = login.api_url();
        let base = api.clone();
        if !matches!(api.scheme(), "http" | "https") || api.host().is_none() {
            return Err(unfit(format!("{api} is no http or https URL")));
        }
        if is_plain_public(api) {
            return Err(unfit(format!(
                "{api} is on the Internet, and the login must not travel there without https"
            )));
        }
        if api.scheme() == "http" && !is_loopback(api) {
            tracing::warn!(url = %api, "the API URL is not https: the login travels unprotected");
        }
        let http =
            Connections::new(config.deadlines.connect).map_err(|err| unfit(err.to_string()))?;
        let throttle = Throttle::of_changes(config.write_pause);
        let (writer, skew) = (Arc::default(), Mutex::default());
        let upload_turns = Arc::new(UploadTurns::new(config.upload_limit.clone()));
        let (guard, bytes_need_login) = (None, false);
        Ok(Self {
            http,
            config,
            budget,
            login,
            base,
            bytes_need_login,
            guard,
            writer,
            throttle,
            upload_turns,
            upload_speed: Arc::default(),
            bytes_up: Arc::default(),
            skew,
        })
    }

    /// Another connection of the same login, on which `guard` must permit each request.
    pub(super) fn guarded(&self, guard: Arc<dyn Guard>) -> Self {
        Self { guard: Some(guard), ..self.to(self.base.clone(), self.budget.clone()) }
    }

    /// A connection of the same login to the Picker API, whose quota is not that of the Library API.
    pub(super) fn to_picker(&self, base: Url) -> Self {
        let budget = Arc::new(Budget::new(Timestamp::now()));
        Self { bytes_need_login: true, ..self.to(base, budget) }
    }

    fn to(&self, base: Url, budget: Arc<Budget>) -> Self {
        Self {
            http: self.http.clone(),
            config: self.config.clone(),
            budget,
            login: self.login.clone(),
            base,
            bytes_need_login: self.bytes_need_login,
            guard: self.guard.clone(),
            writer: Arc::default(),
            throttle: Throttle::of_changes(self.config.write_pause),
            upload_turns: self.upload_turns.clone(),
            upload_speed: self.upload_speed.clone(),
            bytes_up: self.bytes_up.clone(),
            skew: Mutex::default(),
        }
    }

    /// An access token of a login with which requests may be sent.
    pub(super) async fn access(&self) -> Result<Access, Error> {
        let access = self.login.access().await?;
        let Some(guard) = &self.guard else { return Ok(access) };
        // All callers need the result, so other users' share does not matter.
        let check = |access: &Access| {
            let login = access.login.clone();
            Caller::Owner.run_async(async move { guard.check(&login).await })
        };
        match check(&access).await {
            // The user may have logged in as the right account in another terminal.
            Err(Error::Login(LoginError::OtherLibrary(_))) if self.login.replaced().await => {
                let access = self.login.access().await?;
                check(&access).await.map(|()| access)
            }
            outcome => outcome.map(|()| access),
        }
    }

    /// Sends a read, and repeats it while that can help and time is left.
    pub(super) async fn read<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Error> {
        let attempt = async |attempt| {
            self.once(call, self.config.deadlines.read, attempt).await?.json(call.name)
        };
        self.repeat(attempt).await
    }

    /// Makes attempts until one succeeds or `retry` gives up.
    pub(super) async fn repeat<T, A: Future<Output = Result<T, Error>>>(
        &self,
        attempt: impl Fn(u32) -> A,
    ) -> Result<T, Error> {
        let limits = RetryLimits {
            base: self.config.retry_base,
            give_up_after: self.config.deadlines.retries,
            pause: self.config.write_pause,
            throttled: self.config.deadlines.throttled,
        };
        let begun = Instant::now();
        let mut attempts = 0;
        loop {
            attempts += 1;
            let error = match attempt(attempts).await {
                Err(error) => error,
                done => return done,
            };
            let elapsed = begun.elapsed();
            match retry::wait(&error, attempts, elapsed, limits, rand::random()) {
                Some(wait) => {
                    tracing::debug!(%error, ?wait, attempts, "will try again");
                    tokio::time::sleep(wait).await;
                }
                None => return Err(error),
            }
        }
    }

    /// Waits for its turn, then sends a library-changing call once.
    pub(super) async fn write(self: &Arc<Self>, call: Call) -> Result<Answer, Error> {
        let name = call.name;
        let turn = self.writer.clone().lock_owned().await;
        self.throttle.wait_until_over(None).await;
        let this = self.clone();
        let sending = tokio::spawn(async move {
            let answer = this.once(&call, this.config.deadlines.write, 1).await;
            match &answer {
                Ok(_) => this.throttle.succeeded(),
                Err(error) => this.throttle.failed(error),
            }
            drop(turn);
            answer
        });
        // Fails only if the program shuts down.
        sending.await.unwrap_or_else(|err| Err(Error::Broken { call: name, source: err.into() }))
    }

    /// How far this machine's clock is behind the service's, by its last answer.
    pub(super) fn clock_skew(&self) -> Option<SignedDuration> {
        *self.skew.lock()
    }

    /// Sends a call once.
    pub(super) async fn once(
        &self,
        call: &Call,
        deadline: Duration,
        attempt: u32,
    ) -> Result<Answer, Error> {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(&call.path);
        }
        self.send(call.name, call.class, attempt, || {
            let mut request =
                self.http.now().calls.request(call.method.clone(), url.clone()).timeout(deadline);
            if !call.query.is_empty() {
                request = request.query(&call.query);
            }
            match &call.body {
                Some(body) => request.json(body),
                None => request,
            }
        })
        .await
    }

    /// Sends the request that `request` builds, with the bearer token. After a 401, sends it once
    /// more with a new token. `request` must lead to the API's origin.
    pub(super) async fn send(
        &self,
        call: &'static str,
        class: Class,
        attempt: u32,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Answer, Error> {
        let mut renewed = false;
        loop {
            let token = self.access().await?.token;
            self.charge(Kind::Api)?;
            let log = RequestLog::begin(call, attempt);
            let over = self.http.now().over;
            let sending = async {
                match request().bearer_auth(token.secret()).send().await {
                    Ok(response) => self.answer(call, class, response).await,
                    Err(err) => Err(classify(call, err).await),
                }
            };
            let answer = while_in_use(&over, call, sending).await;
            log.end(answer.as_ref().map(|it| (it.status, Some(it.body.len() as u64))));
            match answer {
                Err(Error::Refused(refusal)) if refusal.status == 401 && !renewed => {
                    self.login.invalidate(&token)
                }
                // A login in another terminal may have granted the scope.
                Err(error)
                    if error.kind() == FailureKind::ScopeMissing
                        && !renewed
                        && self.login.replaced().await => {}
                answer => return answer,
            }
            renewed = true;
        }
    }

    /// Reads a whole answer. Turns a negative one into an error.
    async fn answer(
        &self,
        call: &'static str,
        class: Class,
        response: Response,
    ) -> Result<Answer, Error> {
        let (status, headers) = (response.status(), response.headers().clone());
        if let Some(skew) = clock_skew(&headers) {
            *self.skew.lock() = Some(skew);
            // The clock of a proxy, which refuses with a page, says nothing about Google's day.
            if status.is_success() || is_json(&headers) {
                self.budget.answered(skew, Timestamp::now());
            }
        }
        let body = whole_body(call, response).await?;
        if status.is_success() {
            return Ok(Answer { status, headers, body });
        }
        Err(self.refusal(call, class, Kind::Api, status, &headers, &body))
    }

    /// Turns a negative answer into an error. Tells the budget if the quota is used up.
    pub(super) fn refusal(
        &self,
        call: &'static str,
        class: Class,
        kind: Kind,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Error {
        let now = Timestamp::now();
        let retry_after =
            header(headers, RETRY_AFTER.as_str()).and_then(|it| retry::parse_retry_after(it, now));
        let refusal =
            Refusal::read(call, class, status.as_u16(), is_json(headers), body, retry_after);
        if refusal.is_daily_quota() {
            let until = self.budget.exhausted(kind, now);
            tracing::warn!(%until, "{}", refusal.message());
            return Error::QuotaExhausted { kind, until };
        }
        Error::Refused(Box::new(refusal))
    }

    /// Charges a request to its quota before it is sent, and to the share of its caller.
    pub(super) fn charge(&self, kind: Kind) -> Result<(), Error> {
        let spent = self.budget.spend(Caller::current(), kind, Timestamp::now());
        spent.map_err(|unspent| match unspent {
            Unspent::QuotaUsedUp(until) => Error::QuotaExhausted { kind, until },
            Unspent::ShareUsedUp => Error::ShareUsedUp(kind),
        })
    }

    /// Whether a request to a URL from an answer may carry the bearer token.
    pub(super) fn is_api_origin(&self, url: &Url) -> bool {
        let api = &self.base;
        let same_host = url.host() == api.host() || (is_loopback(url) && is_loopback(api));
        url.scheme() == api.scheme()
            && same_host
            && url.port_or_known_default() == api.port_or_known_default()
    }

    /// Whether the client may fetch a URL from an answer.
    pub(super) fn is_fit_for_media(&self, url: &Url) -> bool {
        is_fit_for_media(&self.base, url)
    }

    /// Whether the first request for an item's bytes may carry the bearer token.
    pub(super) fn is_fit_for_token(&self, url: &Url) -> bool {
        is_fit_for_token(&self.base, url)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    header(headers, CONTENT_TYPE.as_str()).is_some_and(|it| it.contains("json"))
}

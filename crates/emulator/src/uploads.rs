//! `POST /v1/uploads`: the raw and the resumable protocol (reference §8). Bytes go to disk as they
//! come and are hashed on the way; nothing is looked at before batchCreate.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header, request};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt, SeekFrom};

use crate::call::Call;
use crate::choices;
use crate::error::{ApiError, body_response, html_error};
use crate::faults::{Failure, Injection, Plan};
use crate::gate::fail;
use crate::listener::Line;
use crate::server::Server;
use crate::sessions::{Session, Status, Untaken, save};

/// What an upload token stands for.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct UploadToken {
    pub(crate) sha256: String,
    pub(crate) size: u64,
    /// The name given with the bytes, if any.
    pub(crate) name: String,
    pub(crate) expires_ms: i64,
    /// Makes each token a new one.
    nonce: u64,
}

impl UploadToken {
    /// The sealer's name for upload tokens.
    pub(crate) const KIND: &str = "upload";
    /// How Google's upload tokens begin.
    const PREFIX: &str = "CAIS";

    /// The sealed part of a token.
    pub(crate) fn strip(token: &str) -> &str {
        token.strip_prefix(Self::PREFIX).unwrap_or("")
    }
}

/// Which of the calls a request to the upload endpoint is; else the front end's page.
#[expect(clippy::result_large_err, reason = "the error is the answer, sent at once")]
pub(crate) fn call(parts: &request::Parts) -> Result<Call, Response<Body>> {
    let non_ascii = |value: &HeaderValue| value.as_bytes().iter().any(|byte| !byte.is_ascii());
    if parts.headers.values().any(non_ascii) {
        return Err(bad_request("A header is not ASCII."));
    }
    let protocol = text(&parts.headers, "x-goog-upload-protocol");
    let commands = commands(&parts.headers);
    if protocol.eq_ignore_ascii_case("raw") && commands.is_empty() {
        return Ok(Call::UploadRaw);
    }
    match commands.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["start"] if protocol.eq_ignore_ascii_case("resumable") => Ok(Call::UploadStart),
        ["upload"] | ["upload", "finalize"] | ["finalize"] => Ok(Call::UploadChunk),
        ["query"] => Ok(Call::UploadQuery),
        ["cancel"] => Ok(Call::UploadCancel),
        _ => Err(bad_request("Unknown upload protocol or command.")),
    }
}

fn bad_request(message: &str) -> Response<Body> {
    html_error(StatusCode::BAD_REQUEST, message)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    text(headers, name).parse().ok()
}

fn commands(headers: &HeaderMap) -> Vec<String> {
    text(headers, "x-goog-upload-command")
        .split(',')
        .map(|command| command.trim().to_ascii_lowercase())
        .filter(|command| !command.is_empty())
        .collect()
}

/// Answers an upload request that has passed the gate.
#[expect(clippy::too_many_arguments, reason = "one caller, which has taken the request apart")]
pub(crate) async fn answer(
    server: &Arc<Server>,
    line: &Line,
    call: Call,
    user: &str,
    parts: &request::Parts,
    query: Vec<(String, String)>,
    body: Body,
    plan: Plan,
) -> Result<Response<Body>, ApiError> {
    let session_id = match &query[..] {
        [] if matches!(call, Call::UploadRaw | Call::UploadStart) => "",
        [(name, id)] if name == "upload_id" => id,
        _ => return Ok(refuse(server, "the query is neither empty nor an upload_id")),
    };
    let in_body =
        |i: &&Injection| i.at_byte.is_some() && matches!(i.failure, Failure::Drop | Failure::Stall);
    let broken_off = plan.before_effect().filter(in_body).cloned();
    if broken_off.is_none()
        && let Some(injection) = plan.before_effect()
    {
        return fail(injection, line).await;
    }
    tokio::time::sleep(plan.latency(0)).await;
    let breaks_at = broken_off.as_ref().and_then(|injection| injection.at_byte);
    let intake =
        Intake { server, body: body.into_data_stream(), bytes_per_s: plan.bytes_per_s, breaks_at };
    let done = match call {
        Call::UploadRaw => raw(server, &parts.headers, intake).await,
        Call::UploadStart => start(server, user, &parts.headers).await,
        Call::UploadChunk => chunk(server, session_id, user, &parts.headers, intake).await,
        Call::UploadQuery => query_session(server, session_id, user).await,
        _ => cancel(server, session_id, user).await,
    };
    if let Some(injection) = plan.after_effect() {
        return fail(injection, line).await;
    }
    match (done, broken_off) {
        (Err(UploadError::BrokenOff), Some(injection)) => fail(&injection, line).await,
        (Err(UploadError::Refused(error)), _) => Err(error),
        (Err(UploadError::Io(error)), _) => {
            tracing::debug!(%error, "an upload broke off");
            Err(ApiError::internal())
        }
        (Err(UploadError::BrokenOff), None) => Err(ApiError::internal()),
        (Ok(response), _) => Ok(response),
    }
}

/// Why an upload does not end in an answer of the protocol.
enum UploadError {
    Refused(ApiError),
    /// The client went away, or the state directory failed.
    Io(io::Error),
    /// A fault switch says so.
    BrokenOff,
}

impl From<io::Error> for UploadError {
    fn from(error: io::Error) -> UploadError {
        UploadError::Io(error)
    }
}

impl From<ApiError> for UploadError {
    fn from(error: ApiError) -> UploadError {
        UploadError::Refused(error)
    }
}

/// 400 with HTML for a request against the protocol (reference §8.2, rule 5).
fn refuse(server: &Server, what: &str) -> Response<Body> {
    server.meter.violation(format!("uploads: {what}"));
    bad_request(what)
}

/// A request body on its way to disk.
struct Intake<'a> {
    server: &'a Server,
    body: BodyDataStream,
    bytes_per_s: Option<u64>,
    /// The fault that the connection drops or stalls after so many bytes.
    breaks_at: Option<u64>,
}

impl Intake<'_> {
    /// The next piece, `None` at the end. An error is a connection that broke.
    async fn next(&mut self) -> Result<Option<Bytes>, UploadError> {
        if self.breaks_at == Some(0) {
            return Err(UploadError::BrokenOff);
        }
        let Some(piece) = self.body.next().await else { return Ok(None) };
        let mut piece = piece.map_err(io::Error::other)?;
        if let Some(bytes_per_s) = self.bytes_per_s {
            let seconds = piece.len() as f64 / bytes_per_s.max(1) as f64;
            tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        }
        if let Some(left) = &mut self.breaks_at {
            piece.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= piece.len() as u64;
        }
        self.server.meter.uploaded(piece.len() as u64);
        Ok(Some(piece))
    }
}

/// Largest upload of a declared type; what is not called a photo may be a video.
fn size_max(server: &Server, content_type: &str) -> u64 {
    let faults = server.switches.get();
    if content_type.starts_with("image/") { faults.photo_bytes_max } else { faults.video_bytes_max }
}

fn too_large() -> UploadError {
    ApiError::too_large("The uploaded file is too large.").into()
}

async fn raw(
    server: &Server,
    headers: &HeaderMap,
    mut intake: Intake<'_>,
) -> Result<Response<Body>, UploadError> {
    // rclone sends none and is served.
    if !matches!(text(headers, "content-type"), "" | "application/octet-stream") {
        return Ok(refuse(server, "Content-Type must be application/octet-stream"));
    }
    let bytes_max = size_max(server, text(headers, "x-goog-upload-content-type"));
    if number(headers, header::CONTENT_LENGTH.as_str()).is_some_and(|size| size > bytes_max) {
        return Err(too_large());
    }
    let expected = expected_sha1(headers)?;
    let id = format!("{:032x}", rand::random::<u128>());
    let path = server.dir.session(&id, "part");
    let mut file = File::create(&path).await?;
    let (mut sha256, mut sha1, mut size) = (Sha256::new(), Sha1::new(), 0);
    let received = async {
        while let Some(piece) = intake.next().await? {
            size += piece.len() as u64;
            if size > bytes_max {
                return Err(too_large());
            }
            sha256.update(&piece);
            if expected.is_some() {
                sha1.update(&piece);
            }
            file.write_all(&piece).await?;
        }
        match &expected {
            Some(expected) if sha1.finalize()[..] != expected[..] => Err(checksum_mismatch()),
            _ => Ok(()),
        }
    };
    if let Err(error) = received.await {
        tokio::fs::remove_file(&path).await?;
        return Err(error);
    }
    file.flush().await?;
    drop(file);
    let name = text(headers, "x-goog-upload-file-name");
    let token = keep(server, &path, sha256, size, name).await?;
    Ok(body_response(StatusCode::OK, "text/plain; charset=UTF-8", token))
}

/// The digest of an `X-Goog-Hash: sha1=BASE64` header.
fn expected_sha1(headers: &HeaderMap) -> Result<Option<Vec<u8>>, UploadError> {
    let Some(value) = headers.get("x-goog-hash") else { return Ok(None) };
    let digest = value
        .to_str()
        .ok()
        .and_then(|text| text.strip_prefix("sha1="))
        .and_then(|text| STANDARD.decode(text).ok())
        .filter(|digest| digest.len() == 20);
    match digest {
        Some(digest) => Ok(Some(digest)),
        None => Err(ApiError::violation("Invalid X-Goog-Hash header.").into()),
    }
}

fn checksum_mismatch() -> UploadError {
    ApiError::violation("Checksum from header does not match received payload content.").into()
}

/// Moves whole received bytes to their place and gives a token for them.
async fn keep(
    server: &Server,
    path: &Path,
    sha256: Sha256,
    size: u64,
    name: &str,
) -> Result<String, UploadError> {
    let sha256 = format!("{:x}", sha256.finalize());
    tokio::fs::rename(path, server.dir.blob(&sha256)).await?;
    let life_ms = server.switches.get().upload_token_life_s.saturating_mul(1000);
    let token = UploadToken {
        sha256,
        size,
        name: name.to_owned(),
        expires_ms: server.now_ms().saturating_add_unsigned(life_ms),
        nonce: rand::random(),
    };
    let sealed = server.sealer.seal(UploadToken::KIND, &token, choices::UPLOAD_TOKEN_BYTES);
    Ok(format!("{}{sealed}", UploadToken::PREFIX))
}

/// An answer of the resumable protocol.
fn protocol_answer(status: Status, body: String) -> Response<Body> {
    let mut response = body_response(StatusCode::OK, "text/plain; charset=UTF-8", body);
    let headers = response.headers_mut();
    headers.insert("x-goog-upload-status", HeaderValue::from_static(status.header()));
    headers
        .insert("x-goog-upload-chunk-granularity", HeaderValue::from(choices::CHUNK_GRANULARITY));
    response
}

async fn start(
    server: &Server,
    user: &str,
    headers: &HeaderMap,
) -> Result<Response<Body>, UploadError> {
    let content_type = text(headers, "x-goog-upload-content-type").to_owned();
    let raw_size = number(headers, "x-goog-upload-raw-size");
    if raw_size.is_some_and(|size| size > size_max(server, &content_type)) {
        return Err(too_large());
    }
    let id = format!("AEnB2U{:032x}", rand::random::<u128>());
    let session = Session {
        user: user.to_owned(),
        name: text(headers, "x-goog-upload-file-name").to_owned(),
        content_type,
        raw_size,
        started_ms: server.now_ms(),
        status: Status::Active,
    };
    save(server, &id, &session).await?;
    File::create(server.dir.session(&id, "part")).await?;
    server.sessions.insert(id.clone(), session);
    let url = format!("{}/v1/uploads?upload_id={id}&upload_protocol=resumable", server.url);
    let mut response = protocol_answer(Status::Active, String::new());
    if let Ok(url) = HeaderValue::from_str(&url) {
        response.headers_mut().insert("x-goog-upload-url", url.clone());
        response.headers_mut().insert("x-goog-upload-control-url", url);
    }
    Ok(response)
}

fn gone() -> Response<Body> {
    html_error(StatusCode::NOT_FOUND, "The upload session does not exist.")
}

async fn chunk(
    server: &Server,
    id: &str,
    user: &str,
    headers: &HeaderMap,
    mut intake: Intake<'_>,
) -> Result<Response<Body>, UploadError> {
    let commands = commands(headers);
    let (upload, finalize) =
        (commands.contains(&"upload".to_owned()), commands.contains(&"finalize".to_owned()));
    let (session, mut writer) = match server.sessions.take(server, id, user).await {
        Err(Untaken::Gone) => return Ok(gone()),
        Err(Untaken::NotActive) => {
            return Ok(refuse(server, "the upload session is no longer active"));
        }
        Err(Untaken::Busy) => {
            server.meter.violation("uploads: two writers on one session");
            let text = "Another request writes to this session.";
            return Ok(html_error(StatusCode::CONFLICT, text));
        }
        Ok(taken) => taken,
    };
    let length = number(headers, header::CONTENT_LENGTH.as_str());
    if upload {
        let offset = number(headers, "x-goog-upload-offset");
        if offset != Some(writer.received) {
            let text = format!("offset {offset:?}, but {} bytes are here", writer.received);
            return Ok(refuse(server, &text));
        }
        if !finalize && length.is_none_or(|length| length % choices::CHUNK_GRANULARITY != 0) {
            return Ok(refuse(server, "a chunk is no multiple of the granularity"));
        }
    }
    let bytes_max = size_max(server, &session.content_type);
    let limit = session.raw_size.unwrap_or(bytes_max).min(bytes_max);
    if length.is_some_and(|length| writer.received + length > limit) {
        return Ok(refuse(server, "more bytes than were announced"));
    }
    let part = server.dir.session(id, "part");
    let mut file = OpenOptions::new().write(true).open(&part).await?;
    // An earlier request may have broken off between the file and the count.
    file.set_len(writer.received).await?;
    file.seek(SeekFrom::Start(writer.received)).await?;
    let read = async {
        while let Some(piece) = intake.next().await? {
            if writer.received + piece.len() as u64 > limit {
                return Err(too_large());
            }
            file.write_all(&piece).await?;
            if let Some(sha256) = &mut writer.sha256 {
                sha256.update(&piece);
            }
            writer.received += piece.len() as u64;
        }
        Ok(())
    }
    .await;
    file.flush().await?;
    drop(file);
    read?;
    if !finalize {
        return Ok(protocol_answer(Status::Active, String::new()));
    }
    if session.raw_size.is_some_and(|size| size != writer.received) {
        return Ok(refuse(server, "fewer bytes than were announced"));
    }
    if let Some(expected) = expected_sha1(headers)?
        && hash_file::<Sha1>(&part).await?.finalize()[..] != expected[..]
    {
        return Err(checksum_mismatch());
    }
    let sha256 = match writer.sha256.take() {
        Some(sha256) => sha256,
        None => hash_file::<Sha256>(&part).await?,
    };
    let token = keep(server, &part, sha256, writer.received, &session.name).await?;
    let done = Session { status: Status::Final, ..session };
    save(server, id, &done).await?;
    server.sessions.with(server, id, |progress| progress.session = done).await;
    Ok(protocol_answer(Status::Final, token))
}

async fn hash_file<D: Digest>(path: &Path) -> io::Result<D> {
    let mut file = File::open(path).await?;
    let mut hash = D::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).await? {
            0 => return Ok(hash),
            n => hash.update(&buffer[..n]),
        }
    }
}

/// Says where a session stands; gives no token, even if all bytes are in (reference §8.2).
async fn query_session(
    server: &Server,
    id: &str,
    user: &str,
) -> Result<Response<Body>, UploadError> {
    let state = server.sessions.with(server, id, |progress| {
        (progress.session.user == user).then_some((progress.session.status, progress.received))
    });
    let Some((status, received)) = state.await.flatten() else { return Ok(gone()) };
    let mut response = protocol_answer(status, String::new());
    if status != Status::Cancelled {
        response.headers_mut().insert("x-goog-upload-size-received", HeaderValue::from(received));
    }
    Ok(response)
}

async fn cancel(server: &Server, id: &str, user: &str) -> Result<Response<Body>, UploadError> {
    let cancelled = server.sessions.with(server, id, |progress| {
        (progress.session.user == user && progress.session.status == Status::Active).then(|| {
            progress.session.status = Status::Cancelled;
            progress.session.clone()
        })
    });
    let Some(session) = cancelled.await.flatten() else { return Ok(gone()) };
    save(server, id, &session).await?;
    Ok(protocol_answer(Status::Cancelled, String::new()))
}

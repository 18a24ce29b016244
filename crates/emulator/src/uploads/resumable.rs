//! The resumable protocol (reference §8.2): a session, chunks, and where it stands.

use std::io;
use std::path::Path;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt, SeekFrom};

use super::headers::{commands, expected_sha1, number, text};
use super::intake::{Intake, keep, size_max};
use super::refusal::{UploadError, checksum_mismatch, refuse, too_large};
use crate::account::Account;
use crate::choices;
use crate::http::{body_response, html_error};
use crate::private::nonblocking;
use crate::server::Server;
use crate::state::{Progress, Session, Status, Unavailable, Writer};

/// An answer of the resumable protocol.
fn protocol_answer(status: Status, body: String) -> Response<Body> {
    let mut response = body_response(StatusCode::OK, "text/plain; charset=UTF-8", body);
    let headers = response.headers_mut();
    headers.insert("x-goog-upload-status", HeaderValue::from_static(status.header()));
    headers
        .insert("x-goog-upload-chunk-granularity", HeaderValue::from(choices::CHUNK_GRANULARITY));
    response
}

/// Opens a session.
pub(crate) async fn start(
    server: &Server,
    account: &Account,
    headers: &HeaderMap,
) -> Result<Response<Body>, UploadError> {
    let content_type = text(headers, "x-goog-upload-content-type").to_owned();
    let raw_size = number(headers, "x-goog-upload-raw-size");
    if raw_size.is_some_and(|size| size > size_max(server, &content_type)) {
        return Err(too_large());
    }
    let id = format!("AEnB2U{:032x}", rand::random::<u128>());
    let session = Session {
        account: account.clone(),
        name: text(headers, "x-goog-upload-file-name").to_owned(),
        content_type,
        raw_size,
        started_ms: server.now_ms(),
        status: Status::Active,
    };
    session.save(&server.dir, &id).await?;
    nonblocking::create(&server.dir.session(&id, "part")).await?;
    server.sessions.insert(id.clone(), session);
    let faults = server.switches.get();
    let origin = faults.session_origin.as_ref().unwrap_or(&server.url);
    let url = format!("{origin}/v1/uploads?upload_id={id}&upload_protocol=resumable");
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

/// A request to a session that exists, or so its URL says.
pub(crate) struct Request<'a> {
    pub(crate) server: &'a Server,
    pub(crate) id: &'a str,
    pub(crate) account: &'a Account,
}

impl Request<'_> {
    /// Takes a chunk, and ends the upload if the request says so.
    pub(crate) async fn chunk(
        self,
        headers: &HeaderMap,
        mut intake: Intake<'_>,
    ) -> Result<Response<Body>, UploadError> {
        let Request { server, id, account } = self;
        let commands = commands(headers);
        let has = |wanted: &str| commands.iter().any(|command| command == wanted);
        let (upload, finalize) = (has("upload"), has("finalize"));
        let taken = server.sessions.take(&server.dir, server.now_ms(), id, account).await;
        let (session, mut writer) = match taken {
            Ok(taken) => taken,
            Err(reason) => return Ok(unavailable(server, reason)),
        };
        let length = number(headers, header::CONTENT_LENGTH.as_str());
        if upload && let Err(text) = check_chunk(headers, length, writer.received, finalize) {
            return Ok(refuse(server, &text));
        }
        let bytes_max = size_max(server, &session.content_type);
        let limit = session.raw_size.unwrap_or(bytes_max).min(bytes_max);
        if length.is_some_and(|length| writer.received + length > limit) {
            return Ok(refuse(server, "more bytes than were announced"));
        }
        let part = server.dir.session(id, "part");
        append(&part, &mut intake, &mut writer, limit).await?;
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
        done.save(&server.dir, id).await?;
        self.with(|progress| progress.session = done).await;
        Ok(protocol_answer(Status::Final, token))
    }

    /// Says where a session stands; gives no token, even if all bytes are in (reference §8.2).
    pub(crate) async fn query(self) -> Result<Response<Body>, UploadError> {
        let state = self.with(|progress| {
            let ours = progress.session.account == *self.account;
            ours.then_some((progress.session.status, progress.received))
        });
        let Some((status, received)) = state.await.flatten() else { return Ok(gone()) };
        let mut response = protocol_answer(status, String::new());
        if status != Status::Cancelled {
            let received = HeaderValue::from(received);
            response.headers_mut().insert("x-goog-upload-size-received", received);
        }
        Ok(response)
    }

    /// Ends a session without an item.
    pub(crate) async fn cancel(self) -> Result<Response<Body>, UploadError> {
        let cancelled = self.with(|progress| {
            let session = &mut progress.session;
            (session.account == *self.account && session.status == Status::Active).then(|| {
                session.status = Status::Cancelled;
                session.clone()
            })
        });
        let Some(session) = cancelled.await.flatten() else { return Ok(gone()) };
        session.save(&self.server.dir, self.id).await?;
        Ok(protocol_answer(Status::Cancelled, String::new()))
    }

    async fn with<T>(&self, f: impl FnOnce(&mut Progress) -> T) -> Option<T> {
        let Request { server, id, .. } = self;
        server.sessions.with(&server.dir, server.now_ms(), id, f).await
    }
}

fn unavailable(server: &Server, reason: Unavailable) -> Response<Body> {
    match reason {
        Unavailable::Gone => gone(),
        Unavailable::NotActive => refuse(server, "the upload session is no longer active"),
        Unavailable::Busy => {
            server.meter.violation("uploads: two writers on one session");
            html_error(StatusCode::CONFLICT, "Another request writes to this session.")
        }
    }
}

/// Checks that a chunk continues the upload. Unless it is the last, its length must be a multiple
/// of the granularity.
fn check_chunk(
    headers: &HeaderMap,
    length: Option<u64>,
    received: u64,
    last: bool,
) -> Result<(), String> {
    let offset = number(headers, "x-goog-upload-offset");
    if offset != Some(received) {
        return Err(format!("offset {offset:?}, but {received} bytes are here"));
    }
    if !last && length.is_none_or(|length| length % choices::CHUNK_GRANULARITY != 0) {
        return Err("a chunk is no multiple of the granularity".to_owned());
    }
    Ok(())
}

/// Writes a request's body behind the bytes that are there.
async fn append(
    part: &Path,
    intake: &mut Intake<'_>,
    writer: &mut Writer<'_>,
    limit: u64,
) -> Result<(), UploadError> {
    let mut file = nonblocking::open_to_write(part).await?;
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
    // Bytes that arrived before the connection broke count.
    file.flush().await?;
    read
}

async fn hash_file<D: Digest>(path: &Path) -> io::Result<D> {
    let mut file = nonblocking::open(path).await?;
    let mut hash = D::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).await? {
            0 => return Ok(hash),
            n => hash.update(&buffer[..n]),
        }
    }
}

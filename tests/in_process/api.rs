//! The API client against answers that a correct service does not give. `api_emulated.rs` has the others.

mod answers;
mod downloads;
mod hostile;
mod limits;
mod login;
mod picker;
mod sent;
mod uploads;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::TryStreamExt;
use gphotosfs::api::{
    Advice, AlbumPosition, Client, DateFilter, Enrichment, Error, FailureKind, FinishError, Login,
    LoginError, NewItem, Payload, QuotaKind,
};
use gphotosfs::media::{AlbumId, MediaId, MediaKind, PageToken, UploadToken};
use gphotosfs::profile::Profile;
use serde_json::json as js;

use crate::support::payload;
use crate::support::script::{Script, json, refusal};

fn album() -> AlbumId {
    AlbumId::new("A")
}

async fn bytes(client: &Client, server: &Script, from: u64) -> Result<Vec<u8>, Error> {
    let download = client.download(&format!("{}/lr/x", server.url), MediaKind::Photo, from).await?;
    let ahead = (from - download.starts_at) as usize;
    let chunks: Vec<_> = download.stream.try_collect().await?;
    Ok(chunks.concat().split_off(ahead))
}

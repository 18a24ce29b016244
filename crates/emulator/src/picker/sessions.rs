//! The methods of sessions (picker reference §2, §5).

use serde::Deserialize;
use serde_json::{Value, json};

use super::wire;
use crate::account::Account;
use crate::api::checks::Nothing;
use crate::api::json::{lenient_int, parse, parse_query};
use crate::api::request::{ApiAnswer, ApiRequest};
use crate::api::wire::EMPTY;
use crate::choices;
use crate::error::ApiError;
use crate::server::Server;
use crate::state::{Change, PickSession, World};

/// Items in one session, at most.
const ITEMS_MAX: usize = 2000;

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct CreateQuery {
    request_id: String,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct SessionMessage {
    picking_config: PickingConfig,
    // Output only; a client may send it back.
    #[serde(rename = "id")]
    _id: Value,
    #[serde(rename = "pickerUri")]
    _picker_uri: Value,
    #[serde(rename = "pollingConfig")]
    _polling_config: Value,
    #[serde(rename = "expireTime")]
    _expire_time: Value,
    #[serde(rename = "mediaItemsSet")]
    _media_items_set: Value,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct PickingConfig {
    #[serde(deserialize_with = "lenient_int")]
    max_item_count: i64,
}

/// Whether a text is a UUID of version 4.
fn is_uuid4(text: &str) -> bool {
    let hyphens = [8, 13, 18, 23];
    let fits = |(at, byte): (usize, u8)| match at {
        _ if hyphens.contains(&at) => byte == b'-',
        14 => byte == b'4',
        19 => matches!(byte.to_ascii_lowercase(), b'8' | b'9' | b'a' | b'b'),
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.bytes().enumerate().all(fits)
}

fn new_uuid4() -> String {
    let random: u128 = rand::random();
    let bits = random & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{bits:032x}");
    let (a, b, c, d, e) = (&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
    format!("{a}-{b}-{c}-{d}-{e}")
}

pub(crate) fn create(server: &Server, request: ApiRequest) -> Result<ApiAnswer, ApiError> {
    let CreateQuery { request_id } = parse_query(request.query, &[])?;
    if !request_id.is_empty() && !is_uuid4(&request_id) {
        return Err(ApiError::violation("The request ID must be a version 4 UUID."));
    }
    let message: SessionMessage = parse(request.body)?;
    let items_max = match usize::try_from(message.picking_config.max_item_count) {
        Ok(0) => ITEMS_MAX,
        Ok(count) => count.min(ITEMS_MAX),
        Err(_) => return Err(ApiError::violation("The max item count must not be negative.")),
    };
    let switches = request.faults.picker;
    if switches.no_account {
        return Err(ApiError::failed_precondition(choices::NO_PHOTOS_ACCOUNT));
    }
    let now_ms = server.now_ms();
    let account = request.account;
    let world = &mut server.world.lock();
    sweep(server, world, now_ms)?;
    if world.pick_sessions().filter(|it| it.account == account).count()
        >= switches.open_sessions_max
    {
        return Err(ApiError::exhausted(choices::TOO_MANY_PICK_SESSIONS));
    }
    let life_ms = switches.session_life_s.saturating_mul(1000);
    let session = PickSession {
        id: new_uuid4(),
        account,
        created_ms: now_ms,
        expires_ms: now_ms.saturating_add_unsigned(life_ms),
        items_max,
        picked: None,
    };
    server.record(world, Change::PickSession(session.clone()))?;
    Ok(ApiAnswer::ok(wire::session(server, &switches, &session), &wire::SESSION))
}

/// Removes the sessions that have expired.
fn sweep(server: &Server, world: &mut World, now_ms: i64) -> Result<(), ApiError> {
    let expired = world.pick_sessions().filter(|session| session.expires_ms <= now_ms);
    for id in expired.map(|session| session.id.clone()).collect::<Vec<String>>() {
        remove(server, world, id)?;
    }
    Ok(())
}

fn remove(server: &Server, world: &mut World, id: String) -> Result<(), ApiError> {
    server.picker.end(&id);
    server.record(world, Change::PickSessionGone { id })
}

/// The session of an account with this id.
pub(super) fn find(
    server: &Server,
    world: &World,
    account: &Account,
    id: &str,
) -> Result<PickSession, ApiError> {
    if !is_uuid4(id) {
        let malformed = ApiError::violation(choices::MALFORMED_PICK_SESSION);
        return Err(malformed.reason("REQUEST_INVALID", choices::PICKER_DOMAIN));
    }
    let now_ms = server.now_ms();
    let session = world.pick_session(id);
    let session = session.filter(|it| it.account == *account && now_ms < it.expires_ms);
    session.cloned().ok_or_else(|| ApiError::not_found(choices::NOT_FOUND))
}

pub(crate) fn get(server: &Server, request: ApiRequest) -> Result<ApiAnswer, ApiError> {
    let Nothing {} = parse_query(request.query, &[])?;
    let session = find(server, &server.world.lock(), &request.account, &request.id)?;
    let switches = request.faults.picker;
    if session.picked.is_none() {
        let now_ms = server.now_ms();
        let interval_ms = i64::try_from(switches.poll_interval_ms).unwrap_or(i64::MAX / 2);
        let is_over = wire::timeout_ms(&session, &switches, now_ms) == 0;
        if let Some(broken) = server.picker.poll(&session.id, now_ms, interval_ms, is_over) {
            server.meter.violation(format!("{}: {broken}", request.call.name()));
        }
    }
    Ok(ApiAnswer::ok(wire::session(server, &switches, &session), &wire::SESSION))
}

pub(crate) fn delete(server: &Server, request: ApiRequest) -> Result<ApiAnswer, ApiError> {
    let Nothing {} = parse_query(request.query, &[])?;
    let world = &mut server.world.lock();
    let session = find(server, world, &request.account, &request.id)?;
    remove(server, world, session.id)?;
    Ok(ApiAnswer::ok(json!({}), &EMPTY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuids_of_version_4() {
        for _ in 0..100 {
            assert!(is_uuid4(&new_uuid4()));
        }
        for bad in ["", "x", "123e4567-e89b-12d3-a456-426614174000"] {
            assert!(!is_uuid4(bad), "{bad}");
        }
    }
}

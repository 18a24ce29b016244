//! Consents and the tokens that stand for them (reference §3.5 to §3.7).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::error::ApiError;
use crate::server::Server;
use crate::state::{Change, Consent};

/// The tokens of a program after a user's consent.
#[derive(Clone, Debug, Serialize)]
pub struct Grant {
    /// For `Authorization: Bearer`.
    pub access_token: String,
    /// For new access tokens.
    pub refresh_token: String,
    /// Lifetime of the access token in seconds.
    pub expires_in: u64,
    /// Full names of the granted scopes, separated by spaces.
    pub scope: String,
}

/// The content of an access token.
#[derive(Serialize, Deserialize)]
pub(super) struct AccessToken {
    refresh_token: String,
    pub(super) generation: u64,
    pub(super) expires_ms: i64,
    nonce: u64,
}

const ACCESS_PREFIX: &str = "ya29.";

/// The consent behind a valid access token.
pub(crate) fn consent_of_access_token(server: &Server, token: &str) -> Option<Consent> {
    let (token, consent) = open_access_token(server, token)?;
    let now_ms = server.now_ms();
    (token.expires_ms > now_ms && token.generation == consent.generation).then_some(consent)
}

pub(super) fn open_access_token(server: &Server, token: &str) -> Option<(AccessToken, Consent)> {
    let token: AccessToken = server.signer.verify("access", token.strip_prefix(ACCESS_PREFIX)?)?;
    let consent = live_consent(server, &token.refresh_token)?;
    Some((token, consent))
}

pub(super) fn live_consent(server: &Server, refresh_token: &str) -> Option<Consent> {
    let consent = server.world.lock().consent(refresh_token)?.clone();
    consent.expires_ms.is_none_or(|expires_ms| expires_ms > server.now_ms()).then_some(consent)
}

/// Records a user's consent.
pub(crate) fn consent(
    server: &Server,
    account: &Account,
    scopes: Vec<String>,
) -> Result<Consent, ApiError> {
    let life_s = server.switches.get().refresh_token_life_s;
    let now_ms = server.now_ms();
    let consent = Consent {
        refresh_token: format!("1//0g{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 48]>())),
        account: account.clone(),
        scopes,
        granted_ms: now_ms,
        expires_ms: life_s.map(|s| now_ms.saturating_add_unsigned(s.saturating_mul(1000))),
        generation: 0,
    };
    server.record(&mut server.world.lock(), Change::Consent(consent.clone()))?;
    Ok(consent)
}

/// A new access token and all that goes with it.
pub(crate) fn grant(server: &Server, consent: &Consent) -> Grant {
    let life_s = server.switches.get().access_token_life_s;
    let token = AccessToken {
        refresh_token: consent.refresh_token.clone(),
        generation: consent.generation,
        expires_ms: server.now_ms().saturating_add_unsigned(life_s.saturating_mul(1000)),
        nonce: rand::random(),
    };
    Grant {
        access_token: format!("{ACCESS_PREFIX}{}", server.signer.sign("access", &token, 0)),
        refresh_token: consent.refresh_token.clone(),
        expires_in: life_s,
        scope: consent.scopes.join(" "),
    }
}

/// Ends all access tokens; refresh tokens stay good.
pub(crate) fn expire_access_tokens(server: &Server) -> Result<(), ApiError> {
    let mut world = server.world.lock();
    for consent in world.consents() {
        let generation = consent.generation + 1;
        server.record(&mut world, Change::Consent(Consent { generation, ..consent }))?;
    }
    Ok(())
}

/// Ends all grants, as when the user removes the application's access.
pub(crate) fn revoke_all(server: &Server) -> Result<(), ApiError> {
    let mut world = server.world.lock();
    for Consent { refresh_token, .. } in world.consents() {
        server.record(&mut world, Change::ConsentGone { refresh_token })?;
    }
    Ok(())
}

//! The answer of the token endpoint.

use std::time::Duration;

use jiff::Timestamp;
use oauth2::basic::BasicTokenType;
use oauth2::{AccessToken, RefreshToken};
use serde::{Deserialize, Serialize};

/// The life of Google's access tokens, assumed also if an answer does not state it.
const USUAL_LIFE: Duration = Duration::from_secs(3600);

/// A token response, parsed leniently: numbers may be strings, and the token type may be missing.
#[derive(Serialize, Deserialize)]
pub(super) struct TokenAnswer {
    access_token: AccessToken,
    #[serde(default = "bearer")]
    token_type: BasicTokenType,
    #[serde(default)]
    expires_in: Option<Seconds>,
    #[serde(default)]
    refresh_token: Option<RefreshToken>,
    #[serde(default)]
    refresh_token_expires_in: Option<Seconds>,
    #[serde(default)]
    pub scope: Option<String>,
}

#[derive(Serialize, Deserialize, Clone)]
#[serde(untagged)]
enum Seconds {
    Number(f64),
    Text(String),
}

impl Seconds {
    /// At most a century, so that adding it to a time does not overflow.
    fn get(&self) -> Option<Duration> {
        let seconds = match self {
            Self::Number(number) => *number,
            Self::Text(text) => text.trim().parse().ok()?,
        };
        Duration::try_from_secs_f64(seconds.min(3.2e9)).ok().filter(|it| !it.is_zero())
    }
}

fn bearer() -> BasicTokenType {
    BasicTokenType::Bearer
}

impl TokenAnswer {
    pub(super) fn life(&self) -> Duration {
        self.expires_in.as_ref().and_then(Seconds::get).unwrap_or(USUAL_LIFE)
    }

    pub(super) fn into_token(self) -> AccessToken {
        self.access_token
    }

    pub(super) fn refresh_secret(&self) -> Option<&str> {
        self.refresh_token.as_ref().map(|it| it.secret().as_str()).filter(|it| !it.is_empty())
    }

    pub(super) fn grant_ends_at(&self, now: Timestamp) -> Option<Timestamp> {
        now.checked_add(self.refresh_token_expires_in.as_ref()?.get()?).ok()
    }
}

impl std::fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenAnswer").field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl oauth2::TokenResponse for TokenAnswer {
    type TokenType = BasicTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &BasicTokenType {
        &self.token_type
    }

    fn expires_in(&self) -> Option<Duration> {
        self.expires_in.as_ref().and_then(Seconds::get)
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }

    /// Not used: `scope` holds the text of the answer.
    fn scopes(&self) -> Option<&Vec<oauth2::Scope>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_answers_are_read_leniently() {
        let read = |text: &str| serde_json::from_str::<TokenAnswer>(text).unwrap();
        assert_eq!(
            read(r#"{"access_token":"a","expires_in":"3599","token_type":"bearer"}"#)
                .life()
                .as_secs(),
            3599
        );
        assert_eq!(read(r#"{"access_token":"a","expires_in":60,"more":{}}"#).life().as_secs(), 60);
        assert_eq!(read(r#"{"access_token":"a"}"#).life(), USUAL_LIFE);
        assert_eq!(
            read(r#"{"access_token":"a","expires_in":-5,"refresh_token":""}"#).life(),
            USUAL_LIFE
        );
        assert!(read(r#"{"access_token":"a","refresh_token":""}"#).refresh_secret().is_none());
    }
}

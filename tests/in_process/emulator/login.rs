//! Consent, and the tokens that come of it.

use gphotosfs_emulator::OauthClient;

use super::*;

/// The consent dance without a browser.
pub(super) struct Dance<'a> {
    pub(super) api: &'a Api,
    pub(super) verifier: String,
    pub(super) redirect: &'static str,
    pub(super) program: OauthClient,
}

impl<'a> Dance<'a> {
    pub(super) fn new(api: &'a Api) -> Dance<'a> {
        Dance {
            api,
            verifier: "v".repeat(43),
            redirect: "http://127.0.0.1:9/callback",
            program: OauthClient::First,
        }
    }

    pub(super) fn client(&self) -> Value {
        let file: Value =
            serde_json::from_str(&self.api.emulator.client_secret_json_of(self.program)).unwrap();
        file["installed"].clone()
    }

    pub(super) fn auth_url(&self, scopes: &str) -> url::Url {
        use base64::Engine;
        let client = self.client();
        let challenge =
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(Sha256::digest(&self.verifier));
        let query = [
            ("client_id", client["client_id"].as_str().unwrap()),
            ("redirect_uri", self.redirect),
            ("response_type", "code"),
            ("scope", scopes),
            ("state", "S"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        url::Url::parse_with_params(client["auth_uri"].as_str().unwrap(), query).unwrap()
    }

    pub(super) async fn token(&self, fields: &[(&str, &str)]) -> (StatusCode, Value) {
        let client = self.client();
        let mut form = vec![
            ("client_id", client["client_id"].as_str().unwrap()),
            ("client_secret", client["client_secret"].as_str().unwrap()),
        ];
        form.extend_from_slice(fields);
        answer(self.api.http.post(client["token_uri"].as_str().unwrap()).form(&form)).await
    }

    pub(super) async fn exchange(&self, code: &str, verifier: &str) -> (StatusCode, Value) {
        self.token(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.redirect),
            ("code_verifier", verifier),
        ])
        .await
    }

    pub(super) async fn refresh(&self, token: &str) -> (StatusCode, Value) {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }
}

/// The query of the address a response redirects to.
pub(super) fn redirected(response: &Response) -> std::collections::HashMap<String, String> {
    assert_eq!(response.status(), StatusCode::FOUND);
    let location = response.headers()["location"].to_str().unwrap();
    url::Url::parse(location).unwrap().query_pairs().into_owned().collect()
}

pub(super) fn all_scopes() -> String {
    gphotosfs_emulator::SCOPES
        .map(|scope| format!("{}{scope}", gphotosfs_emulator::SCOPE_PREFIX))
        .join(" ")
}

#[tokio::test]
async fn consent_code_refresh_and_revocation() {
    let api = Api::start().await;
    api.emulator.faults(|f| f.refresh_token_life_s = Some(604_799));
    let dance = Dance::new(&api);
    let code = async || {
        let response = api.http.get(dance.auth_url(&all_scopes())).send().await.unwrap();
        let query = redirected(&response);
        assert_eq!(query["state"], "S");
        query["code"].clone()
    };
    let (status, body) = dance.exchange(&code().await, &"w".repeat(43)).await;
    assert_eq!((status, &body["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_grant")));
    assert_eq!(body["error_description"], "Invalid code verifier.");

    let good = code().await;
    let (status, granted) = dance.exchange(&good, &dance.verifier).await;
    assert_eq!(status, StatusCode::OK, "{granted}");
    assert_eq!((&granted["expires_in"], &granted["scope"]), (&json!(3599), &json!(all_scopes())));
    assert_eq!(granted["refresh_token_expires_in"], 604_799);
    let (_, again) = dance.exchange(&good, &dance.verifier).await;
    assert_eq!(again["error"], "invalid_grant", "a code is for one use");

    let refresh_token = text(&granted["refresh_token"]);
    let (status, refreshed) = dance.refresh(&refresh_token).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(refreshed.get("refresh_token"), None);
    let access_token = text(&refreshed["access_token"]);
    let info = format!("{}/tokeninfo?access_token={access_token}", api.emulator.url());
    assert_eq!(answer(api.http.get(info)).await.1["scope"], all_scopes());

    let revoke = format!("{}/revoke", api.emulator.url());
    let revoking = api.http.post(&revoke).form(&[("token", &access_token)]);
    assert_eq!(answer(revoking).await, (StatusCode::OK, json!({})));
    let (status, body) = dance.refresh(&refresh_token).await;
    assert_eq!((status, &body["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_grant")));
    assert_eq!(body["error_description"], "Token has been expired or revoked.");
    let revoking = api.http.post(&revoke).form(&[("token", &access_token)]);
    assert_eq!(answer(revoking).await.1["error"], "invalid_token");
    assert_eq!(api.get("/v1/albums").await.0, StatusCode::UNAUTHORIZED, "all of the user's grants");
    api.assert_no_violations();

    let (status, body) = dance.token(&[("grant_type", "password")]).await;
    assert_eq!(
        (status, &body["error"]),
        (StatusCode::BAD_REQUEST, &json!("unsupported_grant_type"))
    );
}

#[tokio::test]
async fn testing_grants_die_after_their_days() {
    let api = Api::start().await;
    api.emulator.faults(|f| f.refresh_token_life_s = Some(604_799));
    let grant = api.emulator.grant();
    let dance = Dance::new(&api);
    assert_eq!(dance.refresh(&grant.refresh_token).await.0, StatusCode::OK);
    api.emulator.advance_clock(Duration::from_secs(7 * 24 * 3600));
    assert_eq!(dance.refresh(&grant.refresh_token).await.1["error"], "invalid_grant");
}

#[tokio::test]
async fn the_user_may_grant_less_or_nothing() {
    let api = Api::with(Config { auto_approve: false, ..Config::default() }).await;
    let dance = Dance::new(&api);
    let url = dance.auth_url(&all_scopes());
    let page = api.http.get(url.clone()).send().await.unwrap().text().await.unwrap();
    assert_eq!(page.matches("type=checkbox").count(), 3);
    let decide = async |decision: &str, scopes: &[&str]| {
        let mut form: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        form.push(("decision".into(), decision.into()));
        form.extend(scopes.iter().map(|scope| ("granted".into(), scope.to_string())));
        let approve = format!("{}/o/oauth2/approve", api.emulator.url());
        redirected(&api.http.post(approve).form(&form).send().await.unwrap())
    };
    let denied = decide("deny", &[]).await;
    assert_eq!((&*denied["error"], &*denied["state"]), ("access_denied", "S"));
    let scope = "https://www.googleapis.com/auth/photoslibrary.appendonly";
    let less = decide("allow", &[scope, "https://www.googleapis.com/auth/drive"]).await;
    let (_, granted) = dance.exchange(&less["code"], &dance.verifier).await;
    assert_eq!(granted["scope"], scope, "what was not asked for is not granted");

    let bad = url.as_str().replace("127.0.0.1%3A9", "example.com");
    let page = api.http.get(bad).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::BAD_REQUEST);
    assert!(page.text().await.unwrap().contains("redirect_uri_mismatch"));
}

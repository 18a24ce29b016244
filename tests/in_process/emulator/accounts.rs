//! Several users and several OAuth clients on one emulator.

use gphotosfs_emulator::OauthClient;

use super::login::{Dance, all_scopes, redirected};
use super::*;

const OTHER_USER: &str = "other@example.com";

/// Checks that an account is shown nothing of another one, whose album and item these are.
async fn sees_none(api: &Api, album: &str, item: &str) {
    assert!(api.titles().await.is_empty() && api.listed().await.is_empty());
    assert_eq!(api.get(&format!("/v1/albums/{album}")).await.0, StatusCode::NOT_FOUND);
    assert_eq!(api.get(&format!("/v1/mediaItems/{item}")).await.0, StatusCode::NOT_FOUND);
    let (_, got) = api.get(&format!("/v1/mediaItems:batchGet?mediaItemIds={item}")).await;
    assert_eq!(got["mediaItemResults"][0]["status"]["code"], 5);
    let search = api.post("/v1/mediaItems:search", json!({"albumId": album})).await;
    assert_eq!(search.0, StatusCode::NOT_FOUND);
    let token = api.upload(small_photo(99)).await;
    let (status, body) = api.create(Some(album), &[(&token, "99.jpg")]).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(body["error"]["message"], "The provided ID does not match any albums.");
    let own = api.album("Own").await;
    let path = format!("/v1/albums/{own}:batchAddMediaItems");
    let (status, body) = api.post(&path, json!({"mediaItemIds": [item]})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(body["error"]["message"], "Request contains an invalid media item id.");
}

#[tokio::test]
async fn another_user_has_a_library_of_their_own() {
    let mut api = Api::start().await;
    let album = api.album("A").await;
    let item = api.add(Some(&album), small_photo(1), "1.jpg").await;
    let other = Account::of(OTHER_USER);
    api.log_in(&other);
    sees_none(&api, &album, &item).await;
    let theirs = api.add(None, small_photo(1), "theirs.jpg").await;
    assert_ne!(theirs, item);
    assert_ne!(theirs[..16], item[..16], "ids of one account share a prefix");
    assert_eq!(api.emulator.dump_of(&other).items.len(), 1);
    assert_eq!(api.emulator.dump().item(&item).unwrap().filename, "1.jpg");

    let bin = Edit::MoveToBin { item: theirs };
    api.emulator.edit_as(other, bin).await.unwrap();
    assert!(api.listed().await.is_empty());
    api.log_in(&Account::default());
    assert_eq!(api.listed().await, [&*item], "the same bytes of another user");
    api.assert_no_violations();
}

#[tokio::test]
async fn another_client_sees_nothing_of_the_first_ones() {
    let mut api = Api::start().await;
    let album = api.album("A").await;
    let item = api.add(Some(&album), small_photo(1), "1.jpg").await;
    let other = Account::by_other_client();
    api.log_in(&other);
    sees_none(&api, &album, &item).await;

    // Equal bytes are in the library by another application (reference §11.2b).
    let own = text(&api.get("/v1/albums").await.1["albums"][0]["id"]);
    let matched = api.add(Some(&own), small_photo(1), "other.jpg").await;
    assert_ne!(matched, item);
    assert!(api.listed().await.is_empty());
    assert_eq!(api.get(&format!("/v1/mediaItems/{matched}")).await.0, StatusCode::NOT_FOUND);
    let path = format!("/v1/albums/{own}:batchRemoveMediaItems");
    let (status, _) = api.post(&path, json!({"mediaItemIds": [matched]})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    api.emulator.faults(|f| f.matched_items_visible = true);
    assert_eq!(api.album_items(&own, 10).await, [&*matched]);
    let (_, read) = api.get(&format!("/v1/mediaItems/{matched}")).await;
    assert_eq!(read["filename"], "1.jpg", "the first name stays");
    let new = api.add(None, small_photo(2), "2.jpg").await;
    assert_eq!(api.listed().await.len(), 2);

    // The user has one photo and one bin.
    api.emulator.edit(Edit::MoveToBin { item: item.clone() }).await.unwrap();
    assert_eq!(api.listed().await, [&*new]);
    api.emulator.edit_as(other, Edit::EmptyBin).await.unwrap();
    assert!(api.emulator.dump().items.is_empty());
    api.assert_no_violations();
}

#[tokio::test]
async fn who_logs_in_is_chosen_by_the_hint_the_page_or_the_signed_in_user() {
    let mut api = Api::with(Config { auto_approve: false, ..Config::default() }).await;
    api.album("Default").await;
    api.ok("/emulator/sign_in", json!({"user": OTHER_USER})).await;
    let log_in = async |hint: Option<&str>, typed: Option<&str>| {
        let dance = Dance::new(&api);
        let mut url = dance.auth_url(&all_scopes());
        if let Some(hint) = hint {
            url.query_pairs_mut().append_pair("login_hint", hint);
        }
        let page = api.http.get(url.clone()).send().await.unwrap().text().await.unwrap();
        let shown = hint.unwrap_or(OTHER_USER);
        assert!(page.contains(&format!("<input name=login_hint value=\"{shown}\">")), "{page}");
        let mut form: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        if let Some(typed) = typed {
            form.retain(|(name, _)| name != "login_hint");
            form.push(("login_hint".into(), typed.into()));
        }
        form.push(("decision".into(), "allow".into()));
        form.extend(all_scopes().split(' ').map(|scope| ("granted".into(), scope.to_owned())));
        let approve = format!("{}/o/oauth2/approve", api.emulator.url());
        let back = redirected(&api.http.post(approve).form(&form).send().await.unwrap());
        let (_, granted) = dance.exchange(&back["code"], &dance.verifier).await;
        text(&granted["access_token"])
    };
    let signed_in = log_in(None, None).await;
    let hinted = log_in(Some("user@example.com"), None).await;
    let typed = log_in(Some("user@example.com"), Some("third@example.com")).await;
    for (token, title) in [(signed_in, "Other"), (hinted, "Default"), (typed, "Third")] {
        api.token = token;
        if title != "Default" {
            assert!(api.titles().await.is_empty());
            api.album(title).await;
        }
        assert_eq!(api.titles().await, [title]);
    }
    assert!(api.emulator.dump_of(&Account::of(OTHER_USER)).album("Other").is_some());
    assert!(api.emulator.dump_of(&Account::of("third@example.com")).album("Third").is_some());
    let (_, dump) = api.get(&format!("/emulator/dump?user={OTHER_USER}")).await;
    assert_eq!(dump["albums"][0]["title"], "Other");
    let create = json!({"op": "create_album", "title": "Edited"});
    api.ok("/emulator/edit?client=other", create).await;
    let (_, dump) = api.get("/emulator/dump?client=other").await;
    assert_eq!(dump["albums"][0]["title"], "Edited");
}

#[tokio::test]
async fn tokens_belong_to_their_client() {
    let mut api = Api::start().await;
    let (_, file) = api.get("/emulator/client_secret?client=other").await;
    let dumped: Value =
        serde_json::from_str(&api.emulator.client_secret_json_of(OauthClient::Other)).unwrap();
    assert_eq!(file, dumped);
    let first = Dance::new(&api);
    let other = Dance { program: OauthClient::Other, ..Dance::new(&api) };
    assert_ne!(first.client()["client_id"], other.client()["client_id"]);
    assert_ne!(first.client()["project_id"], other.client()["project_id"]);

    let response = api.http.get(other.auth_url(&all_scopes())).send().await.unwrap();
    let code = redirected(&response)["code"].clone();
    assert_eq!(first.exchange(&code, &first.verifier).await.1["error"], "invalid_grant");
    let response = api.http.get(other.auth_url(&all_scopes())).send().await.unwrap();
    let code = redirected(&response)["code"].clone();
    let (status, granted) = other.exchange(&code, &other.verifier).await;
    assert_eq!(status, StatusCode::OK);
    let refresh_token = text(&granted["refresh_token"]);
    let (status, body) = first.refresh(&refresh_token).await;
    assert_eq!((status, &body["error"]), (StatusCode::UNAUTHORIZED, &json!("unauthorized_client")));
    assert_eq!(other.refresh(&refresh_token).await.0, StatusCode::OK);

    let token = text(&granted["access_token"]);
    let info = format!("{}/tokeninfo?access_token={token}", api.emulator.url());
    let (_, info) = answer(api.http.get(info)).await;
    assert_eq!(info["aud"], other.client()["client_id"]);
    assert!(info["email"].is_null() && info["sub"].is_null());

    let revoke = api.http.post(format!("{}/revoke", api.emulator.url()));
    assert_eq!(answer(revoke.form(&[("token", &token)])).await.0, StatusCode::OK);
    assert_eq!(other.refresh(&refresh_token).await.1["error"], "invalid_grant");
    assert_eq!(api.get("/v1/albums").await.0, StatusCode::OK, "the first client's grant stays");
    api.log_in(&Account::by_other_client());
    assert_eq!(api.get("/v1/albums").await.0, StatusCode::OK);
}

#[tokio::test]
async fn userinfo_needs_a_scope_of_its_own() {
    let mut api = Api::start().await;
    let (status, body) = api.get("/v1/userinfo").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(body["error"]["status"], "PERMISSION_DENIED");
    let mut subjects = Vec::new();
    for (user, scopes) in
        [("user@example.com", "openid email"), (OTHER_USER, "openid"), (OTHER_USER, "profile")]
    {
        let dance = Dance::new(&api);
        api.emulator.sign_in(user);
        let url = dance.auth_url(&format!("{scopes} {}", all_scopes()));
        let back = redirected(&api.http.get(url).send().await.unwrap());
        let (_, granted) = dance.exchange(&back["code"], &dance.verifier).await;
        api.token = text(&granted["access_token"]);
        let (_, info) = api.get("/v1/userinfo").await;
        let email = scopes.contains("email").then_some(user);
        assert_eq!(info.get("email").and_then(Value::as_str), email);
        subjects.push(text(&info["sub"]));
    }
    assert_eq!(subjects[0], "100000000000000000001");
    assert_ne!(subjects[0], subjects[1]);
    assert_eq!(subjects[1], subjects[2]);
}

#[tokio::test]
async fn accounts_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { state: Some(dir.path().into()), ..Config::default() };
    let mut api = Api::with(config.clone()).await;
    let accounts = [Account::default(), Account::of(OTHER_USER), Account::by_other_client()];
    for (n, account) in accounts.iter().enumerate() {
        api.log_in(account);
        api.album(&format!("album {n}")).await;
    }
    let token = api.token.clone();
    api.emulator.stop().await;
    let api = Api::with(config).await;
    for (n, account) in accounts.iter().enumerate() {
        let dump = api.emulator.dump_of(account);
        assert_eq!(dump.albums.len(), 1);
        assert_eq!(dump.albums[0].title, format!("album {n}"));
    }
    let api = Api { token, ..api };
    assert_eq!(api.titles().await, ["album 2"]);
}

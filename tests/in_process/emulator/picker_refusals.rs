//! The Picker API: scopes and consent, what a project or an account lacks, wrong requests, and faults.

use gphotosfs_emulator::{Choice, MadeUpItem, PICKER_SCOPE, PickStep};

use super::login::{Dance, all_scopes, redirected};
use super::picker::assert_refused;
use super::*;

/// The first scope of the Library API, in full.
fn one_library_scope() -> String {
    all_scopes().split(' ').next().unwrap().to_owned()
}

#[tokio::test]
async fn the_size_of_a_pick_is_bounded() {
    let api = Api::picking().await;
    let photos = (0..2001).map(|n| MadeUpItem { captured_s: Some(n), ..MadeUpItem::default() });
    api.made_up("Trip", photos.collect()).await;
    for (wanted, given) in [
        (json!({}), "2000"),
        (json!({"pickingConfig": {"maxItemCount": "0"}}), "2000"),
        (json!({"pickingConfig": {"maxItemCount": "3282"}}), "2000"),
        (json!({"picking_config": {"max_item_count": 7}}), "7"),
    ] {
        let session = api.ok("/picker/v1/sessions", wanted).await;
        assert_eq!(session["pickingConfig"]["maxItemCount"], given);
    }
    api.assert_no_violations();
    api.session().await;
    let whole = PickStep::Pick { session: None, choice: Choice::album("Trip") };
    let error = api.emulator.pick(whole).await.unwrap_err();
    assert_eq!(error.to_string(), "You can select up to 2000 items.");
    let first = Choice { take: Some(2000), ..Choice::album("Trip") };
    assert_eq!(api.pick(first).await, 2000);
    api.session().await;
    assert_eq!(api.pick(Choice { skip: 2000, ..Choice::album("Trip") }).await, 1);

    for bad in [
        json!({"pickingConfig": {"maxItemCount": "-1"}}),
        json!({"maxItemCount": "5"}),
        json!({"pickingConfig": {"albums": true}}),
    ] {
        let refused = api.post("/picker/v1/sessions", bad).await;
        assert_refused(&refused, 400, "INVALID_ARGUMENT");
    }
    let refused = api.post("/picker/v1/sessions?requestId=mine", json!({})).await;
    assert_refused(&refused, 400, "INVALID_ARGUMENT");
    assert_eq!(api.emulator.stats().violations_total, 4);
    let id = "9b2e1f5c-3d4a-4c1b-8f6e-0a1b2c3d4e5f";
    api.ok(&format!("/picker/v1/sessions?requestId={id}"), json!({})).await;
}

#[tokio::test]
async fn each_api_wants_its_own_scope() {
    let mut api = Api::start().await;
    let refused = api.post("/picker/v1/sessions", json!({})).await;
    assert_refused(&refused, 403, "PERMISSION_DENIED");
    let error = &refused.1["error"];
    assert_eq!(error["message"], "Request had insufficient authentication scopes.");
    assert_eq!(error["details"][0]["metadata"]["service"], "photospicker.googleapis.com");
    let missing =
        answer(api.http.get(format!("{}/v1/sessions/x", api.emulator.picker_url()))).await;
    assert_refused(&missing, 401, "UNAUTHENTICATED");
    assert_eq!(missing.1["error"]["details"][0]["reason"], "CREDENTIALS_MISSING");

    api.token = api.emulator.grant_scopes(&[PICKER_SCOPE]).access_token;
    assert_refused(&api.get("/v1/albums").await, 403, "PERMISSION_DENIED");
    assert_refused(&api.get("/v1/mediaItems").await, 403, "PERMISSION_DENIED");
    let session = api.session().await;
    api.token = "ya29.none".into();
    assert_refused(&api.poll(&session).await, 401, "UNAUTHENTICATED");
    let other = Account::of("other@example.com");
    api.token = api.emulator.grant_to(&other, &[PICKER_SCOPE]).access_token;
    assert_refused(&api.poll(&session).await, 404, "NOT_FOUND");
    let both = api.emulator.grant_scopes(&[SCOPES[1], PICKER_SCOPE]);
    api.token = both.access_token;
    assert_eq!(api.poll(&session).await.0, StatusCode::OK);
    assert_eq!(api.get("/v1/albums").await.0, StatusCode::OK);
    api.assert_no_violations();
}

#[tokio::test]
async fn the_consent_page_offers_the_scope_and_the_user_may_untick_it() {
    let scopes = format!("{} {PICKER_SCOPE}", one_library_scope());
    for auto_approve in [true, false] {
        let api = Api::with(Config { auto_approve, ..Config::default() }).await;
        api.emulator.faults(|f| f.unticked_scopes = vec![PICKER_SCOPE.into()]);
        let dance = Dance::new(&api);
        let response = api.http.get(dance.auth_url(&scopes)).send().await.unwrap();
        if !auto_approve {
            let page = response.text().await.unwrap();
            assert_eq!(page.matches("type=checkbox").count(), 2);
            assert!(page.contains(&format!("value=\"{PICKER_SCOPE}\"> ")), "{page}");
            continue;
        }
        let code = redirected(&response)["code"].clone();
        let (_, granted) = dance.exchange(&code, &dance.verifier).await;
        assert_eq!(granted["scope"], one_library_scope());
        api.emulator.faults(|f| f.unticked_scopes.clear());
        let response = api.http.get(dance.auth_url(&scopes)).send().await.unwrap();
        let (_, whole) = dance.exchange(&redirected(&response)["code"], &dance.verifier).await;
        assert_eq!(whole["scope"], scopes);
        // An old refresh token gains nothing.
        for (token, scope) in [(granted, one_library_scope()), (whole, scopes.clone())] {
            let (_, refreshed) = dance.refresh(&text(&token["refresh_token"])).await;
            assert_eq!(refreshed["scope"], scope);
        }
        api.emulator.faults(|f| f.unticked_scopes = scopes.split(' ').map(Into::into).collect());
        let response = api.http.get(dance.auth_url(&scopes)).send().await.unwrap();
        assert_eq!(redirected(&response)["error"], "access_denied");
    }
}

#[tokio::test]
async fn what_the_project_and_the_account_lack_is_said() {
    let api = Api::picking().await;
    api.emulator.faults(|f| f.picker.disabled = true);
    let refused = api.post("/picker/v1/sessions", json!({})).await;
    assert_refused(&refused, 403, "PERMISSION_DENIED");
    let error = &refused.1["error"];
    assert_eq!(error["details"][0]["reason"], "SERVICE_DISABLED");
    assert!(text(&error["message"]).starts_with("Google Photos Picker API has not been used"));
    assert!(text(&error["message"]).contains("photospicker.googleapis.com"));
    api.emulator.faults(|f| (f.picker.disabled, f.picker.no_account) = (false, true));
    let refused = api.post("/picker/v1/sessions", json!({})).await;
    assert_refused(&refused, 400, "FAILED_PRECONDITION");
    api.emulator.faults(|f| (f.picker.no_account, f.picker.open_sessions_max) = (false, 2));
    let first = api.session().await;
    api.session().await;
    let refused = api.post("/picker/v1/sessions", json!({})).await;
    assert_refused(&refused, 429, "RESOURCE_EXHAUSTED");
    api.delete(&first).await;
    api.session().await;
    api.emulator.advance_clock(Duration::from_secs(7 * 24 * 3600));
    assert_eq!(api.emulator.stats().open_pick_sessions, 0);
    api.emulator.expire_access_tokens();
    api.assert_no_violations();
}

#[tokio::test]
async fn wrong_addresses_and_ids_are_violations() {
    let api = Api::picking().await;
    let session = api.session().await;
    let path = format!("/picker/v1/sessions/{}/mediaItems", text(&session["id"]));
    let response = api.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    let list = api.request(Method::GET, "/picker/v1/sessions").send().await.unwrap();
    assert_eq!(list.status(), StatusCode::NOT_FOUND);
    for path in ["/picker/v1/sessions/mine", "/picker/v1/mediaItems"] {
        let refused = api.get(path).await;
        assert_refused(&refused, 400, "INVALID_ARGUMENT");
        assert_eq!(refused.1["error"]["details"][0]["reason"], "REQUEST_INVALID");
    }
    assert_eq!(api.emulator.stats().violations_total, 4);
}

#[tokio::test]
async fn its_requests_fail_like_all_others() {
    let api = Api::picking().await;
    api.trip(&["a.jpg", "b.jpg"]).await;
    let session = api.picked(Choice::album("Trip")).await;
    let list = format!("/picker/v1/mediaItems?sessionId={}&pageSize=1", text(&session["id"]));
    let fail = |call: Call, skip: u32, failure: Failure| {
        let injection = Injection { skip, next: 1, ..Injection::new(failure) };
        api.emulator.faults(|f| f.on(call).failures.push(injection));
    };
    fail(Call::PickerItemsList, 1, Failure::Unauthenticated);
    let (status, page) = api.get(&list).await;
    assert_eq!(status, StatusCode::OK);
    let next = format!("{list}&pageToken={}", text(&page["nextPageToken"]));
    assert_refused(&api.get(&next).await, 401, "UNAUTHENTICATED");
    assert_eq!(api.get(&next).await.0, StatusCode::OK);
    fail(Call::PickerSessionsCreate, 0, Failure::RequestsPerMinute);
    let refused = api.post("/picker/v1/sessions", json!({})).await;
    assert_refused(&refused, 429, "RESOURCE_EXHAUSTED");
    assert!(text(&refused.1["error"]["message"]).contains("photospicker.googleapis.com"));
    fail(Call::PickerSessionsGet, 0, Failure::Unavailable);
    assert_refused(&api.poll(&session).await, 503, "UNAVAILABLE");
    fail(Call::PickerSessionsDelete, 0, Failure::Drop);
    let path = format!("/picker/v1/sessions/{}", text(&session["id"]));
    assert!(api.request(Method::DELETE, &path).send().await.is_err());
    assert_eq!(api.poll(&session).await.0, StatusCode::OK, "it had no effect");
}

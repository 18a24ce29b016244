//! The Picker API: sessions and listings.

use gphotosfs_emulator::{
    Choice, MadeUpItem, PICKER_SCOPE, PickOrder, PickState, PickStep, PickedField,
};

use super::*;

impl Api {
    /// A client whose token opens the Picker API.
    pub(super) async fn picking() -> Api {
        let mut api = Api::start().await;
        api.token = api.emulator.grant_scopes(&[PICKER_SCOPE]).access_token;
        api.emulator.faults(|f| f.picker.poll_interval_ms = 100);
        api
    }

    /// What the user has made in Google's own app: an album of made-up photos, a minute apart, the
    /// last of the names being the newest.
    pub(super) async fn trip(&self, names: &[&str]) {
        let photo = |(n, name): (usize, &&str)| MadeUpItem {
            filename: (*name).to_owned(),
            captured_s: Some(1_556_445_600 + n as i64 * 60),
            width: 4000,
            height: 3000,
            camera_make: "Maker".into(),
            camera_model: "Model".into(),
            ..MadeUpItem::default()
        };
        self.made_up("Trip", names.iter().enumerate().map(photo).collect()).await;
    }

    pub(super) async fn made_up(&self, title: &str, items: Vec<MadeUpItem>) {
        let edit = async |edit| self.emulator.edit_as(Account::in_google_app(), edit).await;
        edit(Edit::CreateAlbum { title: title.into() }).await.unwrap();
        edit(Edit::AddMadeUp { album: Some(title.into()), items }).await.unwrap();
    }

    pub(super) async fn session(&self) -> Value {
        self.ok("/picker/v1/sessions", json!({})).await
    }

    pub(super) async fn poll(&self, session: &Value) -> (StatusCode, Value) {
        self.get(&format!("/picker/v1/sessions/{}", text(&session["id"]))).await
    }

    pub(super) async fn delete(&self, session: &Value) -> (StatusCode, Value) {
        let path = format!("/picker/v1/sessions/{}", text(&session["id"]));
        answer(self.request(Method::DELETE, &path)).await
    }

    pub(super) async fn pick(&self, choice: Choice) -> usize {
        self.emulator.pick(PickStep::Pick { session: None, choice }).await.unwrap()
    }

    /// A session in which the user has picked.
    pub(super) async fn picked(&self, choice: Choice) -> Value {
        let session = self.session().await;
        self.pick(choice).await;
        session
    }

    /// Pages of a session's items.
    async fn picked_pages(&self, session: &Value, query: &str) -> Vec<Vec<Value>> {
        let (mut pages, mut token) = (Vec::new(), String::new());
        let id = text(&session["id"]);
        loop {
            let path = format!("/picker/v1/mediaItems?sessionId={id}&pageToken={token}{query}");
            let (status, page) = self.get(&path).await;
            assert_eq!(status, StatusCode::OK, "{page:#}");
            pages.push(page["mediaItems"].as_array().cloned().unwrap_or_default());
            match &page["nextPageToken"] {
                Value::Null => return pages,
                next => token = text(next),
            }
        }
    }

    pub(super) async fn picked_items(&self, session: &Value) -> Vec<Value> {
        self.picked_pages(session, "").await.concat()
    }

    pub(super) async fn picked_names(&self, session: &Value) -> Vec<String> {
        let items = self.picked_items(session).await;
        items.iter().map(|item| text(&item["mediaFile"]["filename"])).collect()
    }
}

#[track_caller]
pub(super) fn assert_refused(answer: &(StatusCode, Value), http: u16, status: &str) {
    let (code, body) = answer;
    assert_eq!((code.as_u16(), &body["error"]["status"]), (http, &json!(status)), "{body:#}");
}

fn seconds(duration: &Value) -> f64 {
    text(duration).strip_suffix('s').unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_session_from_creation_to_deletion() {
    let api = Api::picking().await;
    api.trip(&["a.jpg", "b.jpg"]).await;
    let session = api.session().await;
    let id = text(&session["id"]);
    assert_eq!((id.len(), &id[14..15]), (36, "4"), "a UUID of version 4");
    assert!(text(&session["pickerUri"]).starts_with(&api.emulator.url()));
    assert_eq!(session["pickingConfig"], json!({"maxItemCount": "2000"}));
    assert_eq!(session["pollingConfig"]["pollInterval"], "0.1s");
    assert!(seconds(&session["pollingConfig"]["timeoutIn"]) > 1700.0);
    assert_eq!(session.get("mediaItemsSet"), None);
    let expires: jiff::Timestamp = text(&session["expireTime"]).parse().unwrap();
    let days = (expires.as_millisecond() - api.emulator.now_ms()) as f64 / 86_400_000.0;
    assert!((6.9..=7.0).contains(&days), "{days}");

    let early = api.get(&format!("/picker/v1/mediaItems?sessionId={id}")).await;
    assert_refused(&early, 400, "FAILED_PRECONDITION");
    assert_eq!(early.1["error"].get("details"), None);
    api.emulator.faults(|f| f.picker.pending_reason = true);
    let early = api.get(&format!("/picker/v1/mediaItems?sessionId={id}")).await;
    assert_eq!(early.1["error"]["details"][0]["reason"], "PENDING_USER_ACTION");

    assert_eq!(api.pick(Choice::album("Trip")).await, 2);
    let (status, set) = api.poll(&session).await;
    assert_eq!((status, &set["mediaItemsSet"]), (StatusCode::OK, &json!(true)));
    assert_eq!(set.get("pollingConfig"), None);
    assert_eq!(api.picked_names(&session).await, ["b.jpg", "a.jpg"], "newest first");
    assert_eq!(api.emulator.stats().open_pick_sessions, 1);
    assert_eq!(api.delete(&session).await, (StatusCode::OK, json!({})));
    assert_eq!(api.emulator.stats().open_pick_sessions, 0);
    for gone in [
        api.poll(&session).await,
        api.delete(&session).await,
        api.get(&format!("/picker/v1/mediaItems?sessionId={id}")).await,
    ] {
        assert_refused(&gone, 404, "NOT_FOUND");
    }
    assert_eq!(api.emulator.stats().api_requests_today, 0, "it has a quota of its own");
    api.assert_no_violations();
}

#[tokio::test]
async fn an_item_shows_what_is_known_of_it() {
    let mut api = Api::start().await;
    let library_id = api.add(None, small_photo(1), "ours.jpg").await;
    api.token = api.emulator.grant_scopes(&[PICKER_SCOPE]).access_token;
    let clip = MadeUpItem { mime_type: "video/mp4".into(), ..MadeUpItem::default() };
    api.made_up("Clips", vec![MadeUpItem { captured_s: Some(0), ..clip }]).await;
    api.trip(&["a.jpg"]).await;
    let all = Choice::default();
    let session = api.picked(all.clone()).await;
    let items = api.picked_items(&session).await;
    let [ours, photo, clip] = &items[..] else { panic!("{items:#?}") };
    assert_eq!(ours["mediaFile"]["filename"], "ours.jpg");
    assert_eq!(photo["createTime"], "2019-04-28T10:00:00Z");
    assert_eq!(photo["type"], "PHOTO");
    assert_eq!(photo["mediaFile"]["mimeType"], "image/jpeg");
    let metadata = json!({
        "width": 4000, "height": 3000, "cameraMake": "Maker", "cameraModel": "Model",
        "photoMetadata": {},
    });
    assert_eq!(photo["mediaFile"]["mediaFileMetadata"], metadata);
    assert_eq!(photo.get("productUrl"), None);
    // What is not known is not there.
    assert_eq!(clip["type"], "VIDEO");
    assert_eq!(clip["mediaFile"].get("filename"), None);
    let metadata = json!({"videoMetadata": {"processingStatus": "READY"}});
    assert_eq!(clip["mediaFile"]["mediaFileMetadata"], metadata);

    let again = api.picked(all.clone()).await;
    let again = api.picked_items(&again).await;
    for (a, b) in items.iter().zip(&again) {
        assert_eq!((a["id"].as_str().unwrap().len(), &a["id"]), (98, &b["id"]), "ids persist");
        assert_ne!(a["mediaFile"]["baseUrl"], b["mediaFile"]["baseUrl"], "URLs are new");
    }
    assert_eq!(text(&ours["id"])[..16], text(&photo["id"])[..16], "a prefix for user and project");
    assert_ne!(ours["id"], library_id);
    api.emulator.faults(|f| f.picker.library_ids = true);
    assert_eq!(api.picked_items(&session).await[0]["id"], library_id);

    api.emulator.faults(|f| {
        use PickedField::*;
        f.picker.absent = vec![Filename, CreateTime, Size, Camera];
        f.picker.time_decimals = 9;
    });
    let bare = api.picked_items(&session).await;
    assert_eq!(bare[1].get("createTime"), None);
    assert_eq!(bare[1]["mediaFile"].get("filename"), None);
    assert_eq!(bare[1]["mediaFile"]["mediaFileMetadata"], json!({"photoMetadata": {}}));
    api.emulator.faults(|f| f.picker.absent = vec![PickedField::Metadata]);
    let bare = api.picked_items(&session).await;
    assert_eq!(bare[1]["mediaFile"].get("mediaFileMetadata"), None);
    assert_eq!(bare[1]["createTime"], "2019-04-28T10:00:00.123456789Z");
    for (decimals, time) in [(3, "2019-04-28T10:00:00.123Z"), (6, "2019-04-28T10:00:00.123456Z")] {
        api.emulator.faults(|f| f.picker.time_decimals = decimals);
        assert_eq!(api.picked_items(&session).await[1]["createTime"], time);
    }
    api.assert_no_violations();
}

#[tokio::test]
async fn the_picker_shows_what_the_library_api_does_not() {
    let mut api = Api::start().await;
    let picker = api.emulator.grant_scopes(&[PICKER_SCOPE]).access_token;
    let library = api.token.clone();
    let bytes = small_photo(1);
    let add = |filename: &str, content: Vec<u8>| Edit::AddItem {
        album: None,
        filename: filename.into(),
        content,
        foreign: false,
    };
    api.emulator.edit_as(Account::in_google_app(), add("phone.jpg", bytes.clone())).await.unwrap();
    let by_other = add("other.jpg", small_photo(2));
    api.emulator.edit_as(Account::by_other_client(), by_other).await.unwrap();
    let stranger = add("stranger.jpg", small_photo(3));
    api.emulator.edit_as(Account::of("other@example.com"), stranger).await.unwrap();
    api.trip(&["web.jpg"]).await;
    api.add(None, small_photo(4), "ours.jpg").await;
    assert_eq!(api.listed().await.len(), 1);
    assert!(api.titles().await.is_empty());

    let names = async |api: &Api| {
        let mut names = api.picked_names(&api.picked(Choice::default()).await).await;
        names.sort();
        names
    };
    api.token.clone_from(&picker);
    assert_eq!(names(&api).await, ["other.jpg", "ours.jpg", "phone.jpg", "web.jpg"]);
    let session = api.picked(Choice::items(["phone.jpg"])).await;
    let id = api.picked_items(&session).await[0]["id"].clone();

    // The bytes from the phone come from this computer, too: still one photo, with its id.
    api.token.clone_from(&library);
    api.add(None, bytes, "copy.jpg").await;
    api.token = picker;
    assert_eq!(names(&api).await, ["other.jpg", "ours.jpg", "phone.jpg", "web.jpg"]);
    assert_eq!(api.picked_items(&session).await[0]["id"], id);
    api.emulator.edit(Edit::MoveToBin { item: "ours.jpg".into() }).await.unwrap();
    assert_eq!(names(&api).await, ["other.jpg", "phone.jpg", "web.jpg"]);
}

#[tokio::test]
async fn sizes_are_lowered_and_pages_may_be_short_empty_or_overlap() {
    let api = Api::picking().await;
    let photos = (0..230i64).map(|n| MadeUpItem {
        filename: format!("{n:03}.jpg"),
        captured_s: Some(n),
        ..MadeUpItem::default()
    });
    api.made_up("Trip", photos.collect()).await;
    let session = api.picked(Choice::album("Trip")).await;
    let lengths = async |query: &str| {
        let pages = api.picked_pages(&session, query).await;
        pages.iter().map(Vec::len).collect::<Vec<usize>>()
    };
    assert_eq!(lengths("").await, [50, 50, 50, 50, 30]);
    assert_eq!(lengths("&pageSize=0").await, [50, 50, 50, 50, 30]);
    assert_eq!(lengths("&pageSize=500").await, [100, 100, 30]);
    api.emulator.faults(|f| f.short_pages = true);
    assert_eq!(lengths("&pageSize=100").await, [50, 50, 50, 50, 30]);
    api.emulator.faults(|f| (f.short_pages, f.empty_pages) = (false, true));
    assert_eq!(lengths("&pageSize=100").await, [0, 100, 0, 100, 0, 30]);
    api.emulator.faults(|f| (f.empty_pages, f.overlapping_pages) = (false, true));
    let pages = api.picked_pages(&session, "&pageSize=100").await;
    assert_eq!(pages[0][99]["id"], pages[1][0]["id"]);
    api.emulator.faults(|f| (f.overlapping_pages, f.trailing_page) = (false, true));
    assert_eq!(lengths("&pageSize=100").await, [100, 100, 30, 0]);
    api.assert_no_violations();

    let id = text(&session["id"]);
    for query in ["pageSize=-1", "pageSize=x", "pageToken=AAAA", "colour=red"] {
        let refused = api.get(&format!("/picker/v1/mediaItems?sessionId={id}&{query}")).await;
        assert_refused(&refused, 400, "INVALID_ARGUMENT");
    }
    assert_eq!(api.emulator.stats().violations_total, 4);
}

#[tokio::test]
async fn the_order_is_a_switch() {
    let api = Api::picking().await;
    api.trip(&["a.jpg", "b.jpg", "c.jpg"]).await;
    let session = api.session().await;
    for choice in [Choice::items(["b.jpg"]), Choice::album("Trip")] {
        api.emulator.pick(PickStep::Tick { session: None, choice }).await.unwrap();
    }
    assert_eq!(api.emulator.pick(PickStep::Done { session: None }).await, Ok(3), "none twice");
    for (order, names) in [
        (PickOrder::NewestFirst, ["c.jpg", "b.jpg", "a.jpg"]),
        (PickOrder::OldestFirst, ["a.jpg", "b.jpg", "c.jpg"]),
        (PickOrder::AsTicked, ["b.jpg", "c.jpg", "a.jpg"]),
    ] {
        api.emulator.faults(|f| f.picker.order = order);
        assert_eq!(api.picked_names(&session).await, names);
    }
}

#[tokio::test]
async fn polls_faster_than_told_are_violations() {
    let api = Api::picking().await;
    api.emulator.faults(|f| f.picker.poll_interval_ms = 5000);
    let session = api.session().await;
    assert_eq!(session["pollingConfig"]["pollInterval"], "5s");
    api.poll(&session).await;
    api.emulator.advance_clock(Duration::from_secs(5));
    let left = async || seconds(&api.poll(&session).await.1["pollingConfig"]["timeoutIn"]);
    assert!(left().await <= 1795.0, "it runs down");
    api.assert_no_violations();
    api.poll(&session).await;
    assert_eq!(api.emulator.stats().violations_total, 1);
    api.emulator.faults(|f| f.picker.unset_is_false = true);
    api.emulator.advance_clock(Duration::from_secs(1800));
    let (_, over) = api.poll(&session).await;
    assert_eq!(over["pollingConfig"]["timeoutIn"], "0s");
    assert_eq!(over["mediaItemsSet"], false);
    assert_eq!(api.emulator.stats().violations_total, 1);
    api.emulator.advance_clock(Duration::from_secs(60));
    api.poll(&session).await;
    let violations = api.emulator.stats().violations;
    assert!(violations[0].contains("faster than pollInterval"), "{violations:?}");
    assert!(violations[1].contains("timeoutIn had run out"), "{violations:?}");
}

#[tokio::test]
async fn sessions_end_by_themselves_and_by_the_tests_will() {
    let api = Api::picking().await;
    api.trip(&["a.jpg"]).await;
    api.emulator.faults(|f| f.picker.session_life_s = 60);
    let session = api.session().await;
    api.emulator.pick(PickStep::Close { session: None }).await.unwrap();
    assert_eq!(api.poll(&session).await.1.get("mediaItemsSet"), None, "no signal");
    assert_eq!(api.emulator.pick_sessions()[0].state, PickState::Waiting);
    api.pick(Choice::day("2019-04-28")).await;
    assert_eq!(api.emulator.pick_sessions()[0].state, PickState::Picked);
    api.emulator.advance_clock(Duration::from_secs(61));
    assert_refused(&api.poll(&session).await, 404, "NOT_FOUND");
    assert_eq!(api.emulator.pick_sessions()[0].state, PickState::Expired);

    let session = api.session().await;
    api.emulator.pick(PickStep::Expire { session: None }).await.unwrap();
    assert_refused(&api.poll(&session).await, 404, "NOT_FOUND");

    api.emulator.faults(|f| f.picker.done_hangs_from = Some(1));
    let session = api.session().await;
    assert_eq!(api.pick(Choice::album("Trip")).await, 0);
    assert_eq!(api.poll(&session).await.1.get("mediaItemsSet"), None);
    api.assert_no_violations();
}

#[tokio::test]
async fn sessions_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { state: Some(dir.path().into()), ..Config::default() };
    let mut api = Api::with(config.clone()).await;
    api.token = api.emulator.grant_scopes(&[PICKER_SCOPE]).access_token;
    api.trip(&["a.jpg"]).await;
    let (set, deleted) = (api.picked(Choice::album("Trip")).await, api.session().await);
    api.delete(&deleted).await;
    let token = api.token.clone();
    api.emulator.stop().await;
    let api = Api { token, ..Api::with(config).await };
    assert_eq!(api.picked_names(&set).await, ["a.jpg"]);
    assert_eq!(api.emulator.pick_sessions().len(), 1);
}

#[tokio::test]
async fn scripts_can_do_the_same() {
    let api = Api::picking().await;
    let edit = "/emulator/edit?client=google_app";
    api.ok(edit, json!({"op": "create_album", "title": "Trip"})).await;
    let items = json!([{"filename": "a.jpg", "captured_s": 1_556_445_600}, {"filename": "b.jpg"}]);
    api.ok(edit, json!({"op": "add_made_up", "album": "Trip", "items": items})).await;
    let session = api.session().await;
    let pick = "/emulator/pick";
    let refused = api.post(pick, json!({"op": "tick", "choice": {"album": "None"}})).await;
    assert_refused(&refused, 404, "NOT_FOUND");
    let ticked = json!({"op": "tick", "choice": {"day": "2019-04"}});
    assert_eq!(api.ok(pick, ticked).await, json!({"items": 1}));
    let (_, sessions) = api.get(pick).await;
    let waiting = json!([{
        "id": session["id"], "user": "user@example.com", "picker_uri": session["pickerUri"],
        "items": 1, "state": "waiting",
    }]);
    assert_eq!(sessions, waiting);
    let done = json!({"op": "done", "session": session["id"]});
    assert_eq!(api.ok(pick, done.clone()).await, json!({"items": 1}));
    assert_eq!(api.post(pick, done).await.0, StatusCode::NOT_FOUND);
    api.ok(pick, json!({"op": "expire", "session": session["id"]})).await;
    assert_eq!(api.get(pick).await.1[0]["state"], "expired");
    assert_eq!(api.get("/emulator/stats").await.1["open_pick_sessions"], 0);
}

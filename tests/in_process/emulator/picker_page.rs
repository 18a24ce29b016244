//! The picker's page as a program without scripts sees it.

use gphotosfs_emulator::{Choice, MadeUpItem, PickState, PickStep};

use super::*;

/// Three photos of one day and one of the next, newest last.
pub(super) fn two_days() -> Vec<MadeUpItem> {
    let photo = |(filename, captured_s): (&str, i64)| MadeUpItem {
        filename: filename.into(),
        captured_s: Some(captured_s),
        ..MadeUpItem::default()
    };
    let day = 1_556_445_600;
    let photos =
        [("a.jpg", day), ("b.jpg", day + 60), ("<c>.jpg", day + 120), ("next.jpg", day + 86_400)];
    photos.map(photo).to_vec()
}

/// A page in a browser of the signed-in user.
struct Tab<'a> {
    api: &'a Api,
    uri: String,
}

impl<'a> Tab<'a> {
    async fn open(api: &'a Api) -> Tab<'a> {
        Tab { api, uri: text(&api.session().await["pickerUri"]) }
    }

    async fn get(&self, rest: &str) -> (StatusCode, String) {
        let response = self.api.http.get(format!("{}{rest}", self.uri)).send().await.unwrap();
        assert_eq!(response.headers()["x-frame-options"], "DENY");
        (response.status(), response.text().await.unwrap())
    }

    async fn page(&self, rest: &str) -> String {
        let (status, page) = self.get(rest).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        page
    }

    /// Names in the order of the page, which marks the ticked ones.
    async fn shown(&self, rest: &str) -> Vec<String> {
        let page = self.page(rest).await;
        let tiles = page.split("<br>").skip(1);
        tiles.map(|tile| tile.split("</button>").next().unwrap().to_owned()).collect()
    }

    async fn press(&self, button: &str, fields: &[(&str, &str)]) -> (StatusCode, String) {
        let request = self.api.http.post(format!("{}/{button}", self.uri));
        let response = request.form(fields).send().await.unwrap();
        (response.status(), response.text().await.unwrap())
    }
}

#[tokio::test]
async fn a_person_searches_ticks_and_is_done() {
    let api = Api::picking().await;
    api.made_up("Trip <to> Rome", two_days()).await;
    let other = MadeUpItem { filename: "other.jpg".into(), ..MadeUpItem::default() };
    api.made_up("Other", vec![other]).await;
    let session = api.session().await;
    let tab = Tab { api: &api, uri: text(&session["pickerUri"]) };
    let all = ["☐ other.jpg", "☐ next.jpg", "☐ &lt;c&gt;.jpg", "☐ b.jpg", "☐ a.jpg"];
    assert_eq!(tab.shown("").await, all);
    assert_eq!(tab.shown("?q=rome").await, all[1..], "an album");
    assert_eq!(tab.shown("?q=2019-04-28").await, all[2..], "a day");
    assert_eq!(tab.shown("?q=NEXT").await, all[1..2], "a name");
    assert!(tab.shown("?q=nowhere").await.is_empty());
    assert!(!tab.page("").await.contains("Trip"), "albums are found only by a search");

    let (status, page) = tab.press("done", &[]).await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("Select at least one item."));
    let day = [("q", "rome"), ("day", "2019-04-28"), ("on", "true")];
    assert_eq!(tab.press("tick", &day).await.0, StatusCode::SEE_OTHER);
    let ticked = ["☐ other.jpg", "☐ next.jpg", "☑ &lt;c&gt;.jpg", "☑ b.jpg", "☑ a.jpg"];
    assert_eq!(tab.shown("").await, ticked);
    let page = tab.page("").await;
    assert!(page.contains("<span id=count>3</span>") && page.contains("Deselect the day"));
    // One form of the page, as a browser would send it.
    let (_, tile) = page.split_once("name=item value=\"").unwrap();
    let item = tile.split('"').next().unwrap().replace("&quot;", "\"");
    tab.press("tick", &[("item", &item), ("on", "true")]).await;
    let day = [("q", "b.jpg"), ("day", "2019-04-28"), ("on", "false")];
    tab.press("tick", &day).await;
    let (status, page) = tab.press("done", &[]).await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("You have selected 3 items.") && !page.contains("window.close"));
    assert_eq!(api.picked_names(&session).await, ["other.jpg", "<c>.jpg", "a.jpg"]);
    for dead in ["", "/autoclose", "?q=rome"] {
        assert_eq!(tab.get(dead).await.0, StatusCode::NOT_FOUND);
    }
    assert_eq!(tab.press("done", &[]).await.0, StatusCode::NOT_FOUND);
    api.assert_no_violations();
}

#[tokio::test]
async fn the_page_may_close_itself() {
    let api = Api::picking().await;
    api.made_up("Trip", two_days()).await;
    let tab = Tab::open(&api).await;
    let page = tab.page("/autoclose").await;
    assert!(page.contains("name=autoclose value=true"));
    let all = [("q", "trip"), ("day", "2019-04-28"), ("on", "true"), ("autoclose", "true")];
    let request = api.http.post(format!("{}/tick", tab.uri)).form(&all);
    let response = request.send().await.unwrap();
    let back = response.headers()["location"].to_str().unwrap().to_owned();
    assert!(back.starts_with(&format!("{}/autoclose?", tab.uri)), "{back}");
    let (_, page) = tab.press("done", &[("autoclose", "true")]).await;
    assert!(page.contains("<script>window.close()</script>"));
}

#[tokio::test]
async fn only_the_user_of_the_token_may_pick() {
    let api = Api::picking().await;
    api.made_up("Trip", two_days()).await;
    let tab = Tab::open(&api).await;
    api.emulator.sign_in("other@example.com");
    let (status, page) = tab.get("").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(page.contains("You are signed in as other@example.com."), "{page}");
    assert_eq!(tab.press("done", &[]).await.0, StatusCode::FORBIDDEN);
    api.emulator.sign_in("user@example.com");
    assert_eq!(tab.shown("").await.len(), 4);

    let foreign = api.http.post(format!("{}/tick", tab.uri)).header("origin", "http://evil.test");
    let day = [("day", "2019-04-28"), ("on", "true")];
    assert_eq!(foreign.form(&day).send().await.unwrap().status(), StatusCode::FORBIDDEN);
    let host = api.http.get(&tab.uri).header("host", "evil.test");
    assert_eq!(host.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(api.emulator.pick_sessions()[0].items, 0);
    let forged = api.http.get(format!("{}A", tab.uri)).send().await.unwrap();
    assert_eq!(forged.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn one_too_many_is_said_and_not_ticked() {
    let api = Api::picking().await;
    let day = |n: i64| MadeUpItem { captured_s: Some(n % 2 * 86_400 + n), ..MadeUpItem::default() };
    api.made_up("Trip", (0..2001).map(day).collect()).await;
    let tab = Tab::open(&api).await;
    tab.press("tick", &[("day", "1970-01-02"), ("on", "true")]).await;
    let (status, page) = tab.press("tick", &[("day", "1970-01-01"), ("on", "true")]).await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("You can select up to 2000 items."), "{}", &page[..500]);
    assert!(page.contains("<span id=count>1000</span>"));
    let (shown, more) = (page.matches("<li>").count(), page.contains("id=more"));
    assert_eq!((shown, more), (500, true));
    assert_eq!(tab.shown("?from=2000").await.len(), 1);
}

#[tokio::test]
async fn done_may_hang_and_a_closed_tab_says_nothing() {
    let api = Api::picking().await;
    api.made_up("Trip", two_days()).await;
    api.emulator.faults(|f| f.picker.done_hangs_from = Some(4));
    let tab = Tab::open(&api).await;
    let tick = async |choice| {
        api.emulator.pick(PickStep::Tick { session: None, choice }).await.unwrap();
    };
    tick(Choice::album("Trip")).await;
    assert_eq!(tab.press("done", &[]).await.0, StatusCode::SEE_OTHER);
    assert_eq!(tab.page("").await.matches("☑").count(), 4, "nothing has happened");
    api.emulator.pick(PickStep::Close { session: None }).await.unwrap();
    assert_eq!(api.emulator.pick_sessions()[0].state, PickState::Waiting);
    assert_eq!(tab.page("").await.matches("☑").count(), 0);
    tick(Choice::items(["a.jpg"])).await;
    assert_eq!(tab.press("done", &[]).await.0, StatusCode::OK);
    assert_eq!(api.emulator.pick_sessions()[0].state, PickState::Picked);
}

//! The picker's page in a real browser, as a person uses it.

use gphotosfs_emulator::{MadeUpItem, PickState};

use super::chromium::{Browser, Tab};
use super::picker_page::two_days;
use super::*;

fn search(tab: &mut Tab<'_>, words: &str) {
    tab.evaluate(&format!("document.querySelector('[name=q]').value = '{words}'"));
    tab.click("document.querySelector('[name=q]').form.querySelector('button')");
}

/// The names on the page, each behind its tick.
fn tiles(tab: &mut Tab<'_>) -> String {
    let names = "[...document.querySelectorAll('li')].map(it => it.innerText.trim()).join(' ')";
    tab.evaluate(names).as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: scripts/test.sh --long has it"]
async fn a_day_is_ticked_an_album_found_and_a_tab_closed() {
    let api = Api::picking().await;
    api.made_up("Trip to Rome", two_days()).await;
    let other = MadeUpItem { filename: "other.jpg".into(), ..MadeUpItem::default() };
    api.made_up("Other", vec![other]).await;
    let abandoned = api.session().await;
    let mut browser = Browser::start();

    let mut tab = browser.open(&text(&abandoned["pickerUri"]));
    assert_eq!(tiles(&mut tab), "☐ other.jpg ☐ next.jpg ☐ <c>.jpg ☐ b.jpg ☐ a.jpg");
    tab.click("document.querySelector('li button')");
    assert_eq!(tiles(&mut tab), "☑ other.jpg ☐ next.jpg ☐ <c>.jpg ☐ b.jpg ☐ a.jpg");
    tab.close();
    assert_eq!(api.emulator.pick_sessions()[0].state, PickState::Waiting);
    let (_, session) = api.poll(&abandoned).await;
    assert_eq!(session.get("mediaItemsSet"), None, "a closed tab sends no signal");

    let session = api.session().await;
    let mut tab = browser.open(&text(&session["pickerUri"]));
    search(&mut tab, "rome");
    assert_eq!(tiles(&mut tab), "☐ next.jpg ☐ <c>.jpg ☐ b.jpg ☐ a.jpg");
    tab.click("[...document.querySelectorAll('h2')][1].querySelector('button')");
    assert_eq!(tiles(&mut tab), "☐ next.jpg ☑ <c>.jpg ☑ b.jpg ☑ a.jpg");
    search(&mut tab, "other");
    tab.click("document.querySelector('li button')");
    assert_eq!(tab.evaluate("document.getElementById('count').innerText"), "4");
    tab.click("document.getElementById('done')");
    assert!(tab.text().contains("You have selected 4 items."), "{}", tab.text());
    tab.close();
    assert_eq!(api.picked_names(&session).await, ["other.jpg", "<c>.jpg", "b.jpg", "a.jpg"]);
    let mut tab = browser.open(&text(&session["pickerUri"]));
    assert!(tab.text().contains("no longer good"), "{}", tab.text());
    tab.close();
    api.assert_no_violations();
}

//! `gphotosfs pick` without a login, and without picks.

use crate::program::User;
use crate::support::schema;

#[test]
fn without_a_login_the_next_step_is_one_that_allows_picks() {
    let run = User::new().run(&["pick", "Trip"]);
    run.exits(1).says("cannot pick: not logged in\n  -> run 'gphotosfs login --picker'\n");
}

#[test]
fn options_of_another_kind_of_pick_are_refused() {
    let user = User::new();
    for args in [
        &["pick", "--json", "Trip"][..],
        &["pick", "--json", "--forget", "Trip"],
        &["pick", "--list", "--new"],
        &["pick", "--list", "--qr"],
        &["pick", "--forget", "Trip", "--timeout", "1m"],
    ] {
        user.run(args).exits(2).says("cannot be used with");
    }
}

#[test]
fn a_list_without_picks_says_so() {
    let user = User::new();
    let run = user.run(&["pick", "--list"]);
    assert_eq!(run.exits(0).stdout(), "There are no picks: 'gphotosfs pick NAME' makes one.\n");
    let run = user.run(&["pick", "--list", "--json"]);
    assert_eq!(schema::check("pick", &run.stdout())["picks"], serde_json::json!([]));
}

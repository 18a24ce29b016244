//! A profile belongs to the account and the OAuth client that it was first used with.

use gphotosfs::api::OtherLibrary;
use gphotosfs_emulator::{Account, DEFAULT_USER, OauthClient};

use super::*;
use crate::support::login;

const OTHER_USER: &str = "other@example.com";

/// The user logs in as an account, by other means than this program.
fn log_in(world: &World, account: &Account) {
    login::write_account(world.profile.config_dir().unwrap(), &world.emulator, account);
}

/// Has the mount use the stored login.
fn use_login(world: &World) -> Result<(), Errno> {
    let asked = world.wait(world.fs.getxattr(ROOT, b"user.gphotos.login"));
    asked.map(drop).map_err(|error| error.errno())
}

fn is_refused(world: &World) -> Option<OtherLibrary> {
    match world.engine().client.login().failure() {
        Some(LoginError::OtherLibrary(other)) => Some(other),
        _ => None,
    }
}

fn asked(cost: &[(Call, u64)], call: Call) -> u64 {
    cost.iter().find(|(it, _)| *it == call).map_or(0, |(_, count)| *count)
}

/// An album with two names for one item and another item, all at Google, and a file to come.
fn with_a_queue(world: &World) -> Ino {
    let trip = world.mkdir(ROOT, "Trip").unwrap();
    let one = world.copy_in(trip, "a.jpg", &content(1, 5000)).unwrap();
    world.link(one, trip, "same as a.jpg").unwrap();
    world.copy_in(trip, "b.jpg", &content(2, 5000)).unwrap();
    world.sync(trip).unwrap();
    world.rename((trip, "b.jpg"), (trip, "c.jpg"), Rename::Replace).unwrap();
    trip
}

/// Checks that nothing is asked for or changed with the login of another account or client.
fn is_left_alone(mut world: World, account: &Account) {
    let trip = with_a_queue(&world);
    world.restart();
    // Another account has an album of that title, too.
    let own = Edit::CreateAlbum { title: "Trip".into() };
    world.emulator.wait(world.emulator.edit_as(account.clone(), own)).unwrap();
    log_in(&world, account);
    world.restart();
    let known = ["a.jpg", "same as a.jpg", "c.jpg"];
    let cost = world.cost(|| {
        assert_eq!(use_login(&world), Err(Errno(libc::EACCES)));
        assert_eq!(world.names(ROOT), ["Trip"]);
        assert_eq!(world.names(trip), known);
        world.copy_in(trip, "d.jpg", &content(4, 5000)).unwrap();
        assert_eq!(world.sync(trip), Err(Errno(libc::EACCES)));
        assert_eq!(world.mkdir(ROOT, "New"), Err(Errno(libc::EACCES)));
        assert_eq!(world.refresh(ROOT), Err(Errno(libc::EACCES)));
        assert_eq!(world.names(trip), [&known[..], &["d.jpg"]].concat());
    });
    let changes = [Call::AlbumsCreate, Call::UploadRaw, Call::MediaItemsBatchCreate];
    assert!(changes.iter().all(|call| asked(&cost, *call) == 0), "{cost:?}");
    assert!(asked(&cost, Call::AlbumsList) <= 1, "asked for once: {cost:?}");
    assert!(is_refused(&world).is_some());
    let queue = world.pipeline.queue().unwrap();
    assert_eq!((queue.backlog.sealed, queue.backlog.failed), (1, 0));
    let theirs = world.emulator.dump_of(account);
    assert_eq!((theirs.albums.len(), theirs.items.len()), (1, 0));

    // Back on the right account everything is as it was, and the queue goes on.
    log_in(&world, &Account::default());
    let cost = world.cost(|| use_login(&world).unwrap());
    assert_eq!(asked(&cost, Call::MediaItemsBatchGet), 1, "{cost:?}");
    assert!(is_refused(&world).is_none());
    world.refresh(ROOT).unwrap();
    world.sync(ROOT).unwrap();
    assert_eq!(world.names(trip), [&known[..], &["d.jpg"]].concat());
    let attr = world.wait(world.fs.getattr(world.lookup(trip, "a.jpg").unwrap())).unwrap();
    assert_eq!(attr.links, 2);
    let ours = world.emulator.dump();
    assert_eq!(ours.albums.len(), 1);
    assert_eq!(ours.album("Trip").unwrap().items.len(), 3);
}

/// > With a login of another account, or of another OAuth client, the tree stays as it was. Nothing
/// > is listed, queued files wait, and operations that need Google fail with `EACCES`.
#[test]
fn another_account_is_refused_and_changes_nothing() {
    is_left_alone(World::new(&[]), &Account::of(OTHER_USER));
}

#[test]
fn another_client_is_refused_and_changes_nothing() {
    is_left_alone(World::new(&[]), &Account::by_other_client());
}

#[test]
fn another_client_is_refused_without_a_request() {
    let mut world = World::new(&[]);
    with_a_queue(&world);
    log_in(&world, &Account::by_other_client());
    world.restart();
    let cost = world.cost(|| assert_eq!(use_login(&world), Err(Errno(libc::EACCES))));
    assert_eq!(cost, []);
    assert!(matches!(is_refused(&world), Some(OtherLibrary::Client { .. })));
    let binding = world.engine().client.login().binding().unwrap();
    assert_eq!(world.engine().client.login().client_id(), client_id(&world, OauthClient::Other));
    assert_eq!(binding.client_id, client_id(&world, OauthClient::First));
}

fn client_id(world: &World, client: OauthClient) -> String {
    let file: serde_json::Value =
        serde_json::from_str(&world.emulator.client_secret_json_of(client)).unwrap();
    file["installed"]["client_id"].as_str().unwrap().to_owned()
}

#[test]
fn a_running_mount_refuses_another_account_when_its_token_has_ended() {
    let world = World::new(&[]);
    let trip = with_a_queue(&world);
    log_in(&world, &Account::of(OTHER_USER));
    world.emulator.expire_access_tokens();
    world.copy_in(trip, "d.jpg", &content(4, 5000)).unwrap();
    assert_eq!(world.sync(trip), Err(Errno(libc::EACCES)));
    assert!(matches!(is_refused(&world), Some(OtherLibrary::Account { items: 2, albums: 1 })));
    assert!(world.emulator.dump_of(&Account::of(OTHER_USER)).items.is_empty());
    // The next operation finds the right login by itself.
    log_in(&world, &Account::default());
    world.refresh(ROOT).unwrap();
    world.pipeline.try_now();
    world.sync(trip).unwrap();
    assert_eq!(world.emulator.dump().album("Trip").unwrap().items.len(), 3);
}

#[test]
fn a_login_is_checked_once_and_by_one_request() {
    let mut world = World::new(&[]);
    with_a_queue(&world);
    for _ in 0..2 {
        world.restart();
        assert_eq!(world.cost(|| use_login(&world).unwrap()), []);
    }
    log_in(&world, &Account::of(DEFAULT_USER));
    assert_eq!(world.cost(|| use_login(&world).unwrap()), [(Call::MediaItemsBatchGet, 1)]);
    world.restart();
    assert_eq!(world.cost(|| use_login(&world).unwrap()), []);
}

#[test]
fn a_profile_that_knows_nothing_belongs_to_nobody() {
    let mut world = World::new(&[]);
    assert_eq!(world.names(ROOT), [""; 0]);
    for account in [Account::of(OTHER_USER), Account::by_other_client()] {
        log_in(&world, &account);
        world.restart();
        use_login(&world).unwrap();
        assert_eq!(world.names(ROOT), [""; 0]);
    }
    world.mkdir(ROOT, "Trip").unwrap();
    assert_eq!(world.emulator.dump_of(&Account::by_other_client()).albums.len(), 1);
    log_in(&world, &Account::default());
    world.restart();
    assert_eq!(use_login(&world), Err(Errno(libc::EACCES)));
}

#[test]
fn deleted_albums_and_items_lock_nobody_out() {
    let mut world = World::new(&[]);
    for n in 0..6 {
        let dir = world.mkdir(ROOT, &format!("Day {n}")).unwrap();
        world.copy_in(dir, "a.jpg", &content(n, 5000)).unwrap();
    }
    world.sync(ROOT).unwrap();
    let items: Vec<String> = world.emulator.dump().items.into_iter().map(|item| item.id).collect();
    let check = |world: &mut World| {
        world.restart();
        log_in(world, &Account::default());
        use_login(world)
    };
    world.edit(Edit::DeleteAlbum { album: "Day 5".into() });
    for item in &items[1..] {
        world.edit(Edit::MoveToBin { item: item.clone() });
    }
    check(&mut world).unwrap();
    world.edit(Edit::DeleteItem { item: items[0].clone() });
    check(&mut world).unwrap();
    // Of the albums only one is left, and it is none of those that are asked for by their ids.
    for n in [0, 1, 3, 4] {
        world.edit(Edit::DeleteAlbum { album: format!("Day {n}") });
    }
    check(&mut world).unwrap();
    world.edit(Edit::DeleteAlbum { album: "Day 2".into() });
    assert_eq!(check(&mut world), Err(Errno(libc::EACCES)));
    let said = is_refused(&world).unwrap();
    assert!(said.to_string().contains("everything that this profile knows was deleted"), "{said}");
    assert!(said.remedy().contains("login --same-account"));
    assert_eq!(world.names(ROOT).len(), 6, "nothing was listed");
}

#[test]
fn a_check_that_fails_is_an_outage_and_no_refusal() {
    let mut world = World::new(&[]);
    let trip = with_a_queue(&world);
    log_in(&world, &Account::default());
    world.restart();
    let html = Injection { rate: 1.0, ..Injection::new(Failure::HtmlPage { http: 404 }) };
    world.emulator.faults(|faults| faults.on(Call::MediaItemsBatchGet).failures.push(html));
    assert_eq!(use_login(&world), Err(Errno(libc::EIO)));
    assert!(is_refused(&world).is_none());
    world.emulator.faults(|faults| faults.on(Call::MediaItemsBatchGet).failures.clear());
    world.copy_in(trip, "d.jpg", &content(4, 5000)).unwrap();
    world.sync(trip).unwrap();
    assert_eq!(world.pipeline.queue().unwrap().backlog.failed, 0);
}

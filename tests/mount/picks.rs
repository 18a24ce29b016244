//! `gphotosfs pick` and `.gphotos/picked` on real mounts: what the user picks in Google's page, the files that it becomes,
//! the requests that it costs, and what `gphotosfs diff` says about them.

mod failures;
mod files;
mod interrupted;
mod odd;
mod refused;
mod sessions;
mod told_apart;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

use gphotosfs_emulator::{Account, Call, Choice, Edit, MadeUpItem, PickStep};
use serde_json::{Value, json};

use crate::support::{World, camera, schema, wait_for};

/// A world whose login allows picks, with an album made in Google's web page.
fn world() -> World {
    let world = World::new();
    let secret = world.emulator.client_secret_json();
    let (done, said) = world.log_in_with(&secret, &["--picker"]);
    assert!(done, "{said}");
    world.emulator.faults(|faults| faults.picker.poll_interval_ms = 100);
    elsewhere(&world, Edit::CreateAlbum { title: "Trip".into() });
    world
}

/// A mounted world whose pick `Trip` is the whole album, with these photos.
fn picked(seeds: impl IntoIterator<Item = u32>) -> World {
    let world = world();
    seeds.into_iter().for_each(|seed| photo(&world, seed));
    world.mount(&[]);
    pick(&world, &["Trip"], Choice::album("Trip"));
    world
}

/// Makes an edit as the user with the phone, or in the web page.
fn elsewhere(world: &World, edit: Edit) {
    world.emulator.wait(world.emulator.edit_as(Account::in_google_app(), edit)).unwrap();
}

/// A photo in an album made elsewhere, and in the local directory `photo`.
fn photo(world: &World, seed: u32) {
    photo_at(world, seed, false);
}

/// As [`photo`], perhaps with the place where it was taken.
fn photo_at(world: &World, seed: u32, located: bool) {
    let content = camera::photo(seed, &taken(seed), located);
    let filename = format!("DSC_{seed:04}.JPG");
    fs::create_dir_all(world.dir.path().join("photo")).unwrap();
    fs::write(world.dir.path().join("photo").join(&filename), &content).unwrap();
    let album = Some("Trip".to_owned());
    elsewhere(world, Edit::AddItem { album, filename, content, foreign: false });
}

/// A second of the 28th of April 2019 or later, as EXIF has it.
fn taken(seed: u32) -> String {
    let (hour, minute, second) = (seed / 3600, seed / 60 % 60, seed % 60);
    format!("2019:04:28 {hour:02}:{minute:02}:{second:02}")
}

fn args<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["pick", "--no-browser"], more].concat()
}

/// A `pick` that has printed the address of Google's page.
struct Waiting {
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
    page: String,
}

impl Waiting {
    fn begin(world: &World, more: &[&str]) -> Self {
        let mut child = world
            .program()
            .args(args(more))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut page = String::new();
        stdout.read_line(&mut page).unwrap();
        Self { child, stdout, page }
    }

    /// Exit status, the rest of stdout, stderr.
    fn end(mut self) -> (i32, String, String) {
        let (mut out, mut err) = (String::new(), String::new());
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        self.stdout.read_to_string(&mut out).unwrap();
        (self.child.wait().unwrap().code().unwrap(), out, err)
    }
}

/// Picks in Google's page what is chosen there. Returns exit status, stdout and stderr.
fn pick(world: &World, more: &[&str], choice: Choice) -> (i32, String, String) {
    pick_by(world, more, PickStep::Pick { session: None, choice })
}

fn pick_by(world: &World, more: &[&str], step: PickStep) -> (i32, String, String) {
    let waiting = Waiting::begin(world, more);
    assert!(waiting.page.trim_end().ends_with("/autoclose"), "{}", waiting.page);
    world.emulator.wait(world.emulator.pick(step)).unwrap();
    waiting.end()
}

fn some(album: &str, skip: usize, take: usize) -> Choice {
    Choice { skip, take: Some(take), ..Choice::album(album) }
}

/// What `diff --json` says about the pick `Trip`, and its exit status.
fn diff(world: &World) -> (i32, Value) {
    let mut program = world.program();
    let args = ["diff", "--json", "photo", "mnt/.gphotos/picked/Trip"];
    let outcome = program.current_dir(world.dir.path()).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
    let found = String::from_utf8(outcome.stdout).unwrap();
    assert!(!found.is_empty(), "{said}");
    (outcome.status.code().unwrap(), schema::check("diff", &found))
}

/// What `diff` says about the pick `Trip` as text, and on stderr.
fn diff_text(world: &World) -> (String, String) {
    let mut program = world.program();
    let args = ["diff", "photo", "mnt/.gphotos/picked/Trip"];
    let outcome = program.current_dir(world.dir.path()).args(args).output().unwrap();
    let text = |it: Vec<u8>| String::from_utf8(it).unwrap();
    (text(outcome.stdout), text(outcome.stderr))
}

fn list(world: &World) -> Value {
    let said = world.run(&["pick", "--list", "--json"]).stdout;
    schema::check("pick", std::str::from_utf8(&said).unwrap())["picks"].take()
}

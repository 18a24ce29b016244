//! A week of a photographer with a notebook, in fast motion: one folder a day, which a job copies into
//! its album at night, and each day something happens. In the end nothing is lost, skipped,
//! duplicated or refused, and a person can read the log.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use gphotosfs_emulator::{Call, Moment};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::clock::{Clock, out_of_the_blur};
use crate::support::{World, sha256, wait_for};

/// Google ends the logins of an app in testing after this time, in seconds.
const LOGIN_LIFE_S: u64 = 604_799;

const HOUR: Duration = Duration::from_secs(3600);

/// Requests a day, as Google permits.
const DAILY_REQUESTS: u64 = 10_000;

/// The log has lines for what a person ought to know, and none for a photo that arrives.
const LOG_LINES_MAX: usize = 40;

/// Each line of the log has one of these: a command to run, how long the mount waits by itself, or the host that it
/// cannot reach.
const NEXT_STEPS: [&str; 5] =
    ["run `gphotosfs login`", "uploads wait: ", " until", "is tried now", "no connection to "];

struct Week {
    world: World,
    clock: Clock,
    /// When it begins, by the clock.
    begin: Duration,
    /// How far the clock has come.
    passed: Duration,
    photos_a_day: u32,
    /// Folders so far.
    days: u32,
    /// Faults that the emulator has found before it was gone for a while.
    violations: Vec<String>,
}

impl Week {
    fn new(photos_a_day: u32) -> Self {
        let mut world = World::new();
        let clock = Clock::of(&mut world);
        let (begin, passed) = (out_of_the_blur(), Duration::ZERO);
        let violations = Vec::new();
        let mut week = Self { world, clock, begin, passed, photos_a_day, days: 0, violations };
        week.pass(begin);
        week.restrict();
        week.world.login();
        week.world.mount(&[]);
        week
    }

    /// The emulator's rules, which it forgets while it is gone.
    fn restrict(&self) {
        self.world.emulator.faults(|faults| faults.refresh_token_life_s = Some(LOGIN_LIFE_S));
    }

    /// Time passes, for everybody.
    fn pass(&mut self, time: Duration) {
        self.passed += time;
        self.world.emulator.advance_clock(time);
        self.clock.set(self.passed.as_secs() as i64);
    }

    /// The rest of the day passes.
    fn sleep(&mut self) {
        self.pass(self.begin + self.days * 24 * HOUR - self.passed);
    }

    /// A new day, with a folder of photos, and an album for it, which Google makes at once. Returns
    /// its name.
    fn folder(&mut self) -> String {
        self.days += 1;
        let day = format!("{}", 20_190_420 + self.days);
        for at in 0..self.photos_a_day {
            let name = format!("photo/{day}/IMG_{at:04}.jpg");
            self.world.photo(&name, self.days * 100_000 + at, 5000);
        }
        self.world.sh(&format!("mkdir mnt/{day}"));
        day
    }

    /// The job copies the folder at night, and once more, in case it did not succeed.
    fn night(&self, day: &str) {
        let job = format!("env -i PATH=/usr/bin:/bin rsync -rti photo/{day}/ mnt/{day}/");
        self.world.sh_within(600, &format!("{job} >first; {job} >second; [ ! -s second ]"));
    }

    /// The photographer looks at the folder and its album.
    fn compare(&self, day: &str) {
        self.world.sh_within(600, &format!("diff -r photo/{day} mnt/{day}"));
    }

    fn sync(&self) {
        self.world.sh_within(600, "sync mnt");
    }

    fn trouble(&self) -> Value {
        let status = self.world.run(&["status", "--json"]).stdout;
        serde_json::from_slice::<Value>(&status).unwrap()["trouble"]["kind"].clone()
    }

    fn process(&self) -> Pid {
        let status = fs::read(self.world.mnt.join(".gphotos/status.json")).unwrap();
        let status: Value = serde_json::from_slice(&status).unwrap();
        Pid::from_raw(status["pid"].as_i64().unwrap() as i32).unwrap()
    }

    /// Copies the folder by hand while `happens` is yet to come. No upload gets an answer before.
    fn interrupted(&mut self, happens: impl FnOnce(&mut Self)) {
        let day = self.folder();
        self.world.emulator.hold(Call::UploadRaw, Moment::Request);
        self.world.sh(&format!("cp -rp photo/{day} mnt/"));
        wait_for("an upload", || self.world.emulator.stats().requests(Call::UploadRaw) > 0);
        happens(self);
        self.world.emulator.let_go(Call::UploadRaw, Moment::Request);
        self.night(&day);
        self.compare(&day);
    }

    fn monday_is_ordinary(&mut self) {
        let day = self.folder();
        self.night(&day);
        self.compare(&day);
    }

    fn tuesday_uses_up_the_quota(&mut self) {
        let day = self.folder();
        let few = self.world.emulator.stats().api_requests_today + 1;
        self.world.emulator.faults(|faults| faults.daily_requests = few);
        self.night(&day);
        wait_for("the queue to stop", || self.trouble() == "quota");
        self.pass(24 * HOUR);
        self.world.emulator.faults(|faults| faults.daily_requests = DAILY_REQUESTS);
        self.compare(&day);
        self.sync();
    }

    fn wednesday_has_the_lid_closed(&mut self) {
        self.interrupted(|week| {
            let process = week.process();
            kill_process(process, Signal::STOP).unwrap();
            week.pass(9 * HOUR);
            kill_process(process, Signal::CONT).unwrap();
        });
    }

    fn thursday_has_a_power_cut(&mut self) {
        self.interrupted(|week| {
            week.world.kill();
            week.pass(HOUR);
            week.world.mount(&[]);
        });
    }

    fn friday_has_a_new_session(&mut self) {
        self.interrupted(|week| {
            let process = week.process();
            kill_process(process, Signal::TERM).unwrap();
            wait_for("the end of the mount", || !week.world.mnt.join(".gphotos").exists());
            week.pass(HOUR);
            week.world.mount(&[]);
        });
    }

    fn saturday_is_offline(&mut self) {
        let day = self.folder();
        self.violations.extend(self.world.emulator.stats().violations);
        self.world.stop_emulator();
        self.night(&day);
        wait_for("the queue to stop", || self.trouble() == "offline");
        self.passed += 24 * HOUR;
        self.clock.set(self.passed.as_secs() as i64);
        self.compare(&day);
        self.world.start_emulator();
        self.world.emulator.advance_clock(self.passed);
        self.restrict();
    }

    fn sunday_ends_the_login(&mut self) {
        let day = self.folder();
        self.pass(24 * HOUR);
        self.night(&day);
        wait_for("the queue to stop", || self.trouble() == "login");
        self.compare(&day);
        self.world.login();
    }

    /// Of all that was copied, nothing is lost, skipped, duplicated or refused.
    fn check(&self) {
        self.sync();
        let dump = self.world.emulator.dump();
        let photos = (self.days * self.photos_a_day) as usize;
        assert_eq!(dump.items.len(), photos, "duplicated, or lost");
        for day in fs::read_dir(self.world.dir.path().join("photo")).unwrap() {
            let day = day.unwrap().file_name().into_string().unwrap();
            let files = fs::read_dir(self.world.dir.path().join("photo").join(&day)).unwrap();
            let here: BTreeSet<_> =
                files.map(|it| sha256(&fs::read(it.unwrap().path()).unwrap())).collect();
            let items = &dump.album(&day).unwrap().items;
            let hash = |id: &String| dump.item(id).unwrap().sha256.clone().unwrap();
            let there: BTreeSet<_> = items.iter().map(hash).collect();
            assert_eq!(items.len(), here.len(), "{day}");
            assert!(here == there, "{day}");
            let (same, said) =
                self.world.told(&["diff", &self.path("photo", &day), &self.path("mnt", &day)]);
            assert!(same, "{day}: {said}");
        }
        assert_eq!(self.world.names(".gphotos/failed"), [""; 0]);
        let violations = [self.violations.clone(), self.world.emulator.stats().violations].concat();
        // What a killed mount has sent, Google may handle beside the calls of the next one.
        let violations: Vec<_> = violations
            .into_iter()
            .filter(|it| !it.starts_with("uploads: ") && !it.contains("concurrent write request"))
            .collect();
        assert_eq!(violations, [""; 0]);
    }

    fn path(&self, top: &str, day: &str) -> String {
        self.world.dir.path().join(top).join(day).to_str().unwrap().to_owned()
    }
}

fn live_through(photos_a_day: u32) {
    let mut week = Week::new(photos_a_day);
    let days = [
        Week::monday_is_ordinary,
        Week::tuesday_uses_up_the_quota,
        Week::wednesday_has_the_lid_closed,
        Week::thursday_has_a_power_cut,
        Week::friday_has_a_new_session,
        Week::saturday_is_offline,
        Week::sunday_ends_the_login,
    ];
    for live in days {
        live(&mut week);
        week.sleep();
    }
    week.check();
    let log = week.world.log();
    assert!(log.lines().count() <= LOG_LINES_MAX, "{log}");
    for line in log.lines() {
        assert!(NEXT_STEPS.iter().any(|it| line.contains(it)), "{line}");
        // Words from the inside.
        assert!(!["error.sources", "DirId("].iter().any(|it| line.contains(it)), "{line}");
    }
    week.world.umount();
}

#[test]
fn a_week_in_fast_motion() {
    live_through(8);
}

/// As many photos as a photographer takes in a week of holidays.
#[test]
#[ignore = "takes minutes"]
fn a_week_of_five_thousand_photos_in_fast_motion() {
    live_through(715);
}

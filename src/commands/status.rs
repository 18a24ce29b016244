//! `gphotosfs status`: the state of a profile, as text and as JSON. It comes from a running mount;
//! without one, from the profile's files and database.

mod bell;
mod check;
mod saving;
mod text;

pub(super) use saving::saved;

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use console::{Term, measure_text_width, truncate_str};
use jiff::Timestamp;
use url::Url;

use self::bell::{BELL, Bell};
use self::check::check;
use self::text::{describe, summary};
use crate::api::{Budget, ClientSecret, Grant, LoginError, SavedBudget, Scope};
use crate::app::engine::{Refused, kept_budget, kept_refusal, no_database, no_directory, no_login};
use crate::app::owner::{kept_binding, other_client};
use crate::app::running::Mount;
use crate::app::{
    CommandError, Exit, json_line, json_text, mounts, print, print_coloured, unmounted,
};
use crate::media::local_time;
use crate::profile::{Holder, Profile};
use crate::status::{self, Bound, CutOff, Library, Login, LoginState, Pick, Saved, Status, Stored};
use crate::store::{Backlog, Store};

/// How often `--watch` updates.
const UPDATE_EVERY: Duration = Duration::from_secs(1);

/// How long to wait for the answer of a mount that may have died.
const LOOK_DEADLINE: Duration = Duration::from_secs(5);

/// The arguments.
#[derive(Debug)]
pub struct Options {
    /// The mount to show. `None` means the profile's mount.
    pub mountpoint: Option<PathBuf>,
    /// Print JSON; with `watch`, an object on each line.
    pub json: bool,
    /// Update every second, until interrupted or unmounted.
    pub watch: bool,
    /// Print nothing, and fail if the profile is not mounted or waits for a person.
    pub check: bool,
}

/// Prints the status. Returns [`Exit::Failed`] if the profile is not mounted as it is meant to be.
///
/// # Errors
/// If the mountpoint is not a running mount, or the profile's files cannot be read. With `check`,
/// also if a person has to do something.
pub fn run(options: &Options, profile: &Profile, api_url: &Url) -> Result<Exit, CommandError> {
    let look = || {
        let mount = match &options.mountpoint {
            Some(path) => Some(Mount::given(path, profile)?),
            None => Mount::of_profile(profile)?,
        };
        let Some(mount) = mount else { return kept(profile, api_url) };
        Ok(mount.as_seen_here(mount.status()?, profile))
    };
    let mut status = look()?;
    if options.check {
        return check(&status).map(|()| Exit::Done);
    }
    if !options.watch {
        print_coloured(if options.json { json(&status, true)? } else { describe(&status) })?;
        return Ok(if status.unmounted.is_some() { Exit::Failed } else { Exit::Done });
    }
    let mut screen = Screen::new(&status);
    let mounted = status.mountpoint.is_some();
    loop {
        if options.json {
            print(json(&status, false)?)?;
        } else {
            screen.show(&status)?;
        }
        #[expect(clippy::disallowed_methods, reason = "the passing of a second is the event")]
        std::thread::sleep(UPDATE_EVERY);
        status = match look() {
            Ok(status) if status.mountpoint.is_some() == mounted => status,
            // The mount has ended, and so does watching it.
            Ok(_) => return Ok(Exit::Done),
            Err(_) if mounted && !matches!(profile.running(), Ok(Some(_))) => {
                return Ok(Exit::Done);
            }
            Err(err) => return Err(err),
        };
    }
}

/// The status without a mount.
fn kept(profile: &Profile, api_url: &Url) -> Result<Status, CommandError> {
    let dir = profile.config_dir().map_err(no_directory)?;
    let login = |err| no_login("cannot read the login", err);
    let client = ClientSecret::stored(dir).map_err(login)?;
    let grant = Grant::stored(dir).map_err(login)?;
    let state_dir = profile.state_dir().map_err(no_directory)?;
    let now = Timestamp::now();
    let seen = |backlog: &Backlog, budget: &Budget| {
        let (name, api_url) = (profile.name().to_string(), api_url.to_string());
        without_mount(name, api_url, backlog, &budget.snapshot(now))
    };
    let look = || match Store::open_read_only(state_dir)? {
        Some(store) => {
            let other = client.as_ref().map(|it| other_client(&store, None, it)).transpose()?;
            let refused = match other.flatten() {
                Some(other) => {
                    Some((LoginState::Foreign, LoginError::OtherLibrary(other).to_string()))
                }
                None => kept_refusal(&store, grant.as_ref())?.map(told),
            };
            let seen = Status {
                library: store.album_titles(Library::TITLES)?.into(),
                cut_off: store.cut_off_names(CutOff::PATHS)?.into(),
                saved: Saved::from(&store.saved()?),
                stored: Stored::from(&store.stored()?),
                picks: store.pick_summaries()?.iter().map(Pick::from).collect(),
                ..seen(&store.backlog()?, &kept_budget(&store)?)
            };
            Ok((seen, refused, kept_binding(&store)?))
        }
        None => Ok((seen(&Backlog::default(), &Budget::new(now)), None, None)),
    };
    let (seen, refused, binding) =
        look().map_err(|err| no_database("cannot read the database", err))?;
    // If this fails, the next command that needs the lock reports it.
    let holder = profile.holder().unwrap_or(Holder::Nobody);
    Ok(Status {
        busy: holder == Holder::Other,
        // Without the profile's files there is nothing to say.
        unmounted: unmounted::find(profile).ok().flatten(),
        dead_mountpoint: if holder == Holder::Nobody { dead_mount(profile) } else { None },
        login: Login {
            bound: binding.as_ref().map(Bound::from),
            ..kept_login(client.as_ref(), grant.as_ref(), refused)
        },
        ..seen
    })
}

/// Where the profile was mounted, if that mount has died and is still there.
fn dead_mount(profile: &Profile) -> Option<PathBuf> {
    let place = profile.last_mount().ok().flatten()?.mountpoint;
    mounts::is_dead_mount(&place, LOOK_DEADLINE).then_some(place)
}

/// The status of a profile that is not mounted, from its database.
fn without_mount(
    profile: String,
    api_url: String,
    backlog: &Backlog,
    spent: &SavedBudget,
) -> Status {
    Status {
        version: status::VERSION,
        profile,
        api_url,
        queue: backlog.into(),
        quota: spent.into(),
        ..Status::default()
    }
}

/// The state of a refused login, and the reason.
fn told(refused: Refused) -> (LoginState, String) {
    let state = if refused.is_foreign { LoginState::Foreign } else { LoginState::Dead };
    (state, refused.said)
}

/// The login as stored, without a request to Google. `refused` is the state and the reason if this
/// grant was refused.
fn kept_login(
    client: Option<&ClientSecret>,
    grant: Option<&Grant>,
    refused: Option<(LoginState, String)>,
) -> Login {
    let (state, message) = match (client, grant, refused) {
        (Some(_), Some(_), None) => (LoginState::Ok, String::new()),
        (Some(_), Some(_), Some(refused)) => refused,
        (None, Some(_), _) => (LoginState::Missing, LoginError::NoClient.to_string()),
        (_, None, _) => (LoginState::Missing, LoginError::NotLoggedIn.to_string()),
    };
    Login {
        state,
        message,
        client_id: client.map(|it| it.client_id.clone()),
        bound: None,
        granted_at: grant.map(|it| it.granted_at),
        ends_at: grant.and_then(|it| it.ends_at),
        missing_scopes: grant.map_or_else(Vec::new, |it| short_names(&it.missing_scopes())),
    }
}

fn short_names(scopes: &[Scope]) -> Vec<String> {
    scopes.iter().map(|it| it.short_name().to_owned()).collect()
}

fn json(status: &Status, pretty: bool) -> Result<String, CommandError> {
    if pretty { json_text(status) } else { json_line(status) }
}

/// The output of `--watch`: a terminal's whole screen, or a line for each change.
struct Screen {
    term: Term,
    last: String,
    bell: Bell,
}

impl Screen {
    fn new(status: &Status) -> Self {
        let term = Term::stdout();
        if term.is_term() {
            // If clearing fails, the output overwrites the old text.
            let _ = term.clear_screen();
        }
        Self { term, last: String::new(), bell: Bell::new(status) }
    }

    fn show(&mut self, status: &Status) -> Result<(), CommandError> {
        if !self.term.is_term() {
            let line = format!("{}\n", summary(status));
            if line != self.last {
                print(format!("{} {line}", local_time(Timestamp::now())))?;
                self.last = line;
            }
            return Ok(());
        }
        let (height, width) = self.term.size();
        let text = describe(status);
        let lines = text.lines().take(usize::from(height).saturating_sub(1));
        let rings = self.bell.rings(status);
        let draw = || -> std::io::Result<()> {
            if rings {
                write!(&self.term, "{BELL}")?;
            }
            self.term.move_cursor_to(0, 0)?;
            for line in lines {
                let line = truncate_str(line, usize::from(width), "…");
                let rest = usize::from(width).saturating_sub(measure_text_width(&line));
                writeln!(&self.term, "{line}{:rest$}", "")?;
            }
            self.term.clear_to_end_of_screen()
        };
        draw().map_err(|err| CommandError::new("cannot write the output").because(err))
    }
}

//! `gphotosfs login`: from an OAuth client file to a stored grant (reference §3).
//!
//! The browser sends Google's answer to a port of ours on the loopback interface. If the browser
//! runs on another machine, the user pastes the address of its last page. Nothing is stored before
//! Google has accepted the code and has shown the profile's library, so a failed login leaves an
//! earlier one unchanged.

mod account;
mod complaints;
mod guide;
mod redirect;
mod visitor;

use std::cell::Cell;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use url::Url;

use crate::api::{
    Authorisation, ClientFileError, ClientKind, ClientSecret, Grant, LoginError, OAuth, Scope,
};
use crate::app::engine::check_service;
use crate::app::running::Mount;
use crate::app::{CommandError, open_browser, print, tell};
use crate::error_chain::causes;
use crate::media::local_time;
use crate::profile::Profile;
use crate::store::Store;
use complaints::{Complaints, other_user};
use redirect::{Arrival, Redirects};

/// How long the user may take to grant access.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(600);

/// A larger difference of the clock is reported, because certificates and tokens depend on it.
const CLOCK_OFF: SignedDuration = SignedDuration::from_secs(300);

const HOW_TO_GET_A_CLIENT: &str = "\
gphotosfs needs an OAuth client of your own. Make it once, in the Google Cloud console. docs/GOOGLE.md has the details.
  1. https://console.cloud.google.com: make a project, and enable the \"Photos Library API\" in it. Google wants
     2-Step Verification for the console.
  2. https://console.cloud.google.com/auth/overview: press \"Get started\", and choose \"External\".
  3. Either \"Branding\": enter a home page, a privacy policy and their domain; then \"Audience\": \"Publish app\".
     Or \"Audience\": add your address as a test user. Google then ends every login after seven days.
  4. \"Data access\": add the scopes
     https://www.googleapis.com/auth/photoslibrary.appendonly
     https://www.googleapis.com/auth/photoslibrary.readonly.appcreateddata
     https://www.googleapis.com/auth/photoslibrary.edit.appcreateddata
  5. \"Clients\": make one of the type \"Desktop app\". Download its JSON file at once: Google offers it only then.
Then run: gphotosfs login --client-secret FILE";

/// The reason why a login failed, and the next step.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no client file, given or stored.
    #[error("there is no OAuth client file yet")]
    NoClient,
    /// The client file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The file is not a client file.
    #[error("{} is no OAuth client file: {source}", path.display())]
    ClientFile {
        /// The file.
        path: PathBuf,
        /// The kind of file that it is instead.
        #[source]
        source: ClientFileError,
    },
    /// Google redirects a web client to registered addresses only, and none is on this machine.
    #[error(
        "this OAuth client is of the type \"Web application\" and has no redirect URI on this machine; make one of \
         the type \"Desktop app\", or register http://127.0.0.1:PORT/ with a free port"
    )]
    WebClient,
    /// The port for Google's answer cannot be opened.
    #[error("cannot wait for Google's answer on {address}; {}", port_hint(source))]
    Listen {
        /// The address.
        address: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The user or Google denied access.
    #[error("Google did not grant access ({error}){}", redirect::remedy(error))]
    Denied {
        /// OAuth's error word.
        error: String,
    },
    /// No answer came in time.
    #[error(
        "no answer came within {} minutes; if the browser shows an error page of Google, follow it, otherwise run \
         'gphotosfs login' again", LOGIN_TIMEOUT.as_secs() / 60
    )]
    TimedOut,
    /// Google rejected the code in the answer.
    #[error(
        "Google did not take the code ({0}): it was used before or is too old; run 'gphotosfs login' again{clock}",
        clock = clock_words(.1)
    )]
    CodeRefused(String, Option<SignedDuration>),
    /// The grant has no refresh token, so it would end after an hour.
    #[error(
        "Google gave no lasting access (no refresh token); remove this app's access at \
         https://myaccount.google.com/connections and log in again"
    )]
    NothingLasting,
    /// The user ticked no box.
    #[error(
        "no access was granted; run 'gphotosfs login' again and tick all boxes on Google's page"
    )]
    NothingGranted,
    /// A request to the token endpoint failed.
    #[error("the login failed{}", certificate_words(.0))]
    Token(#[source] LoginError),
    /// The login could not be stored, or the stored files could not be read.
    #[error("cannot read or store the login")]
    Store(#[source] LoginError),
}

/// The arguments.
#[derive(Debug)]
pub struct Options {
    /// The client file. `None` for the one that was used last.
    pub client_secret: Option<PathBuf>,
    /// Print the link instead of opening a browser.
    pub no_browser: bool,
    /// Take a login that shows nothing of the profile's library.
    pub same_account: bool,
    /// Ask for the permission to see picks, too.
    pub picker: bool,
}

/// Logs in and stores the login in the profile. A person at a terminal who has no client file yet is
/// led to one. Returns the directory where this person wants the mount.
///
/// # Errors
/// See [`Error`]. Also if the profile belongs to another service, OAuth client or account.
pub async fn run(
    options: &Options,
    profile: &Profile,
    api_url: &Url,
) -> Result<Option<PathBuf>, CommandError> {
    let is_stored = Cell::new(false);
    let login = log_in(options, profile, api_url, &is_stored);
    if !guide::is_possible() {
        return login.await;
    }
    tokio::select! {
        outcome = login => outcome,
        _ = tokio::signal::ctrl_c() => Err(match is_stored.get() {
            true => CommandError::new("stopped; the login is stored"),
            false => CommandError::new("the login was stopped, and nothing has changed"),
        }),
    }
}

async fn log_in(
    options: &Options,
    profile: &Profile,
    api_url: &Url,
    is_stored: &Cell<bool>,
) -> Result<Option<PathBuf>, CommandError> {
    let failed = |err: Error| {
        let is_new = matches!(err, Error::NoClient);
        let error = CommandError::new("cannot log in").because(err);
        if is_new { error.explain(HOW_TO_GET_A_CLIENT) } else { error }
    };
    let dir = profile
        .config_dir()
        .map_err(|err| CommandError::new("cannot use the profile's directory").because(err))?;
    let may_paste = options.no_browser || io::stdin().is_terminal();
    let mut lines = if may_paste { lines_of_stdin() } else { mpsc::channel(1).1 };
    let (client, is_guided) = match find_client(options.client_secret.as_deref(), dir) {
        Err(Error::NoClient) if guide::is_possible() => {
            (guide::client(&mut lines, options.no_browser).await.ok_or(Error::NoClient), true)
        }
        found => (found, false),
    };
    let client = client.map_err(failed)?;
    // Commands that need the database report its errors.
    let known = profile.state_dir().ok().and_then(|dir| Store::open_read_only(dir).ok().flatten());
    if let Some(known) = &known {
        check_service(profile, known, &client.token_uri)?;
        account::check_client(known, dir, &client)?;
    }
    // A new grant replaces the old one, so it must not lose what the old one had.
    let had_picks = Grant::stored(dir).ok().flatten().is_some_and(|it| it.holds(Scope::Pick));
    let scopes: &[Scope] =
        if options.picker || had_picks { &Scope::WITH_PICKER } else { &Scope::LIBRARY };
    let attempt = Attempt::begin(client, scopes).await.map_err(failed)?;

    if is_guided {
        guide::tell_of_login();
    }
    let opened = !options.no_browser && open_browser(attempt.url()).await;
    let invitation = if opened {
        "A browser should open. If it does not, use this link:"
    } else {
        "Open this link:"
    };
    tell(format!("{invitation}\n"));
    print(format!("{}\n", attempt.url()))?;
    if may_paste {
        tell(
            "\nIf the browser runs on another machine, it ends on a page that it cannot open \
             (http://127.0.0.1:...).\nThen copy the address of that page and paste it here.",
        );
    }
    tell(format!("\n{}", waits_until(Timestamp::now())));

    let (client, mut grant) = attempt.finish(&mut lines, LOGIN_TIMEOUT).await.map_err(failed)?;
    if options.same_account {
        grant = grant.of_same_account();
    } else if let Some(known) = known {
        account::check_account(known, dir, &client, &grant, api_url).await?;
    }
    store(&client, &grant, dir).map_err(failed)?;
    is_stored.set(true);
    print(report(&grant, scopes))?;
    print(account::library(&client, &grant, api_url).await)?;
    // Otherwise a mount whose login has ended would use the new one only after a while.
    match Mount::of_profile(profile) {
        Ok(Some(mount)) => {
            if mount.use_stored_login() {
                let root = mount.root.display();
                print(format!("The mount on {root} uses this login from now on.\n"))?;
            }
            Ok(None)
        }
        _ if is_guided => guide::mountpoint(&mut lines).await,
        _ => Ok(None),
    }
}

/// The wait for the browser, its end, and how to end it before.
fn waits_until(now: Timestamp) -> String {
    let end = local_time(now + LOGIN_TIMEOUT);
    format!("Waiting until {end} for the answer of the browser. Ctrl-C stops, and changes nothing.")
}

/// Stores a login. Writes the grant last, because a running mount notices changes of the grant.
///
/// # Errors
/// [`Error::Store`].
pub fn store(client: &ClientSecret, grant: &Grant, dir: &Path) -> Result<(), Error> {
    client.save(dir).and_then(|()| grant.save(dir)).map_err(Error::Store)
}

fn find_client(file: Option<&Path>, dir: &Path) -> Result<ClientSecret, Error> {
    let Some(path) = file else {
        return ClientSecret::stored(dir).map_err(Error::Store)?.ok_or(Error::NoClient);
    };
    let text = std::fs::read(path)
        .map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
    ClientSecret::parse(&String::from_utf8_lossy(&text))
        .map_err(|source| Error::ClientFile { path: path.to_owned(), source })
}

/// A running login: the link for the user, and the port for the answer.
#[derive(Debug)]
pub struct Attempt {
    client: ClientSecret,
    oauth: OAuth,
    authorisation: Authorisation,
    listener: TcpListener,
}

impl Attempt {
    /// Opens the port and makes the link, which asks for these scopes.
    ///
    /// # Errors
    /// [`Error::WebClient`], [`Error::Listen`].
    pub async fn begin(client: ClientSecret, scopes: &'static [Scope]) -> Result<Self, Error> {
        let registered = match client.kind {
            ClientKind::Installed => None,
            ClientKind::Web => {
                Some(redirect::registered_loopback(&client.redirect_uris).ok_or(Error::WebClient)?)
            }
        };
        let port = registered.as_ref().map_or(0, |(_, port)| *port);
        let address = format!("127.0.0.1:{port}");
        let listen = async {
            let listener = TcpListener::bind(&address).await?;
            let port = listener.local_addr()?.port();
            Ok((listener, port))
        };
        let (listener, port) = listen.await.map_err(|source| Error::Listen { address, source })?;
        let redirect =
            registered.map_or_else(|| format!("http://127.0.0.1:{port}"), |(url, _)| url);
        let oauth = OAuth::open(client.clone()).map_err(Error::Token)?;
        let authorisation = oauth.authorise(&redirect, scopes).map_err(Error::Token)?;
        Ok(Self { client, oauth, authorisation, listener })
    }

    /// The link for the user.
    pub fn url(&self) -> &Url {
        &self.authorisation.url
    }

    /// Waits for the answer, from the browser or pasted, and exchanges its code at Google. Reports
    /// and ignores answers to another attempt.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn finish(
        self,
        pasted: &mut mpsc::Receiver<String>,
        timeout: Duration,
    ) -> Result<(ClientSecret, Grant), Error> {
        let state = self.authorisation.state.clone();
        let mut complaints = Complaints::default();
        let mut redirects = Redirects::serve(self.listener, state.clone());
        let answer = async {
            loop {
                let arrival = tokio::select! {
                    arrival = redirects.next() => arrival,
                    Some(line) = pasted.recv() => match line.trim() {
                        "" => continue,
                        line => redirect::read(line, &state),
                    },
                };
                match arrival {
                    Arrival::Code(code) => return Ok(code),
                    Arrival::Error(error) => return Err(Error::Denied { error }),
                    Arrival::Stranger => complaints
                        .add("That answer belongs to another login. Use the link above.".into()),
                    Arrival::Nothing => complaints.add(
                        "This is not the right address. It begins with http:// and contains code=."
                            .into(),
                    ),
                    Arrival::OtherUser(user) => complaints.add(other_user(user)),
                }
            }
        };
        let code = tokio::time::timeout(timeout, answer).await.map_err(|_| Error::TimedOut)??;
        redirects.stop().await;
        let result = self.oauth.exchange(self.authorisation, code).await;
        let skew = self.oauth.clock_skew().filter(|it| it.abs() > CLOCK_OFF);
        let grant = result.map_err(|err| match err {
            LoginError::Ended(words) => Error::CodeRefused(words, skew),
            err => Error::Token(err),
        })?;
        if skew.is_some() {
            tell(format!("Note{}", clock_words(&skew)));
        }
        let grant = grant.ok_or(Error::NothingLasting)?;
        if grant.scopes().is_empty() {
            return Err(Error::NothingGranted);
        }
        Ok((self.client, grant))
    }
}

/// The report after a login: its scopes, the missing scopes, and its end.
fn report(grant: &Grant, requested: &[Scope]) -> String {
    let list = |scopes: Vec<Scope>| {
        scopes
            .iter()
            .map(|it| format!("  - {} ({})\n", it.allows(), it.short_name()))
            .collect::<String>()
    };
    let mut text = format!("Logged in. You can:\n{}", list(grant.scopes()));
    let missing: Vec<_> = requested.iter().copied().filter(|it| !grant.holds(*it)).collect();
    if let (false, Some(last)) = (missing.is_empty(), requested.last()) {
        let remedy = last.remedy();
        text +=
            &format!("Not granted, so you cannot:\n{}To change that, {remedy}.\n", list(missing));
    }
    if let Some(ends_at) = grant.ends_at {
        text += &format!(
            "Google will end this login on {}: run `gphotosfs login` again before that.\n",
            local_time(ends_at)
        );
        if grant.is_of_testing() {
            text += "Every login of an app in \"Testing\" ends after seven days; docs/GOOGLE.md says how to publish the app.\n";
        }
    }
    text
}

/// The lines that the user pastes. Uses a thread of its own, because a read from a terminal cannot
/// be stopped.
fn lines_of_stdin() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(4);
    std::thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn port_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program uses this port: stop it, or use a \"Desktop app\" client, which can use any port"
        }
        _ => "check that the loopback interface is up",
    }
}

fn clock_words(skew: &Option<SignedDuration>) -> String {
    skew.map_or_else(String::new, |skew| {
        let direction = if skew.is_positive() { "behind" } else { "ahead" };
        format!(
            "; this machine's clock is {} minutes {direction}: set it right",
            skew.abs().as_mins()
        )
    })
}

/// A hint at the clock, because a wrong clock makes certificates invalid.
fn certificate_words(error: &LoginError) -> &'static str {
    let out_of_date = causes(error as &(dyn std::error::Error + 'static)).any(|it| {
        let text = it.to_string().to_lowercase();
        text.contains("certificate")
            && ["expired", "not valid yet", "notvalidyet"].iter().any(|it| text.contains(it))
    });
    if out_of_date {
        " (the server's certificate looks out of date: check this machine's clock)"
    } else {
        ""
    }
}

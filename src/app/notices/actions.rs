//! The buttons of the notices.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;
use url::Url;
use zbus::Connection;

use super::notice::Kind;
use crate::app::open_browser;

/// The page on which a user sees and buys storage.
const STORAGE: &str = "https://one.google.com/storage";

/// The key of a click on the notice itself.
pub(super) const DEFAULT: &str = "default";

impl Kind {
    /// The key and the label of its button.
    pub(super) fn button(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Login => Some(("login", "Log in")),
            Self::Storage => Some(("storage", "Manage storage")),
            Self::Refused => Some(("folder", "Show the files")),
            Self::Quota | Self::Metered | Self::Arrived | Self::Mount => None,
        }
    }
}

/// Runs what a button promises.
pub(super) struct Actions {
    profile: String,
    failed: PathBuf,
}

impl Actions {
    pub(super) fn new(profile: &str, mountpoint: &Path) -> Self {
        let failed = mountpoint.join(".gphotos/failed");
        Self { profile: profile.to_owned(), failed }
    }

    /// The user has pressed a button, or clicked the notice.
    pub(super) async fn run(&self, kind: Kind, key: &str, bus: Option<&Connection>) {
        let Some((button, _)) = kind.button() else { return };
        if key != button && key != DEFAULT {
            return;
        }
        match kind {
            Kind::Login => self.log_in(),
            Kind::Storage => {
                if let Ok(page) = Url::parse(STORAGE) {
                    open_browser(&page).await;
                }
            }
            Kind::Refused => self.show_failed(bus).await,
            Kind::Quota | Kind::Metered | Kind::Arrived | Kind::Mount => {}
        }
    }

    /// Starts `gphotosfs login`, which opens the browser. It waits for the answer there, and tells the
    /// mount.
    fn log_in(&self) {
        let Ok(program) = std::env::current_exe() else { return };
        let mut command = Command::new(program);
        command.args(["--profile", &self.profile, "login"]);
        tokio::spawn(async move {
            match command.stdin(Stdio::null()).stdout(Stdio::null()).output().await {
                Ok(outcome) if outcome.status.success() => {}
                Ok(outcome) => {
                    let said = String::from_utf8_lossy(&outcome.stderr);
                    tracing::warn!("the login that a notification began has failed: {said}");
                }
                Err(error) => tracing::warn!(%error, "cannot start the login"),
            }
        });
    }

    /// Opens the folder of refused files in the file manager.
    async fn show_failed(&self, bus: Option<&Connection>) {
        if let Some(bus) = bus
            && show_folder(bus, &self.failed).await.is_ok()
        {
            return;
        }
        let opened =
            Command::new("xdg-open").arg(&self.failed).stdin(Stdio::null()).spawn().is_ok();
        if !opened {
            tracing::warn!(folder = ?self.failed, "no file manager opens the refused files");
        }
    }
}

async fn show_folder(bus: &Connection, folder: &Path) -> Result<(), zbus::Error> {
    let address = Url::from_directory_path(folder)
        .map_err(|()| zbus::Error::Failure("the folder has no absolute path".into()))?;
    let (service, path) = ("org.freedesktop.FileManager1", "/org/freedesktop/FileManager1");
    let body = (&[address.as_str()][..], "");
    bus.call_method(Some(service), path, Some(service), "ShowFolders", &body).await?;
    Ok(())
}

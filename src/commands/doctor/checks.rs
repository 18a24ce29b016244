//! Evaluates the facts. Pure.

mod google;

use bytesize::ByteSize;

use self::google::{account, api, client, clock, login, login_age, picks, quota, scopes, words};
use super::facts::{Disk, Facts, Kind, MountState};
use super::report::Report;
use crate::app::engine::remedy;
use crate::app::mounts::permits_allow_other;
use crate::app::running::OTHER_HOLDER;
use crate::app::{counted, unmounted};
use crate::profile::{Holder, Tightened};
use crate::store::SCHEMA_VERSION;
use crate::upload::room::reserve;

/// All checks, each after those that it depends on.
pub(super) const ALL: &[fn(&Facts, &mut Report)] = &[
    device,
    helper,
    version,
    config,
    allow_other,
    client,
    login,
    login_age,
    scopes,
    api,
    picks,
    account,
    clock,
    quota,
    disks,
    videos,
    directories,
    mounts,
    queue,
];

fn device(facts: &Facts, report: &mut Report) {
    const NAME: &str = "fuse device";
    match &facts.device {
        Ok(()) => report.ok(NAME, "/dev/fuse can be used"),
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => report.fail(
            NAME,
            "there is no /dev/fuse",
            "run 'modprobe fuse' as root; in a container, start it with --device /dev/fuse",
        ),
        Err(err) => report.fail(
            NAME,
            format!("/dev/fuse cannot be opened: {err}"),
            "its mode should be 0666: install fuse3, or ask the administrator",
        ),
    }
}

fn helper(facts: &Facts, report: &mut Report) {
    const NAME: &str = "fusermount3";
    match &facts.helper {
        Some(it) if it.privileged || facts.root => report.ok(NAME, it.path.display().to_string()),
        Some(it) => report.fail(
            NAME,
            format!("{} lacks the setuid bit, so that only root can mount", it.path.display()),
            format!("run 'chmod u+s {}' as root, or install fuse3 again", it.path.display()),
        ),
        None if facts.root => report.ok(NAME, "not installed; root does not need it"),
        None => report.fail(
            NAME,
            "not installed: only root can mount",
            "install fuse3 ('apt install fuse3')",
        ),
    }
}

/// Only if smaller videos were asked for.
fn videos(facts: &Facts, report: &mut Report) {
    const NAME: &str = "videos";
    match &facts.video_tools {
        None => {}
        Some(Ok(())) => report.ok(NAME, "ffmpeg makes them smaller"),
        Some(Err(why)) => report.warn(
            NAME,
            format!("{why}: videos go as they are"),
            "install ffmpeg 5.1 or later, with libx264 ('apt install ffmpeg')",
        ),
    }
}

fn version(facts: &Facts, report: &mut Report) {
    const NAME: &str = "version";
    let program = concat!("gphotosfs ", env!("CARGO_PKG_VERSION"));
    match &facts.backlog {
        Ok(Some(_)) => {
            let database = match facts.earlier_version {
                None => format!("version {SCHEMA_VERSION}"),
                Some(earlier) => format!("version {earlier}; the next mount brings it up to date"),
            };
            report.ok(NAME, format!("{program}; the database has {database}"));
        }
        Ok(None) => report.ok(NAME, format!("{program}; there is no database yet")),
        Err(error) if error.is_other_version() => {
            let text = format!("{program}; {}", words(error));
            report.fail(NAME, text, remedy(error).unwrap_or_default());
        }
        // The check of the queue reports the error.
        Err(_) => report.ok(NAME, program),
    }
}

/// Other commands do not check the settings of mounts.
fn config(facts: &Facts, report: &mut Report) {
    const NAME: &str = "config";
    match &facts.settings {
        Ok(_) => report.ok(NAME, "config.toml and the environment are valid for a mount"),
        Err(why) => report.fail(
            NAME,
            why,
            "correct it: 'gphotosfs mount --help' lists the settings, docs/CONFIGURATION.md the keys",
        ),
    }
}

fn allow_other(facts: &Facts, report: &mut Report) {
    const NAME: &str = "user_allow_other";
    let wanted = facts.settings.as_ref().is_ok_and(|it| it.allow_other);
    let text = match &facts.fuse_conf {
        _ if facts.root => "not needed by root",
        Ok(text) if permits_allow_other(text) => "on: --allow-other can be used",
        _ if wanted => {
            return report.fail(
                NAME,
                "off, but the settings have allow_other: mounting fails",
                "root can permit it with a line 'user_allow_other' in /etc/fuse.conf; or mount without it, for \
                 yourself alone",
            );
        }
        Ok(_) => "off in /etc/fuse.conf; only --allow-other needs it",
        Err(_) => "off, because /etc/fuse.conf cannot be read; only --allow-other needs it",
    };
    report.ok(NAME, text);
}

fn disks(facts: &Facts, report: &mut Report) {
    const NAME: &str = "disk";
    for disk in &facts.disks {
        let disk = match disk {
            Ok(disk) => disk,
            Err(err) => {
                report.fail(NAME, err.to_string(), "make the directory yours and writable");
                continue;
            }
        };
        let Disk { holds, path, free, size, .. } = disk;
        let text = format!("{} of {} free for {holds}", ByteSize(*free), ByteSize(*size));
        let reserved = reserve(*size);
        match () {
            () if disk.spool && *free <= reserved => report.fail(
                NAME,
                format!(
                    "{text}: files cannot be written, because {} must stay free",
                    ByteSize(reserved)
                ),
                format!("free space on the disk of {}", path.display()),
            ),
            () if *free <= reserved.saturating_mul(2) => report.warn(
                NAME,
                format!("{text}: writers will have to wait soon"),
                format!("free space on the disk of {}", path.display()),
            ),
            () => report.ok(NAME, text),
        }
        match disk.kind {
            Kind::Memory if disk.spool => report.fail(
                NAME,
                format!(
                    "{} is in memory: files that wait there are lost when the machine stops",
                    path.display()
                ),
                "set XDG_STATE_HOME to a directory on a disk",
            ),
            Kind::Network if disk.spool => report.warn(
                NAME,
                format!(
                    "{} is on a network filesystem, where the database is not safe",
                    path.display()
                ),
                "set XDG_STATE_HOME to a directory on a disk of this machine",
            ),
            _ => {}
        }
    }
}

fn directories(facts: &Facts, report: &mut Report) {
    const NAME: &str = "directories";
    for Tightened { path, mode } in &facts.tightened {
        report.warn(
            NAME,
            format!("other users could enter {path:?} (mode {mode:04o}); its mode is 0700 now"),
            "check whether another program changes the mode, or a umask in a script",
        );
    }
    for Tightened { path, mode } in &facts.exposed {
        report.warn(
            NAME,
            format!("other users can enter {path:?} (mode {mode:04o})"),
            "run 'chmod 0700' on it; the next mount does that too, or says why it cannot",
        );
    }
    if facts.tightened.is_empty() && facts.exposed.is_empty() {
        report.ok(NAME, "no other user can enter them");
    }
}

fn mounts(facts: &Facts, report: &mut Report) {
    const NAME: &str = "mount";
    let mut mine = false;
    for (place, state) in &facts.mounts {
        let place = place.display();
        match state {
            MountState::Others => {}
            MountState::Ours(status) => {
                mine = true;
                let process = status.pid.map_or_else(String::new, |it| format!(", process {it}"));
                let text = format!("{place}{process}");
                match status.blocked_reason() {
                    None => report.ok(NAME, text),
                    Some(why) => report.warn(
                        NAME,
                        format!("{text}; uploads are blocked: {why}"),
                        "run 'gphotosfs status' for details; nothing is lost",
                    ),
                }
            }
            MountState::Dead => report.fail(
                NAME,
                format!("the process behind {place} has died"),
                format!("run 'gphotosfs umount {place}', or mount there again; nothing is lost"),
            ),
            MountState::Unresponsive { ours } => {
                mine |= ours;
                report.fail(
                    NAME,
                    format!("{place} does not answer"),
                    format!("read its log; 'fusermount3 -u -z {place}' unmounts it"),
                );
            }
        }
    }
    let dead = |place| {
        facts.mounts.iter().any(|(it, state)| it == place && matches!(state, MountState::Dead))
    };
    if let Some(unseen) = &facts.unseen {
        return report.fail(NAME, format!("this profile is {}", unseen.text()), unseen.remedy());
    }
    match (facts.holder.clone(), &facts.unmounted) {
        _ if mine => {}
        (Holder::Nobody, Some(found)) if dead(&found.mountpoint) => {}
        (holder, Some(found)) if holder == Holder::Nobody || found.left.files > 0 => {
            let place = found.mountpoint.display();
            let text = match unmounted::lying(found) {
                Some(lying) => format!("this profile is not mounted on {place}: {lying}"),
                None => format!("this profile is meant to be mounted on {place}, and is not"),
            };
            report.fail(NAME, text, unmounted::remedy(found));
        }
        (Holder::Other, _) => {
            report.ok(NAME, format!("this profile is not mounted; {OTHER_HOLDER}"))
        }
        _ => report.ok(NAME, "this profile is not mounted"),
    }
}

fn queue(facts: &Facts, report: &mut Report) {
    const NAME: &str = "queue";
    let backlog = match &facts.backlog {
        Ok(backlog) => backlog.unwrap_or_default(),
        // The check of the version reports it.
        Err(error) if error.is_other_version() => return,
        Err(error) => {
            let damaged =
                "if it is damaged, keep a copy of the state directory for the report of the fault";
            report.fail(NAME, words(error), remedy(error).unwrap_or(damaged));
            return;
        }
    };
    let any = |of: fn(&MountState) -> bool| facts.mounts.iter().any(|(_, state)| of(state));
    let mounted = any(|state| matches!(state, MountState::Ours(_)));
    let stuck = any(|state| matches!(state, MountState::Unresponsive { ours: true }));
    match backlog.left() {
        0 => report.ok(NAME, "nothing is left to send"),
        left => {
            let bytes = ByteSize(backlog.sealed_bytes);
            let text = format!("{left} to go, {bytes} to upload");
            if mounted {
                report.ok(NAME, format!("{text}: the mount uploads them"));
            } else if stuck {
                report.warn(NAME, text, "repair the mount that does not answer; nothing is lost");
            } else if facts.holder == Holder::Other {
                report.ok(NAME, format!("{text}; {OTHER_HOLDER}"));
            } else {
                report.warn(
                    NAME,
                    text,
                    "mount, or run 'gphotosfs sync' to upload the queue without a mount",
                );
            }
        }
    }
    if backlog.open > 0 && !mounted && !stuck && facts.holder != Holder::Other {
        let count = usize::try_from(backlog.open).unwrap_or(usize::MAX);
        report.warn(
            NAME,
            format!("{} not closed when the last mount ended", counted(count, "file")),
            "the next mount keeps the bytes written so far in .gphotos/failed",
        );
    }
    if backlog.failed > 0 {
        let count = usize::try_from(backlog.failed).unwrap_or(usize::MAX);
        report.warn(
            NAME,
            format!("{} refused by Google, and kept here", counted(count, "file")),
            "'gphotosfs failed' lists the reasons, and says which of them 'gphotosfs retry' may help",
        );
    }
}

#[cfg(test)]
mod tests;

//! Knows the programs that make thumbnails, by their names.

use super::interrupt::{self, field};

/// File managers and viewers that make thumbnails by themselves, and the helpers of others. The kernel
/// cuts a name after 15 bytes.
const MAKE_THUMBNAILS: [&str; 23] = [
    "Thunar",
    "caja",
    "eog",
    "eom",
    "evince-thumbnai",
    "ffmpegthumbnail",
    "gdk-pixbuf-thum",
    "geeqie",
    "glycin-thumbnai",
    "gnome-raw-thumb",
    "gthumb",
    "gwenview",
    "heif-thumbnaile",
    "nautilus",
    "nemo",
    "pcmanfm",
    "pcmanfm-qt",
    "pix",
    "ristretto",
    "thunar",
    "totem-video-thu",
    "tumblerd",
    "xviewer",
];

/// Whether the thread `pid` belongs to a program that makes thumbnails. Reads only `status` of
/// proc(5), as [`interrupt::status`] says.
pub(super) fn makes_thumbnails(pid: u32) -> bool {
    let Some(status) = interrupt::status(pid) else { return false };
    if is_known(&status) {
        return true;
    }
    // Threads have names of their own.
    let process = field(&status, "Tgid").and_then(|it| it.parse().ok()).unwrap_or(pid);
    process != pid && interrupt::status(process).is_some_and(|it| is_known(&it))
}

fn is_known(status: &str) -> bool {
    field(status, "Name").is_some_and(|name| MAKE_THUMBNAILS.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_whole() {
        assert!(is_known("Name:\ttumblerd\nTgid:\t7\n"));
        assert!(is_known("Name:\tgdk-pixbuf-thum\nTgid:\t7\n"));
        for other in ["tumblerd2", "cp", "rsync", ""] {
            assert!(!is_known(&format!("Name:\t{other}\nTgid:\t7\n")), "{other}");
        }
        assert!(MAKE_THUMBNAILS.iter().all(|name| name.len() <= 15));
    }

    #[test]
    fn a_thread_belongs_to_its_program() {
        assert!(!makes_thumbnails(std::process::id()));
        assert!(!makes_thumbnails(0));
    }
}

//! What smaller copies have saved, and what they would have saved, as text.

use std::fmt::Write as _;

use bytesize::ByteSize;

use crate::app::counted;
use crate::media::local_time;
use crate::shrink::Whole;
use crate::status::{BlockedBy, Saved, Status, Stored};

/// So many smaller copies tell how small those of other photos would be.
const FILES_TELLING: u64 = 20;
/// The share of its bytes that a photo of a camera usually keeps.
const USUAL_SHARE: f64 = 0.5;

/// Whether the Google account is full.
pub(super) fn is_full(status: &Status) -> bool {
    let blocked = status.blocked.iter().chain(&status.outages);
    blocked.into_iter().any(|it| it.kind == BlockedBy::StorageFull)
}

/// What Google has stored, and how much less that would be with smaller copies.
pub(super) fn stored(status: &Status) -> String {
    let Stored { since, bytes, jpeg_bytes } = status.stored;
    let mut text = format!("{} at Google by this profile", ByteSize(bytes));
    if let Some(since) = since {
        let _ = write!(text, " since {}", local_time(since));
    }
    if is_full(status) && jpeg_bytes > 0 {
        let saved = &status.saved;
        let stays = saved.share().filter(|_| saved.smaller() >= FILES_TELLING);
        let stays = stays.unwrap_or(USUAL_SHARE);
        let less = ByteSize((jpeg_bytes as f64 * (1.0 - stays).max(0.0)) as u64);
        let _ = write!(text, "; '--quality saver' would have stored about {less} less");
    }
    text
}

/// What smaller copies have saved, and why other files went whole.
pub(crate) fn saved(saved: &Saved) -> String {
    let (sent, bytes) = (ByteSize(saved.sent_bytes), ByteSize(saved.bytes));
    let mut text = format!("sent {sent} of {bytes}; {} smaller", counted(saved.smaller(), "file"));
    let whole: u64 = saved.whole.values().sum();
    if whole > 0 {
        let mut reasons: Vec<_> = saved.whole.iter().map(|(word, files)| (*files, word)).collect();
        reasons.sort_by(|a, b| b.cmp(a));
        // A later version may know more reasons.
        let words =
            |word: &str| Whole::of_word(word).map_or(word.to_owned(), |it| it.plural().to_owned());
        let reasons: Vec<_> =
            reasons.iter().map(|(files, word)| format!("{files} {}", words(word))).collect();
        let _ = write!(text, "; {} whole: {}", counted(whole, "file"), reasons.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::text::{EXAMPLE, describe};
    use super::*;
    use crate::status::BlockedUploads;

    #[test]
    fn what_smaller_copies_save_is_said_with_the_reasons_of_the_others() {
        let mut status: Status = serde_json::from_str(EXAMPLE).unwrap();
        assert!(!describe(&status).contains("Saver"));
        let whole = [("motion-photo", 31), ("lean", 7)].map(|it| (it.0.to_owned(), it.1));
        let (bytes, sent_bytes, whole_bytes) = (12_400 << 20, 5100 << 20, 100 << 20);
        status.saved = Saved { files: 3138, bytes, sent_bytes, whole: whole.into(), whole_bytes };
        let text = describe(&status);
        let said = "sent 5.0 GiB of 12.1 GiB; 3100 files smaller; 38 files whole: \
                    31 motion photos, 7 already small";
        assert!(text.contains(said), "{text}");
    }

    #[test]
    fn a_full_account_is_told_what_smaller_copies_would_have_saved() {
        let mut status: Status = serde_json::from_str(EXAMPLE).unwrap();
        let since = "2026-04-28T12:00:00Z".parse().ok();
        status.stored = Stored { since, bytes: 12 << 30, jpeg_bytes: 10 << 30 };
        status.blocked = None;
        let text = describe(&status);
        assert!(text.contains("12.0 GiB at Google by this profile since "), "{text}");
        assert!(!text.contains("would have stored"), "{text}");
        let (now, text) = (Timestamp::now(), String::new());
        let kind = BlockedBy::StorageFull;
        status.outages = vec![BlockedUploads { kind, text, since: now, until: now }];
        let text = describe(&status);
        assert!(text.contains("'--quality saver' would have stored about 5.0 GiB less"), "{text}");
        let whole = [("format".to_owned(), 2)].into();
        let (files, bytes, sent_bytes, whole_bytes) = (402, 9000, 6000, 5000);
        status.saved = Saved { files, bytes, sent_bytes, whole, whole_bytes };
        let text = describe(&status);
        assert!(text.contains("'--quality saver' would have stored about 7.5 GiB less"), "{text}");
    }
}

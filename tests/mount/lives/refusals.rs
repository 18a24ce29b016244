//! Operations while Google refuses everything, or has the items in its bin.

use gphotosfs_emulator::{Edit, Failure, Injection, ItemFailure};

use super::*;

/// An answer to a creation that is about no file.
#[derive(Clone, Copy, Debug)]
enum Refusal {
    Call(Failure),
    /// Of each item, with a code and perhaps a text.
    Items(i32, Option<&'static str>),
}

const QUOTA: &str = "Quota exceeded for quota metric 'Write requests'.";
const STORAGE: &str = "The remaining storage in the user's account is not enough.";
const UPLOADS: [Failure; 4] = [
    Failure::HtmlPage { http: 413 },
    Failure::BareStatus { http: 400, code: 3 },
    Failure::HtmlPage { http: 404 },
    Failure::NoToken,
];
const CREATIONS: [Refusal; 8] = [
    Refusal::Call(Failure::HtmlPage { http: 404 }),
    Refusal::Call(Failure::BareStatus { http: 400, code: 3 }),
    Refusal::Call(Failure::Empty { http: 200 }),
    Refusal::Items(13, None),
    Refusal::Items(7, None),
    Refusal::Items(16, None),
    Refusal::Items(3, Some(QUOTA)),
    Refusal::Items(3, Some(STORAGE)),
];
/// So many answers of a kind, so that the mount has drawn its conclusion.
const ANSWERS: u64 = 4;

/// Google refuses all uploads, and then all creations. Half of the operations come in each state.
fn refused_by_the_service(upload: Failure, creation: Refusal) {
    eprintln!("{upload:?}, {creation:?}");
    let mut lives = Lives::paced();
    let always = |failure| vec![Injection { rate: 1.0, ..Injection::new(failure) }];
    let answered = |lives: &Lives, call| {
        let asked = || lives.world.emulator.stats().requests(call);
        let enough = asked() + ANSWERS;
        wait_for("Google to refuse", || asked() >= enough);
    };
    lives.world.emulator.faults(|faults| faults.on(Call::UploadRaw).failures = always(upload));
    lives.put_all();
    answered(&lives, Call::UploadRaw);
    let (first, second) = OPS.split_at(OPS.len() / 2);
    first.iter().for_each(|op| lives.apply(*op));
    lives.check_meanwhile();

    lives.world.emulator.faults(|faults| {
        faults.calls.clear();
        match creation {
            Refusal::Call(failure) => faults.on(CREATE).failures = always(failure),
            Refusal::Items(code, text) => {
                let message = text.map(str::to_owned);
                let failure = ItemFailure { rate: 1.0, message, ..ItemFailure::new(code) };
                faults.item_failures = vec![failure];
            }
        }
    });
    answered(&lives, CREATE);
    second.iter().for_each(|op| lives.apply(*op));
    lives.check_meanwhile();
    lives.refresh();
    lives.check_meanwhile();
    lives.world.emulator.faults(|faults| {
        faults.calls.clear();
        faults.item_failures.clear();
    });
    lives.finish();
}

#[test]
fn while_the_service_refuses_calls() {
    for (at, creation) in CREATIONS[..4].iter().enumerate() {
        refused_by_the_service(UPLOADS[at], *creation);
    }
}

#[test]
fn while_the_service_refuses_items() {
    for (at, creation) in CREATIONS[4..].iter().enumerate() {
        refused_by_the_service(UPLOADS[at], *creation);
    }
}

impl Lives {
    /// Moves the items of all `x` into Google's bin. Returns their ids.
    fn bin_all(&self) -> Vec<String> {
        let hashes = OPS.map(|op| Some(sha256(&self.files[&self.x(op)])));
        let items = self.world.emulator.dump().items.into_iter();
        let binned: Vec<_> =
            items.filter(|item| hashes.contains(&item.sha256)).map(|item| item.id).collect();
        assert_eq!(binned.len(), OPS.len());
        for item in &binned {
            self.world.edit(Edit::MoveToBin { item: item.clone() });
        }
        binned
    }
}

/// Items that the user has moved to Google's bin go with their names, except those that were written to. Another album
/// refuses them, and they are kept among the failed files. All names come back when the user restores the items.
#[test]
fn in_googles_bin() {
    let mut lives = Lives::paced();
    lives.put_all();
    lives.world.sync();
    let binned = lives.bin_all();
    lives.undescribed = Some(libc::ENOENT);
    lives.apply_all();
    lives.world.sh("! sync mnt");
    lives.refresh();
    let failed = lives.world.names(".gphotos/failed/B");
    let refused = [Op::ExchangeAcross, Op::LinkAcross, Op::MoveAcross, Op::MoveOntoAcross];
    assert_eq!(failed.len(), refused.len(), "{failed:?}");
    for name in failed {
        let reason =
            format!("getfattr --only-values -n user.gphotos.error mnt/.gphotos/failed/B/{name}");
        let reason = lives.world.sh(&reason);
        assert!(reason.contains("in Google's bin. Copy the original in again; if it is in the bin, restore it there, then retry"), "{reason}");
    }
    let written: BTreeSet<_> =
        [Op::Overwrite, Op::Append, Op::Edit].iter().map(|op| lives.x(*op)).collect();
    let names = lives.names();
    let here: BTreeSet<_> = names.iter().filter(|it| it.starts_with("A/x-")).cloned().collect();
    // The exchanged names stand for items that are not in the bin.
    let exchanged = [Op::Exchange, Op::ExchangeAcross].map(|op| lives.x(op));
    assert_eq!(here, written.into_iter().chain(exchanged).collect());

    for item in binned {
        lives.world.edit(Edit::RestoreFromBin { item });
    }
    lives.put_back = OPS.map(|op| sha256(&jpeg(op as u32, 6000))).to_vec();
    lives.refresh();
    let (done, said) = lives.world.told(&["retry"]);
    assert!(done, "{said}");
    lives.finish();
}

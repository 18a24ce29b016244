//! Confirms items: by a pass through an album, or by their ids.

use std::collections::HashSet;
use std::time::SystemTime;

use tokio::time::Instant;

use super::context::{ConfirmAnswer, Found, Worker, common_end};
use super::passing::{self, Doubtful, Missing, PassError};
use super::release::release_by_id;
use super::withheld;
use crate::api::{self, ALBUM_ITEMS_MAX, BATCH_MAX, ItemStatus};
use crate::error_chain::chain;
use crate::media::{DirId, FileId, MediaItem};
use crate::store::{self, Claim, ClaimKind};
use crate::upload::draft::Rejection;
use crate::upload::planner::Confirmation;
use crate::upload::rejecting::IN_BIN;
use crate::upload::state::Confirming;

/// After so many attempts to confirm it, an item counts as lost if Google does not know its id.
const CONFIRM_ATTEMPTS_MAX: u32 = 6;
/// The waits for an item in doubt grow to the longest one, doubled so often.
const DOUBT_DOUBLINGS_MAX: u32 = 10;
/// What a complete pass says of an item.
const NOT_SHOWN: &str = "the album does not show it";
/// What becomes of an item that Google never shows.
const LOST: &str = "Google does not show the item that it made of the file, so the file is sent once more: then Google \
     says whether another program had uploaded it";
/// The same, of an item that Google had before.
const KNOWN_NOT_SHOWN: &str = "Google has an item of these bytes, but its album does not show it yet; \
     it may be in Google's bin";

/// What Google says of an item that a read has not shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Absence {
    /// Google does not know its id.
    Unknown,
    /// Neither, but its count of the album includes the item.
    Counted,
    /// Google's count of the album is the number of items that its list shows, or Google refuses to
    /// put the item into the album, or does not know the album. They may lag.
    Likely,
    /// Only a list lacks it, which may lag or end early.
    Open,
}

/// The same, of an item that seems to be new. Google's codes would look like a fault.
const NEW_NOT_SHOWN: &str = "Google has taken the file, and does not show its item yet; gphotosfs looks again. \
     It stays so if another program had uploaded the same bytes";

impl Worker {
    /// Starts a confirmation. Returns whether it did: the claims may have changed meanwhile.
    pub(super) async fn start_confirming(&mut self, what: Confirmation) -> store::Result<bool> {
        let now = SystemTime::now();
        let claims = match what {
            Confirmation::Items(claims) => claims,
            Confirmation::New(dir) => {
                self.shared.store.run(move |store| store.new_claims(now, dir, BATCH_MAX)).await?
            }
            Confirmation::Pass(dir) => return self.start_pass(now, dir).await,
            Confirmation::LastPass(dir) => {
                self.made.remove(&dir);
                return self.start_pass(now, dir).await;
            }
        };
        if claims.is_empty() {
            return Ok(false);
        }
        let client = self.shared.client.clone();
        self.confirm_since = Instant::now();
        self.confirm.spawn(async move {
            let ids: Vec<_> = claims.iter().map(|it| it.media.clone()).collect();
            let found = client.get_items(&ids).await;
            ConfirmAnswer { claims, found: Found::Items(found) }
        });
        Ok(true)
    }

    async fn start_pass(&mut self, now: SystemTime, dir: DirId) -> store::Result<bool> {
        // An album has no more items than that.
        let max = usize::try_from(ALBUM_ITEMS_MAX).unwrap_or(usize::MAX);
        let read = move |store: &store::Store| store.claims_of_album(now, dir, max);
        let claims = self.shared.store.run(read).await?;
        if claims.is_empty() {
            return Ok(false);
        }
        let (client, store) = (self.shared.client.clone(), self.shared.store.clone());
        let doubtful = self.doubtful(&claims, now);
        self.confirm_since = Instant::now();
        self.confirm.spawn(async move {
            let wanted: HashSet<_> = claims.iter().map(|it| it.media.clone()).collect();
            let passed = passing::pass(&client, &store, dir, wanted, &doubtful).await;
            ConfirmAnswer { claims, found: Found::Pass(passed) }
        });
        Ok(true)
    }

    pub(super) async fn confirm_ended(&mut self, answer: ConfirmAnswer) {
        self.mark_dirty();
        let ConfirmAnswer { claims, found } = answer;
        match found {
            Found::Items(Ok(found)) => {
                self.answered();
                self.items_answered(claims, found).await;
            }
            Found::Pass(Ok(missing)) => {
                self.answered();
                self.pass_ended(claims, &missing).await;
            }
            Found::Items(Err(error)) => self.confirm_refused(claims, &error).await,
            Found::Pass(Err(PassError::Api(error))) => self.confirm_refused(claims, &error).await,
            Found::Pass(Err(PassError::Store(error))) => self.database_failed(&error),
            Found::Pass(Err(error @ PassError::NoAlbum)) => {
                self.not_shown(claims, &chain(&error), Absence::Likely).await;
            }
            Found::Pass(Err(error @ PassError::Pages(_))) => {
                self.not_answered(claims, &chain(&error)).await;
            }
        }
    }

    async fn pass_ended(&mut self, claims: Vec<Claim>, missing: &Missing) {
        let missed = claims.into_iter().filter(|it| missing.items.contains(&it.media));
        let (unknown, others): (Vec<_>, Vec<_>) =
            missed.partition(|it| missing.unknown.contains(&it.media));
        let absence = if missing.is_counted { Absence::Counted } else { Absence::Unknown };
        self.not_shown(unknown, NOT_SHOWN, absence).await;
        let (likely, open) = others
            .into_iter()
            .partition(|it| missing.count_agrees || missing.refused.contains(&it.media));
        self.not_shown(likely, NOT_SHOWN, Absence::Likely).await;
        self.not_shown(open, NOT_SHOWN, Absence::Open).await;
    }

    /// The claims about which the next pass may decide.
    fn doubtful(&self, claims: &[Claim], now: SystemTime) -> Doubtful {
        let ids = |such: &dyn Fn(&&Claim) -> bool| {
            claims
                .iter()
                .filter(|it| is_doubtful(it))
                .filter(such)
                .map(|it| it.media.clone())
                .collect()
        };
        let grace = self.grace();
        // Without the permission, Google refuses every addition.
        let may_add = !self.shared.lacks_edit();
        Doubtful { items: ids(&|_| true), overdue: ids(&|it| may_add && it.since + grace <= now) }
    }

    /// A refusal of the whole call says nothing of the items, unless the album is gone.
    async fn confirm_refused(&mut self, claims: Vec<Claim>, error: &api::Error) {
        match self.read_blocked(error, self.blockers.everything.as_ref()) {
            Some(blocked) => self.block(blocked),
            None if error.is_not_found() => {
                self.not_shown(claims, &chain(error), Absence::Likely).await;
            }
            None => self.not_answered(claims, &chain(error)).await,
        }
    }

    async fn items_answered(
        &mut self,
        claims: Vec<Claim>,
        found: Vec<Result<MediaItem, ItemStatus>>,
    ) {
        for (claim, found) in claims.into_iter().zip(found) {
            match found {
                Ok(item) => self.item_shown(claim, item).await,
                Err(status) if status.says_unknown() => {
                    self.item_not_shown(claim, &status.to_string(), Absence::Unknown).await;
                }
                Err(status) => self.not_answered(vec![claim], &status.to_string()).await,
            }
        }
    }

    /// Google has not said whether it shows the items: that counts against none of them. Only the
    /// first time counts, so that new items are asked for by their ids next.
    async fn not_answered(&mut self, claims: Vec<Claim>, text: &str) {
        tracing::info!("cannot look for items at Google: {text}");
        let retry_at = common_end(self.backoff().max);
        for claim in claims.into_iter().filter(|it| it.is_due || it.is_untried() || it.is_missed) {
            let (store, attempts) = (self.shared.store.clone(), claim.attempts);
            let outcome = match claim.kind {
                ClaimKind::Unseen => {
                    self.unseen_not_answered(claim).await;
                    continue;
                }
                _ if attempts == 0 => {
                    self.item_not_shown(claim, text, Absence::Open).await;
                    continue;
                }
                _ => Confirming(claim).not_answered(&store, retry_at).await,
            };
            if let Err(error) = outcome {
                self.database_failed(&error);
            }
        }
    }

    /// Google answers a read of the item by its id.
    async fn item_shown(&mut self, claim: Claim, item: MediaItem) {
        let shared = self.shared.clone();
        if !claim.is_wanted {
            self.store(move |_| release_by_id(&shared, Confirming(claim), &item)).await;
            return;
        }
        if claim.kind == ClaimKind::Unseen {
            return self.unseen_shown(claim, item).await;
        }
        // The album may show it later, or it is too large to be listed for a few items.
        let retry_at = self.unseen_until(claim.attempts);
        let unseen = Confirming(claim).unseen(&shared.store, item, retry_at).await;
        match unseen {
            Ok(()) => self.shared.count_operations(1),
            Err(error) => self.database_failed(&error),
        }
    }

    async fn not_shown(&mut self, claims: Vec<Claim>, text: &str, absence: Absence) {
        for claim in claims.into_iter().filter(|it| it.is_due || it.is_untried()) {
            self.item_not_shown(claim, text, absence).await;
        }
    }

    async fn item_not_shown(&mut self, claim: Claim, text: &str, absence: Absence) {
        let store = self.shared.store.clone();
        let (kind, version, attempts) = (claim.kind, (claim.file, claim.seq), claim.attempts + 1);
        let (foreign, never_shown, lost) = (claim.foreign, claim.never_shown, claim.lost);
        let is_withheld = kind == ClaimKind::Known && never_shown;
        let is_believed = match absence {
            // Google's count may lag.
            Absence::Unknown if is_withheld => claim.since + self.grace() <= SystemTime::now(),
            Absence::Unknown | Absence::Counted => true,
            Absence::Likely => claim.since + self.grace() <= SystemTime::now(),
            Absence::Open => false,
        };
        let is_last = attempts >= CONFIRM_ATTEMPTS_MAX && is_believed;
        let confirming = Confirming(claim);
        let outcome = match kind {
            ClaimKind::Unseen => return self.unseen_not_shown(confirming.0, absence).await,
            _ if !is_last => {
                let retry_at = match attempts.checked_sub(CONFIRM_ATTEMPTS_MAX) {
                    Some(more) if kind != ClaimKind::New => self.doubted_until(more),
                    _ => self.look_again_at(attempts),
                };
                let text = match kind {
                    _ if is_withheld => withheld::PENDING,
                    ClaimKind::Known | ClaimKind::Duplicate if text == NOT_SHOWN => KNOWN_NOT_SHOWN,
                    ClaimKind::New if absence == Absence::Unknown => NEW_NOT_SHOWN,
                    _ => text,
                };
                confirming.not_shown(&store, text.to_owned(), retry_at).await
            }
            ClaimKind::Duplicate => {
                tracing::warn!(
                    path = self.shared.path_of(version.0),
                    "will be uploaded: Google does not show the item with the same bytes ({text})"
                );
                confirming.not_a_duplicate(&store).await
            }
            ClaimKind::Known if is_withheld => {
                return self.withheld(confirming, absence == Absence::Counted).await;
            }
            ClaimKind::Known => {
                let reason = if text == NOT_SHOWN { IN_BIN } else { text };
                return self.reject_claim(version, reason.to_owned()).await;
            }
            // The next pass through the album decides.
            ClaimKind::New if foreign => {
                confirming.had_before(&store, CONFIRM_ATTEMPTS_MAX - 1).await
            }
            ClaimKind::New if lost == 0 => {
                let path = self.shared.path_of(version.0);
                // This is no error of the file's: it waits for the next answer.
                tracing::warn!(%path, "will be uploaded again: {LOST} ({text})");
                confirming.lost(&store, LOST.to_owned()).await
            }
            ClaimKind::New => {
                let reason = format!("Google has made items of it twice, but shows none ({text})");
                return self.reject_claim(version, reason).await;
            }
        };
        if let Err(error) = outcome {
            self.database_failed(&error);
        }
    }

    async fn reject_claim(&mut self, (file, seq): (FileId, Option<i64>), reason: String) {
        if let Some(seq) = seq {
            self.reject((file, seq), Rejection::Other, reason).await;
        }
    }

    /// When the album is listed again for an item in doubt, after so many listings more.
    fn doubted_until(&self, more: u32) -> SystemTime {
        common_end(self.backoff().max * (1 << more.min(DOUBT_DOUBLINGS_MAX)))
    }
}

/// Whether one more pass that does not show the item may decide about it.
fn is_doubtful(claim: &Claim) -> bool {
    matches!(claim.kind, ClaimKind::Known | ClaimKind::Duplicate)
        && claim.attempts + 1 >= CONFIRM_ATTEMPTS_MAX
}

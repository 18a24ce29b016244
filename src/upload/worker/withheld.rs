//! Bytes that another program had uploaded before. Google answers with that item, and may not let this
//! client read it (reference §11.2b, §11.2c). An item of this client that lies in the bin looks alike.

use super::context::Worker;
use crate::store::MemberCall;
use crate::upload::state::Confirming;

/// Why such a file is not confirmed yet.
pub(super) const PENDING: &str = "Google has these bytes already, and does not show the item to this \
     program; gphotosfs looks whether the album counts it";
/// Why the bytes of a file stay here that Google counts in the album.
const COUNTED: &str = "Google had these bytes from another program, and does not show the item to this \
     one. The album's count includes it; the copy here stays";
/// Why a file is under `.gphotos/failed` that the album does not count either.
const NOT_COUNTED: &str = "Google has these bytes already, and does not show the item to this program: \
     another program has uploaded it, or it is in Google's bin. Look for the photo in Google Photos; \
     if it is in the bin, restore it or empty the bin, then retry";

/// What becomes of a removal that Google refuses.
const NOT_REMOVED: &str = "another program has uploaded a photo that left this album here, and Google \
     does not let gphotosfs take it out: remove it from the album in Google Photos";

impl Worker {
    /// No read has ever shown the item with whose id Google has answered. If the album counts it, it
    /// has arrived. Otherwise nothing says where it is. The bytes stay here in either case.
    pub(super) async fn withheld(&mut self, confirming: Confirming, is_counted: bool) {
        let shared = self.shared.clone();
        if !is_counted {
            self.store(move |_| shared.reject_withheld(&confirming.0, NOT_COUNTED)).await;
            return;
        }
        let file = confirming.0.file;
        match confirming.withheld(&shared.store, COUNTED).await {
            Ok(true) => {
                let path = shared.path_of(file);
                tracing::warn!(%path, "{COUNTED}");
                shared.count_operations(1);
            }
            Ok(false) => {}
            Err(error) => self.database_failed(&error),
        }
    }

    /// Google has refused to take these out of the album. If another program has uploaded one, it
    /// stays there.
    pub(super) async fn warn_of_withheld(&mut self, call: &MemberCall) {
        let files: Vec<_> = call.members.iter().map(|member| member.file).collect();
        let album = call.dir;
        self.store(move |store| {
            for file in files {
                if store.is_withheld(file)? {
                    let album = store.dir_path(album)?;
                    tracing::warn!(%album, "{NOT_REMOVED}");
                }
            }
            Ok(())
        })
        .await;
    }
}

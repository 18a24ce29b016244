//! The account and the OAuth client that a profile belongs to, as its database knows them.

use std::error::Error;

use crate::api::{BATCH_MAX, Binding, ClientSecret, Evidence, OtherLibrary, Owner};
use crate::media::AlbumId;
use crate::store::{self, Store};

/// The store's key for the binding.
const BINDING: &str = "binding";

/// How many items are asked for, in one request.
const ITEMS: u32 = BATCH_MAX as u32;

/// How many albums are asked for if no item is found.
const ALBUMS: u32 = 4;

/// See the module.
pub struct StoredOwner(pub Store);

/// The binding of a profile. `None` if it has not been used yet.
///
/// # Errors
/// If the database fails.
pub fn kept_binding(store: &Store) -> store::Result<Option<Binding>> {
    Ok(store.meta(BINDING)?.and_then(|text| serde_json::from_str(&text).ok()))
}

/// The error if the profile belongs to another OAuth client than `client`. If no binding is kept,
/// the profile belongs to the client of its `stored` login.
///
/// # Errors
/// If the database fails.
pub fn other_client(
    store: &Store,
    stored: Option<&ClientSecret>,
    client: &ClientSecret,
) -> store::Result<Option<OtherLibrary>> {
    let evidence = evidence(store)?;
    if evidence.is_empty() {
        return Ok(None);
    }
    let bound = evidence.binding.map(|it| it.client_id);
    let bound = bound.or_else(|| stored.map(|it| it.client_id.clone()));
    let given = client.client_id.clone();
    Ok(bound.filter(|it| *it != given).map(|bound| OtherLibrary::Client { bound, given }))
}

fn evidence(store: &Store) -> store::Result<Evidence> {
    Ok(Evidence {
        binding: kept_binding(store)?,
        items: store.known_items(ITEMS)?,
        albums: store.known_albums(ALBUMS)?,
    })
}

impl Owner for StoredOwner {
    fn evidence(&self) -> Result<Evidence, Box<dyn Error + Send + Sync>> {
        Ok(evidence(&self.0)?)
    }

    fn knows_any(&self, albums: &[AlbumId]) -> Result<bool, Box<dyn Error + Send + Sync>> {
        Ok(self.0.knows_any_album(albums)?)
    }

    fn keep(&self, binding: &Binding) -> Result<(), Box<dyn Error + Send + Sync>> {
        if kept_binding(&self.0)?.as_ref() != Some(binding) {
            self.0.set_meta(BINDING, &serde_json::to_string(binding)?)?;
        }
        Ok(())
    }
}

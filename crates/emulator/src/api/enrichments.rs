//! albums.addEnrichment (reference §6.7).

use serde::Deserialize;
use serde_json::json;

use super::checks::{Nothing, known_album};
use super::json::{lenient_float, parse, parse_query};
use super::position::AlbumPosition;
use super::request::{ApiAnswer, ApiRequest};
use super::wire;
use crate::error::ApiError;
use crate::server::Server;
use crate::state::{Change, ITEM_ID_CHARS};

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct EnrichmentBody {
    new_enrichment_item: Option<NewEnrichment>,
    album_position: Option<AlbumPosition>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct NewEnrichment {
    text_enrichment: Option<TextEnrichment>,
    location_enrichment: Option<LocationEnrichment>,
    map_enrichment: Option<MapEnrichment>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TextEnrichment {
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LocationEnrichment {
    location: Location,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MapEnrichment {
    origin: Location,
    destination: Location,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Location {
    #[serde(rename = "locationName")]
    _location_name: String,
    latlng: LatLng,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct LatLng {
    #[serde(deserialize_with = "lenient_float")]
    latitude: f64,
    #[serde(deserialize_with = "lenient_float")]
    longitude: f64,
}

impl Location {
    fn check(&self) -> Result<(), ApiError> {
        let LatLng { latitude, longitude } = self.latlng;
        if latitude.abs() <= 90.0 && longitude.abs() <= 180.0 {
            Ok(())
        } else {
            Err(ApiError::violation("Invalid latitude or longitude."))
        }
    }
}

pub(crate) fn add(server: &Server, request: ApiRequest) -> Result<ApiAnswer, ApiError> {
    let Nothing {} = parse_query(request.query, &[])?;
    let body: EnrichmentBody = parse(request.body)?;
    let (Some(new), Some(position)) = (body.new_enrichment_item, body.album_position) else {
        let text = "Request must contain an enrichment item and an album position.";
        return Err(ApiError::violation(text));
    };
    match (new.text_enrichment, new.location_enrichment, new.map_enrichment) {
        (Some(text), None, None) if !text.text.is_empty() => {}
        (None, Some(place), None) => place.location.check()?,
        (None, None, Some(map)) => {
            map.origin.check()?;
            map.destination.check()?;
        }
        _ => return Err(ApiError::violation("Request must contain one enrichment.")),
    }
    let mut world = server.world.lock();
    let library = world.library(&request.account);
    let mut album = known_album(library, &request.id)?.clone();
    let at = position.index(library, &album)?;
    let anchor = at.checked_sub(1).and_then(|index| album.entries.get(index));
    let seq = (album.seq << 20) + album.enrichments.len() as u64;
    let id = library.id("enrichment", seq, ITEM_ID_CHARS);
    album.enrichments.push((id.clone(), anchor.map(|entry| entry.item)));
    server
        .record(&mut world, Change::Album { account: request.account, album: Box::new(album) })?;
    Ok(ApiAnswer::ok(json!({ "enrichmentItem": { "id": id } }), &wire::ENRICHMENT_ANSWER))
}

//! The listing of a session's items (picker reference §2).

use serde::Deserialize;
use serde_json::{Value, json};

use super::{sessions, wire};
use crate::api::json::{lenient_int, parse_query};
use crate::api::paging::{PageRequest, PageSize};
use crate::api::request::{ApiAnswer, ApiRequest};
use crate::api::wire::omit_defaults;
use crate::choices;
use crate::error::ApiError;
use crate::faults::PickOrder;
use crate::server::Server;
use crate::state::{Origin, Owned, World};

const PAGE_SIZE: PageSize = PageSize { default: 50, max: 100, lowers: true };

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct ListQuery {
    session_id: String,
    #[serde(deserialize_with = "lenient_int")]
    page_size: i64,
    page_token: String,
}

pub(crate) fn list(server: &Server, request: ApiRequest) -> Result<ApiAnswer, ApiError> {
    let ListQuery { session_id, page_size, page_token } = parse_query(request.query, &[])?;
    let of = format!("{:?}\0{session_id}", request.account);
    let page =
        PageRequest::new(server, request.call, &of, page_size, PAGE_SIZE, &page_token, (0, 0))?;
    let world = &mut server.world.lock();
    let session = sessions::find(server, world, &request.account, &session_id)?;
    let switches = &request.faults.picker;
    let Some(picked) = &session.picked else {
        let early = ApiError::failed_precondition(choices::NOT_PICKED_YET);
        return Err(match switches.pending_reason {
            true => early.reason("PENDING_USER_ACTION", choices::PICKER_DOMAIN),
            false => early,
        });
    };
    let user = session.account.user.as_str();
    let ordered = ordered(world, user, picked, switches.order);
    let from = usize::try_from(page.cursor().1).unwrap_or(usize::MAX).min(ordered.len());
    let entries = ordered[from..].iter().zip(from as u64..).map(|(it, place)| ((0, place), *it));
    let (entries, next) = page.take(server, &request.faults, entries, (0, u64::MAX));
    let mut items: Vec<Value> = Vec::with_capacity(entries.len());
    for origin in entries {
        let Some(item) = world.owned_item(user, origin).cloned() else { continue };
        let owned = Owned { origin, item: &item };
        let id = wire::item_id(world, switches, &session, owned);
        items.push(wire::item(server, &session, id, owned));
    }
    let answer = json!({ "mediaItems": items, "nextPageToken": next });
    Ok(ApiAnswer::ok(omit_defaults(answer), &wire::ITEM_PAGE))
}

/// The picked items that the user still has.
fn ordered(world: &World, user: &str, picked: &[Origin], order: PickOrder) -> Vec<Origin> {
    let still = |it: &Origin| Some((world.owned_item(user, *it)?.creation_time_s(), *it));
    let mut items: Vec<(i64, Origin)> = picked.iter().filter_map(still).collect();
    match order {
        PickOrder::NewestFirst => items.sort_by_key(|item| std::cmp::Reverse(*item)),
        PickOrder::OldestFirst => items.sort_unstable(),
        PickOrder::AsTicked => {}
    }
    items.into_iter().map(|(_, origin)| origin).collect()
}

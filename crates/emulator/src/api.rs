//! The Library API (reference §2, §6, §7), and the way in for the Picker API. A request comes in by `middleware`; each method runs to
//! completion on a blocking thread with the world locked.

mod albums;
mod candidate;
pub(crate) mod checks;
mod create;
mod enrichments;
mod filters;
mod items;
pub(crate) mod json;
pub(crate) mod mask;
mod middleware;
mod omissions;
pub(crate) mod paging;
mod parameters;
mod position;
pub(crate) mod request;
mod route;
pub(crate) mod wire;

pub(crate) use middleware::api;

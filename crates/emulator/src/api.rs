//! The Library API (reference §2, §6, §7). A request comes in by `middleware`; each method runs to
//! completion on a blocking thread with the world locked.

mod albums;
mod candidate;
mod checks;
mod create;
mod enrichments;
mod filters;
mod items;
mod json;
mod mask;
mod middleware;
mod omissions;
mod paging;
mod parameters;
mod position;
mod request;
mod route;
mod wire;

pub(crate) use middleware::api;

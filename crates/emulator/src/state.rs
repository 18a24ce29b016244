//! The state of the service: a library of albums and items for each user, the consents, the sessions
//! of the Picker API, and the logins and uploads in progress. Data types stand below the types that change them.

mod album;
mod change;
mod codes;
mod consent;
mod dir;
mod item;
mod journal;
mod library;
mod pick;
mod sessions;
mod whole;
mod world;

pub(crate) use album::{ALBUM_ID_CHARS, Album, Entry};
pub(crate) use change::Change;
pub(crate) use codes::{Code, Codes};
pub(crate) use consent::Consent;
pub(crate) use dir::StateDir;
pub(crate) use item::{Content, Facts, ITEM_ID_CHARS, Item, ItemSeq};
pub(crate) use journal::Journal;
pub(crate) use library::Library;
pub(crate) use pick::PickSession;
pub(crate) use sessions::{Progress, Session, Sessions, Status, Unavailable, Writer};
pub(crate) use whole::{Origin, Owned, Whole};
pub(crate) use world::World;

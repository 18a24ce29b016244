//! Recognises pictures that the encoder of the smaller copies has made.

use std::sync::LazyLock;

use mozjpeg_rs::Subsampling;

use super::pixels::{Picture, encode};
use super::structure::{self, Structure};
use super::tables::Tables;
use crate::media::Saver;

/// The tables of all qualities that can be chosen. No camera has these: they come from a work on
/// how people see, and the encoder brought them into use.
static TABLES: LazyLock<Vec<Tables>> = LazyLock::new(|| {
    let pixel = Picture { width: 8, height: 8, channels: 3, bytes: vec![0; 8 * 8 * 3] };
    let qualities = Saver::QUALITY_MIN..=Saver::QUALITY_MAX;
    let encoded = qualities.filter_map(|it| encode(&pixel, Subsampling::S444, it).ok());
    encoded.filter_map(|it| structure::read(&it).ok().map(|it| it.tables)).collect()
});

/// Whether the encoder has made a picture, here or on another machine.
pub(super) fn is_ours(picture: &Structure<'_>) -> bool {
    // A grey picture has the first table only.
    let same = |tables: &&Tables| match (&picture.tables[..], picture.frame.channels()) {
        ([only], 1) => tables.first() == Some(only),
        (both, _) => tables[..] == *both,
    };
    picture.frame.is_progressive && TABLES.iter().any(|it| same(&it))
}

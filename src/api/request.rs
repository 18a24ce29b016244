//! Arguments of API calls: limits, filters, positions, new items. Pure.

use std::time::SystemTime;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde_json::{Value, json};

use super::error::Error;
use crate::media::{MediaId, UploadToken};

/// Most items in one batchCreate, batchGet, batchAdd or batchRemove call (reference §6.5, §7.5,
/// §7.6).
pub const BATCH_MAX: usize = 50;
/// Largest page of albums.list (reference §6.1).
pub(super) const ALBUMS_PER_PAGE: usize = 50;
/// Largest page of mediaItems.list and search (reference §7.1).
pub const ITEMS_PER_PAGE: usize = 100;
/// Longest album title, in characters (reference §5.1).
pub const TITLE_CHARS_MAX: usize = 500;
/// Longest file name, in characters (reference §5.3).
pub const FILE_NAME_CHARS_MAX: usize = 255;
/// Longest description, in characters (reference §5.2 says fewer than 1000).
pub const DESCRIPTION_CHARS_MAX: usize = 999;
/// Most items in one album (reference §6.5).
pub const ALBUM_ITEMS_MAX: u64 = 20_000;

/// An item to create from uploaded bytes.
#[derive(Debug, Clone)]
pub struct NewItem {
    /// The upload's token, good for one day.
    pub token: UploadToken,
    /// The name with extension, at most [`FILE_NAME_CHARS_MAX`] characters. No call can change it
    /// later.
    pub file_name: String,
    /// The user's description, at most [`DESCRIPTION_CHARS_MAX`] characters.
    pub description: Option<String>,
}

/// The capture dates to search for. Items without a date never match (reference §7.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateFilter {
    /// A year.
    Year(i16),
    /// A month, 1 to 12, of a year.
    Month(i16, i8),
    /// A day.
    Day(Date),
    /// From one day to another, both included.
    Range(Date, Date),
}

/// How far the time of an item may be outside the dates that it was found by, in days: Google may
/// use the item's local time (reference §7.3).
const DATE_TOLERANCE: i64 = 2;

impl DateFilter {
    /// Whether an item of this time may be among the results.
    pub(super) fn admits(self, time: SystemTime) -> bool {
        let Ok(time) = Timestamp::try_from(time) else { return true };
        let day = time.to_zoned_datetime(TimeZone::UTC).date();
        let around = Span::new().days(DATE_TOLERANCE);
        let Some((first, last)) = self.days() else { return true };
        // At the ends of the calendar there is nothing outside.
        first.checked_sub(around).map_or(true, |first| day >= first)
            && last.checked_add(around).map_or(true, |last| day <= last)
    }

    /// The first day and the last one. `None` if there is no such date.
    fn days(self) -> Option<(Date, Date)> {
        let first = match self {
            Self::Year(year) => Date::new(year, 1, 1).ok()?,
            Self::Month(year, month) => Date::new(year, month, 1).ok()?,
            Self::Day(day) | Self::Range(day, _) => day,
        };
        let last = match self {
            Self::Year(_) => first.last_of_year(),
            Self::Month(..) => first.last_of_month(),
            Self::Day(day) | Self::Range(_, day) => day,
        };
        Some((first, last))
    }

    pub(super) fn json(self) -> Value {
        let day = |it: Date| json!({"year": it.year(), "month": it.month(), "day": it.day()});
        match self {
            Self::Year(year) => json!({"dates": [{"year": year}]}),
            Self::Month(year, month) => json!({"dates": [{"year": year, "month": month}]}),
            Self::Day(date) => json!({"dates": [day(date)]}),
            Self::Range(from, to) => {
                json!({"ranges": [{"startDate": day(from), "endDate": day(to)}]})
            }
        }
    }
}

/// A place within an album.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlbumPosition {
    /// Before all items.
    First,
    /// After all items.
    Last,
    /// Right after an item.
    After(MediaId),
}

/// Something between an album's items. The API can neither list nor change nor remove it later
/// (reference §6.7).
#[derive(Debug, Clone, PartialEq)]
pub enum Enrichment {
    /// A text.
    Text(String),
    /// A place.
    Location(Location),
    /// A route on a map.
    Map {
        /// The start of the route.
        origin: Location,
        /// The end of the route.
        destination: Location,
    },
}

/// A named point on earth.
#[derive(Debug, Clone, PartialEq)]
pub struct Location {
    /// Its name.
    pub name: String,
    /// In degrees, -90 to 90.
    pub latitude: f64,
    /// In degrees, -180 to 180.
    pub longitude: f64,
}

impl AlbumPosition {
    pub(super) fn json(&self) -> Value {
        match self {
            Self::First => json!({"position": "FIRST_IN_ALBUM"}),
            Self::Last => json!({"position": "LAST_IN_ALBUM"}),
            Self::After(item) => {
                json!({"position": "AFTER_MEDIA_ITEM", "relativeMediaItemId": item})
            }
        }
    }
}

impl Enrichment {
    pub(super) fn json(&self) -> Value {
        match self {
            Self::Text(text) => json!({"textEnrichment": {"text": text}}),
            Self::Location(it) => json!({"locationEnrichment": {"location": it.json()}}),
            Self::Map { origin, destination } => {
                let (origin, destination) = (origin.json(), destination.json());
                json!({"mapEnrichment": {"origin": origin, "destination": destination}})
            }
        }
    }
}

impl Location {
    fn json(&self) -> Value {
        let point = json!({"latitude": self.latitude, "longitude": self.longitude});
        json!({"locationName": self.name, "latlng": point})
    }
}

/// Google refuses empty, oversized and repeating batches as a whole, so a caller must not send one.
pub(super) fn limit_batch<T: Eq + std::hash::Hash>(
    call: &'static str,
    batch: &[T],
) -> Result<(), Error> {
    let different = batch.iter().collect::<std::collections::HashSet<_>>().len();
    if !(1..=BATCH_MAX).contains(&batch.len()) || different != batch.len() {
        let why = format!(
            "it takes 1 to {BATCH_MAX} different items, not {} ({different} different)",
            batch.len()
        );
        return Err(Error::Unfit { call, why });
    }
    Ok(())
}

pub(super) fn limit_chars(
    call: &'static str,
    what: &str,
    text: &str,
    max: usize,
) -> Result<(), Error> {
    let count = text.chars().count();
    if count > max {
        return Err(Error::Unfit {
            call,
            why: format!("the {what} has {count} characters, {max} are allowed"),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_admit_their_days_and_the_time_zones_around_them() {
        let year = DateFilter::Year(2019);
        let range = DateFilter::Range(Date::constant(1, 1, 1), Date::constant(9999, 12, 31));
        let day = DateFilter::Day(Date::constant(2020, 2, 29));
        for (filter, time, admitted) in [
            (year, "2019-06-01T00:00:00Z", true),
            (year, "2020-01-02T23:59:59Z", true),
            (year, "2020-01-03T00:00:00Z", false),
            (year, "2018-12-29T23:59:59Z", false),
            (year, "2018-12-30T00:00:00Z", true),
            (day, "2020-03-02T12:00:00Z", true),
            (day, "2020-03-03T00:00:00Z", false),
            (range, "0001-01-01T00:00:00Z", true),
            (range, "9999-12-30T00:00:00Z", true),
            (DateFilter::Month(2019, 4), "2019-04-30T23:00:00Z", true),
            (DateFilter::Month(2019, 4), "2019-05-03T00:00:00Z", false),
        ] {
            let at = SystemTime::try_from(time.parse::<Timestamp>().unwrap()).unwrap();
            assert_eq!(filter.admits(at), admitted, "{filter:?} {time}");
        }
    }
}

//! Search filters (reference §7.3).

use serde::Deserialize;

use super::json::{lenient_bool, lenient_int};
use crate::error::ApiError;
use crate::faults::Faults;
use crate::state::Item;

/// In which order search lists.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    NewestFirst,
    OldestFirst,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Filters {
    date_filter: Option<DateFilter>,
    content_filter: Option<ContentFilter>,
    media_type_filter: Option<MediaTypeFilter>,
    feature_filter: Option<FeatureFilter>,
    #[serde(deserialize_with = "lenient_bool")]
    include_archived_media: bool,
    /// Ignored since applications see nothing but their own data.
    #[serde(deserialize_with = "lenient_bool", rename = "excludeNonAppCreatedData")]
    _own_only: bool,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct DateFilter {
    dates: Vec<Date>,
    ranges: Vec<DateRange>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct DateRange {
    start_date: Date,
    end_date: Date,
}

/// A date, or with zeros a shape such as "every May".
#[derive(Deserialize, Default, Clone, Copy)]
#[serde(default, deny_unknown_fields)]
struct Date {
    #[serde(deserialize_with = "lenient_int")]
    year: i64,
    #[serde(deserialize_with = "lenient_int")]
    month: i64,
    #[serde(deserialize_with = "lenient_int")]
    day: i64,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct ContentFilter {
    included_content_categories: Vec<Category>,
    excluded_content_categories: Vec<Category>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[rustfmt::skip] // a list of words
enum Category {
    None, Landscapes, Receipts, Cityscapes, Landmarks, Selfies, People, Pets, Weddings, Birthdays,
    Documents, Travel, Animals, Food, Sport, Night, Performances, Whiteboards, Screenshots, Utility,
    Arts, Crafts, Fashion, Houses, Gardens, Flowers, Holidays,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct MediaTypeFilter {
    media_types: Vec<MediaType>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum MediaType {
    AllMedia,
    Photo,
    Video,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct FeatureFilter {
    included_features: Vec<Feature>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Feature {
    None,
    Favorites,
}

impl Filters {
    /// Checks the limits, and that `order_by` fits; returns the order.
    pub(crate) fn check(&self, order_by: &str) -> Result<Order, ApiError> {
        let refuse = |text: &str| Err(ApiError::violation(text));
        if let Some(dates) = &self.date_filter {
            if dates.dates.len() > 5 || dates.ranges.len() > 5 {
                return refuse("A date filter may have at most five dates and five ranges.");
            }
            let ends = dates.ranges.iter().flat_map(|range| [&range.start_date, &range.end_date]);
            if !dates.dates.iter().chain(ends).all(Date::is_valid) {
                return refuse("Invalid date in the date filter.");
            }
            if dates.ranges.iter().any(|r| r.start_date.shape() != r.end_date.shape()) {
                return refuse("Both ends of a date range must have the same form.");
            }
        }
        if let Some(content) = &self.content_filter {
            let (included, excluded) =
                (&content.included_content_categories, &content.excluded_content_categories);
            if included.len() > 10 || excluded.len() > 10 {
                return refuse("A content filter may have at most ten categories each way.");
            }
            if included.iter().any(|category| excluded.contains(category)) {
                return refuse("A content category cannot be both included and excluded.");
            }
        }
        if self.media_type_filter.as_ref().is_some_and(|filter| filter.media_types.len() != 1) {
            return refuse("A media type filter must have exactly one media type.");
        }
        let others = self.content_filter.is_some()
            || self.media_type_filter.is_some()
            || self.feature_filter.is_some();
        match order_by {
            "" => Ok(Order::NewestFirst),
            _ if self.date_filter.is_none() || others => {
                refuse("order_by can be used with a date filter only.")
            }
            "MediaMetadata.creation_time" => Ok(Order::OldestFirst),
            "MediaMetadata.creation_time desc" => Ok(Order::NewestFirst),
            _ => refuse("Invalid order_by."),
        }
    }

    /// Whether any filter is set. Filtered searches lag behind and never show the future.
    fn narrows(&self) -> bool {
        self.date_filter.is_some()
            || self.content_filter.is_some()
            || self.media_type_filter.is_some()
            || self.feature_filter.is_some()
    }

    /// Whether `item` passes at a time.
    pub(crate) fn admit(&self, item: &Item, now_ms: i64, faults: &Faults) -> bool {
        if item.archived && !self.include_archived_media {
            return false;
        }
        if !self.narrows() {
            return true;
        }
        let indexed = item.created_ms.saturating_add_unsigned(faults.filtered_delay_ms) <= now_ms;
        let in_the_future = item.creation_time_s() > now_ms / 1000;
        let date = self.date_filter.as_ref().is_none_or(|filter| {
            // The time of upload is no substitute for a capture date.
            item.facts.captured_s.is_some_and(|captured_s| {
                filter.admits(captured_s.saturating_add(faults.date_filter_offset_s))
            })
        });
        let content = self.content_filter.as_ref().is_none_or(|filter| {
            // Nothing here is ever categorised.
            filter.included_content_categories.iter().all(|category| *category == Category::None)
        });
        let media_type = self.media_type_filter.as_ref().is_none_or(|filter| {
            filter.media_types.iter().all(|media_type| match media_type {
                MediaType::AllMedia => true,
                MediaType::Photo => !item.facts.video,
                MediaType::Video => item.facts.video,
            })
        });
        let feature = self.feature_filter.as_ref().is_none_or(|filter| {
            item.favorite || !filter.included_features.contains(&Feature::Favorites)
        });
        indexed && !in_the_future && date && content && media_type && feature
    }
}

impl DateFilter {
    fn admits(&self, captured_s: i64) -> bool {
        let Ok(time) = jiff::Timestamp::from_second(captured_s) else { return false };
        let day = time.to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
        let day =
            Date { year: day.year().into(), month: day.month().into(), day: day.day().into() };
        self.dates.iter().any(|date| day.cut_to(date) == date.key())
            || self.ranges.iter().any(|range| {
                let key = day.cut_to(&range.start_date);
                range.start_date.key() <= key && key <= range.end_date.key()
            })
    }
}

impl Date {
    fn key(&self) -> (i64, i64, i64) {
        (self.year, self.month, self.day)
    }

    /// Which of the three parts are given.
    fn shape(&self) -> (bool, bool, bool) {
        (self.year != 0, self.month != 0, self.day != 0)
    }

    /// This day with the parts that `other` leaves open left open.
    fn cut_to(&self, other: &Date) -> (i64, i64, i64) {
        let (year, month, day) = other.shape();
        (i64::from(year) * self.year, i64::from(month) * self.month, i64::from(day) * self.day)
    }

    fn is_valid(&self) -> bool {
        let in_range = (0..=9999).contains(&self.year)
            && (0..=12).contains(&self.month)
            && (0..=31).contains(&self.day);
        // Year, year and month, all three, month and day, month (reference §5.3).
        let allowed = !matches!(self.shape(), (_, false, true) | (false, false, false));
        in_range && allowed
    }
}

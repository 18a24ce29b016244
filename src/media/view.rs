//! The views of the library under `/.gphotos/library`, and their names.

use std::time::SystemTime;

use jiff::civil::Date;
use jiff::tz::TimeZone;

/// A directory under `/.gphotos/library`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum View {
    /// `all`: every item.
    All,
    /// `by-year`, `by-month` or `by-day`: the periods that have items.
    By(Span),
    /// `by-year/2019` and the like: the items of a period.
    Of(Period),
}

/// The length of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Span {
    /// January to December.
    Year,
    /// The first day to the last.
    Month,
    /// Midnight to midnight.
    Day,
}

/// A year, month or day of the calendar, from the year 1 to 9999.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Period {
    span: Span,
    first: Date,
}

impl Span {
    /// All spans.
    pub const ALL: [Self; 3] = [Self::Year, Self::Month, Self::Day];
}

impl View {
    /// The views that always exist.
    pub const FIXED: [Self; 4] =
        [Self::All, Self::By(Span::Year), Self::By(Span::Month), Self::By(Span::Day)];

    /// A unique number below 2^27. For a period it is the date as `yyyymmdd`, where zeros stand for
    /// the month and day that it leaves open.
    pub fn number(self) -> i64 {
        match self {
            Self::All => 0,
            Self::By(Span::Year) => 1,
            Self::By(Span::Month) => 2,
            Self::By(Span::Day) => 3,
            Self::Of(period) => period.number(),
        }
    }

    /// The inverse of [`View::number`].
    pub fn of_number(number: i64) -> Option<Self> {
        match Self::FIXED.into_iter().find(|view| view.number() == number) {
            Some(view) => Some(view),
            None => Period::of_number(number).map(Self::Of),
        }
    }

    /// The view of this name in `/.gphotos/library`.
    pub fn named(name: &[u8]) -> Option<Self> {
        Self::FIXED.into_iter().find(|view| view.name().as_bytes() == name)
    }

    /// Its name in its parent directory.
    pub fn name(self) -> String {
        match self {
            Self::All => "all".into(),
            Self::By(Span::Year) => "by-year".into(),
            Self::By(Span::Month) => "by-month".into(),
            Self::By(Span::Day) => "by-day".into(),
            Self::Of(period) => period.name(),
        }
    }
}

impl Period {
    /// The period of that length that contains a day. `None` before the year 1.
    pub fn of(span: Span, day: Date) -> Option<Self> {
        let first = match span {
            Span::Year => day.first_of_year(),
            Span::Month => day.first_of_month(),
            Span::Day => day,
        };
        (first.year() >= 1).then_some(Self { span, first })
    }

    /// The period of that length that contains a time, in UTC.
    pub fn at(span: Span, time: SystemTime) -> Option<Self> {
        let time = jiff::Timestamp::try_from(time).ok()?;
        Self::of(span, time.to_zoned_datetime(TimeZone::UTC).date())
    }

    /// Parses the name of a period: `2019`, `2019-04` or `2019-04-28`. `None` if there is no such
    /// date.
    pub fn called(span: Span, name: &[u8]) -> Option<Self> {
        let digits: Vec<u8> = name.iter().copied().filter(u8::is_ascii_digit).collect();
        let number: i64 = std::str::from_utf8(&digits).ok()?.parse().ok()?;
        let number = match span {
            Span::Year => number.checked_mul(1_00_00)?,
            Span::Month => number.checked_mul(1_00)?,
            Span::Day => number,
        };
        Self::of_number(number).filter(|it| it.span == span && it.name().as_bytes() == name)
    }

    /// Its length.
    pub fn span(self) -> Span {
        self.span
    }

    /// Its first day.
    pub fn first_day(self) -> Date {
        self.first
    }

    /// Its begin and its end in UTC, in milliseconds since 1970.
    pub fn millis(self) -> (i64, i64) {
        let last = match self.span {
            Span::Year => self.first.last_of_year(),
            Span::Month => self.first.last_of_month(),
            Span::Day => self.first,
        };
        // The range of timestamps ends shortly before that of dates.
        let begins = |day: Date| {
            day.to_zoned_datetime(TimeZone::UTC)
                .map_or(i64::MAX, |it| it.timestamp().as_millisecond())
        };
        (begins(self.first), last.tomorrow().map_or(i64::MAX, begins))
    }

    fn number(self) -> i64 {
        let [year, month, day]: [i64; 3] =
            [self.first.year().into(), self.first.month().into(), self.first.day().into()];
        year * 1_00_00
            + match self.span {
                Span::Year => 0,
                Span::Month => month * 1_00,
                Span::Day => month * 1_00 + day,
            }
    }

    fn of_number(number: i64) -> Option<Self> {
        let (year, month, day) = (number / 1_00_00, number / 1_00 % 100, number % 100);
        let span = match (month, day) {
            (0, 0) => Span::Year,
            (_, 0) => Span::Month,
            _ => Span::Day,
        };
        let month_or_first = if month == 0 { 1 } else { month };
        let day_or_first = if day == 0 { 1 } else { day };
        let first = Date::new(
            year.try_into().ok()?,
            month_or_first.try_into().ok()?,
            day_or_first.try_into().ok()?,
        );
        Self::of(span, first.ok()?).filter(|it| it.number() == number)
    }

    fn name(self) -> String {
        let (year, month, day) = (self.first.year(), self.first.month(), self.first.day());
        match self.span {
            Span::Year => format!("{year:04}"),
            Span::Month => format!("{year:04}-{month:02}"),
            Span::Day => format!("{year:04}-{month:02}-{day:02}"),
        }
    }
}

impl std::fmt::Debug for Period {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_have_the_names_of_dates_that_exist() {
        for (span, name, number) in [
            (Span::Year, "2019", 20190000),
            (Span::Month, "2019-04", 20190400),
            (Span::Day, "2019-04-28", 20190428),
            (Span::Day, "2020-02-29", 20200229),
            (Span::Year, "0001", 10000),
            (Span::Day, "9999-12-31", 99991231),
        ] {
            let period = Period::called(span, name.as_bytes()).expect(name);
            assert_eq!((period.name().as_str(), period.number()), (name, number));
            assert_eq!(View::of_number(number), Some(View::Of(period)));
        }
        for (span, name) in [
            (Span::Day, "2019-02-29"),
            (Span::Day, "2019-4-28"),
            (Span::Day, "20190428"),
            (Span::Day, "2019-04"),
            (Span::Month, "2019-13"),
            (Span::Month, "2019-00"),
            (Span::Year, "19"),
            (Span::Year, "0000"),
            (Span::Year, "12019"),
            (Span::Year, "99999999999999999999"),
            (Span::Year, "2019x"),
            (Span::Year, ""),
        ] {
            assert_eq!(Period::called(span, name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn numbers_and_views_correspond() {
        for view in View::FIXED {
            assert_eq!(View::of_number(view.number()), Some(view));
        }
        for never in [-1, 4, 99, 100, 20191300, 20190005, 20190230, 100000101] {
            assert_eq!(View::of_number(never), None, "{never}");
        }
    }

    #[test]
    fn a_period_ends_where_the_next_begins() {
        let millis = |span, name: &str| Period::called(span, name.as_bytes()).unwrap().millis();
        assert_eq!(millis(Span::Year, "1970"), (0, 365 * 86_400_000));
        assert_eq!(millis(Span::Month, "1970-02"), (31 * 86_400_000, 59 * 86_400_000));
        assert_eq!(millis(Span::Day, "1969-12-31"), (-86_400_000, 0));
        assert_eq!(millis(Span::Year, "9999").1, i64::MAX);
    }
}

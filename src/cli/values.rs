//! The values of arguments: words that clap offers for plain enums, and parsers.

use std::time::Duration;

use clap::ValueEnum;
use clap::builder::PossibleValue;
use jiff::{Span, SpanRelativeTo};
use url::Url;

use crate::commands::adopt::Min;
#[cfg(feature = "emulator")]
use crate::commands::emulator::Speed;
use crate::settings::{Commit, Metered, Notify, Passthrough, Sidecars, Sizes, Thumbnails};

/// Gives each variant of a plain enum its word and its help on the command line.
macro_rules! words {
    ($kind:ty { $($variant:ident = $word:literal, $help:literal;)+ }) => {
        impl ValueEnum for $kind {
            fn value_variants<'a>() -> &'a [Self] {
                &[$(Self::$variant),+]
            }

            fn to_possible_value(&self) -> Option<PossibleValue> {
                Some(match self {
                    $(Self::$variant => PossibleValue::new($word).help($help),)+
                })
            }
        }
    };
}

words!(Commit {
    Background = "background", "Once the file is safe on this disk; the upload follows";
    Close = "close",
        "Once Google has made an item of it; close fails if the upload fails";
});

words!(Sizes {
    Exact = "exact", "Request each size once, many at a time for a program that walks a directory";
    Lazy = "lazy", "Request each size once, when a program looks at that file, and none ahead";
});

words!(Sidecars {
    Keep = "keep", "They stay on this machine: they list and read back, and are never uploaded";
    Refuse = "refuse", "By their content, as any file: close fails if it is no photo or video";
});

words!(Passthrough {
    Auto = "auto",
        "The kernel reads them by itself where it can; this needs Linux 6.9 and root";
    Off = "off", "This program reads them, at each request of the kernel";
});

words!(Thumbnails {
    Auto = "auto", "Those of a directory, when a file manager opens it";
    On = "on", "Also those of each directory that one of your programs lists";
    Off = "off", "None; 'gphotosfs thumbnails' makes them";
});

words!(Notify {
    Auto = "auto", "If the user has a session with a desktop";
    Off = "off", "Never";
});

words!(Metered {
    Pause = "pause", "They wait for another one";
    Use = "use", "They go on";
});

words!(Min {
    AlmostCertain = "almost-certain", "Size and capture time agree, and nothing contradicts";
    Likely = "likely",
        "Another picture would be a coincidence; videos are at most likely";
});

#[cfg(feature = "emulator")]
words!(Speed {
    Instant = "instant", "As fast as this machine";
    Realistic = "realistic",
        "About as fast as Google: 150 ms a call, 400 ms and more a batch, uploads at 20 MB/s";
});

/// A base URL for the API.
pub(super) fn http_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|err| err.to_string())?;
    match url.scheme() {
        "http" | "https" if url.host().is_some() => Ok(url),
        _ => Err("use a URL that starts with https:// or http://".into()),
    }
}

/// A length of time, as `90s`, `1h 30m` or `2 days`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    if text.trim() == "0" {
        return Ok(Duration::ZERO);
    }
    let refused = || "use a number and its unit, as in 90s, 5m, 1h 30m or 2 days".to_owned();
    let span: Span = text.trim().parse().map_err(|_| refused())?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| refused())?;
    Duration::try_from(length).map_err(|_| refused())
}

/// Any JSON.
#[cfg(feature = "emulator")]
pub(super) fn json(text: &str) -> Result<serde_json::Value, serde_json::Error> {
    serde_json::from_str(text)
}

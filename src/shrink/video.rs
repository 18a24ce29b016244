//! Which videos can be made smaller, and how. Pure: it reads what `ffprobe` says, and writes the
//! arguments of `ffmpeg`.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;

use serde::Deserialize;

use super::reason::Whole;

/// The sides of the copy at most.
const LONG_MAX: u32 = 1920;
const SHORT_MAX: u32 = 1080;
/// A video of that size with fewer bits a second is left whole.
const LEAN_BITS_PER_S: f64 = 14e6;
/// Shorter files are not worth it.
const BYTES_MIN: u64 = 4_000_000;
/// Videos with more pixels would take too much memory to decode. 8K has less.
const PIXELS_MAX: u64 = 36_000_000;
/// The count of pictures in a file's header may differ a little from that of a decoder.
const PICTURES_SLACK: u64 = 10;
/// More frames a second are slow motion: players find its parts by their times.
const FRAMES_PER_S_MAX: f64 = 61.0;
/// So far the length of the copy may differ, in seconds.
const LENGTH_SLACK: f64 = 0.25;
/// Functions that show light as HDR does.
const HDR_TRANSFERS: [&str; 2] = ["smpte2084", "arib-std-b67"];
/// A still photo belongs to the video.
const LIVE_PHOTO: &str = "com.apple.quicktime.content.identifier";
/// The speed at which the video was taken, if it is shown slower.
const CAPTURE_SPEED: &str = "com.android.capture.fps";

/// A file is a film and nothing else: a playlist in its place might name other files, or hosts.
const INPUT: [&str; 4] = ["-protocol_whitelist", "file", "-f", "mov"];

/// What `ffprobe` says of a file.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Probe {
    streams: Vec<Stream>,
    format: Format,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Stream {
    codec_type: String,
    codec_name: String,
    width: u32,
    height: u32,
    pix_fmt: String,
    color_range: Option<String>,
    color_primaries: Option<String>,
    color_transfer: Option<String>,
    color_space: Option<String>,
    avg_frame_rate: String,
    field_order: Option<String>,
    nb_frames: Option<String>,
    bit_rate: Option<String>,
    side_data_list: Vec<SideData>,
    disposition: HashMap<String, i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SideData {
    side_data_type: String,
    rotation: f64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Format {
    format_name: String,
    duration: Option<String>,
    bit_rate: Option<String>,
    tags: HashMap<String, String>,
}

/// How a smaller copy is made.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    width: u32,
    height: u32,
    /// The names of its colours, for the encoder.
    colours: Vec<(&'static str, String)>,
    is_quicktime: bool,
}

impl Probe {
    fn pictures(&self) -> impl Iterator<Item = &Stream> {
        self.streams.iter().filter(|it| it.codec_type == "video")
    }

    fn sounds(&self) -> impl Iterator<Item = &Stream> {
        self.streams.iter().filter(|it| it.codec_type == "audio")
    }

    /// A copy has no more pictures.
    pub fn pictures_max(&self) -> u64 {
        let counted = self.pictures().find_map(Stream::frames);
        let likely = || (self.seconds() * FRAMES_PER_S_MAX).ceil() as u64;
        counted.unwrap_or_else(likely).saturating_add(PICTURES_SLACK)
    }

    fn seconds(&self) -> f64 {
        number(self.format.duration.as_deref())
    }
}

impl Stream {
    fn rotation(&self) -> f64 {
        self.side_data_list.iter().map(|it| it.rotation).find(|it| *it != 0.0).unwrap_or(0.0)
    }

    fn frames(&self) -> Option<u64> {
        self.nb_frames.as_deref().and_then(|it| it.parse().ok())
    }

    fn has(&self, side_data: &str) -> bool {
        self.side_data_list.iter().any(|it| it.side_data_type.contains(side_data))
    }
}

fn number(text: Option<&str>) -> f64 {
    text.and_then(|it| it.parse().ok()).unwrap_or(0.0)
}

/// A fraction as `ffprobe` writes it: `30000/1001`.
fn fraction(text: &str) -> f64 {
    let (above, below) = text.split_once('/').unwrap_or((text, "1"));
    let value = number(Some(above)) / number(Some(below));
    if value.is_finite() { value } else { 0.0 }
}

/// Decides how a video is made smaller.
///
/// # Errors
/// If it must be left whole: why.
pub fn target(probe: &Probe, bytes: u64) -> Result<Target, Whole> {
    let format = &probe.format;
    if !format.format_name.split(',').any(|it| it == "mp4") {
        return Err(Whole::Format);
    }
    let mut pictures = probe.pictures();
    let Some(video) = pictures.next() else { return Err(Whole::Format) };
    let still = |it: &Stream| it.disposition.get("attached_pic").is_some_and(|it| *it != 0);
    if pictures.next().is_some() || still(video) || probe.sounds().count() > 1 {
        return Err(Whole::Tracks);
    }
    if probe.streams.len() != 1 + probe.sounds().count() {
        return Err(Whole::Tracks);
    }
    let is_hdr = |it: &Stream| {
        let transfer = it.color_transfer.as_deref().unwrap_or_default();
        HDR_TRANSFERS.contains(&transfer) || it.has("DOVI") || it.has("Dolby")
    };
    if is_hdr(video) || !["yuv420p", "yuvj420p"].contains(&&*video.pix_fmt) {
        return Err(Whole::Hdr);
    }
    if format.tags.contains_key(LIVE_PHOTO) {
        return Err(Whole::Motion);
    }
    if video.has("Spherical") || video.has("Stereo") {
        return Err(Whole::Panorama);
    }
    let speed = fraction(&video.avg_frame_rate);
    let taken = number(format.tags.get(CAPTURE_SPEED).map(String::as_str));
    if speed > FRAMES_PER_S_MAX || taken > FRAMES_PER_S_MAX {
        return Err(Whole::SlowMotion);
    }
    let is_progressive =
        video.field_order.as_deref().is_none_or(|it| ["progressive", "unknown"].contains(&it));
    let (width, height) = (video.width, video.height);
    if !is_progressive || width == 0 || height == 0 || speed <= 0.0 || probe.seconds() <= 0.0 {
        return Err(Whole::Coding);
    }
    if bytes < BYTES_MIN {
        return Err(Whole::Small);
    }
    if u64::from(width) * u64::from(height) > PIXELS_MAX {
        return Err(Whole::Huge);
    }
    let (long, short) = (width.max(height), width.min(height));
    let scale = f64::from(LONG_MAX) / f64::from(long);
    let scale = scale.min(f64::from(SHORT_MAX) / f64::from(short)).min(1.0);
    let rate = number(video.bit_rate.as_deref().or(format.bit_rate.as_deref()));
    if scale >= 1.0 && rate <= LEAN_BITS_PER_S {
        return Err(Whole::Lean);
    }
    // The encoder takes even sides only.
    let side = |side: u32| ((f64::from(side) * scale / 2.0).round() as u32).max(1) * 2;
    let colours = [
        ("-color_range", &video.color_range),
        ("-color_primaries", &video.color_primaries),
        ("-color_trc", &video.color_transfer),
        ("-colorspace", &video.color_space),
    ];
    let colours = colours.into_iter().filter_map(|(name, value)| {
        value.clone().filter(|it| !["unknown", "reserved"].contains(&&**it)).map(|it| (name, it))
    });
    let brand = format.tags.get("major_brand").map_or("", |it| it.trim());
    Ok(Target {
        width: side(width),
        height: side(height),
        colours: colours.collect(),
        is_quicktime: brand == "qt",
    })
}

/// The arguments of `ffmpeg`. It keeps the times and the rotation of the pictures, copies the sound,
/// and reports its progress on stdout.
pub fn arguments(input: &Path, output: &Path, target: &Target) -> Vec<OsString> {
    let Target { width, height, colours, is_quicktime } = target;
    let before = "-nostdin -v error -y -noautorotate -progress pipe:1 -nostats";
    let scale = format!("scale={width}:{height}:flags=lanczos");
    let mut after = "-map 0:v:0 -map 0:a? -c:v libx264 -preset medium -crf 20 -pix_fmt yuv420p \
         -fps_mode passthrough -c:a copy -map_metadata 0 -map_chapters -1 -vf"
        .split_ascii_whitespace()
        .map(str::to_owned)
        .collect::<Vec<_>>();
    after.push(scale);
    after.extend(colours.iter().flat_map(|(name, value)| [(*name).to_owned(), value.clone()]));
    after.extend(["-f".to_owned(), if *is_quicktime { "mov" } else { "mp4" }.to_owned()]);
    let before = before.split_ascii_whitespace().chain(INPUT).chain(["-i"]).map(OsString::from);
    let after = after.into_iter().map(OsString::from);
    before.chain([input.into()]).chain(after).chain([output.into()]).collect()
}

/// The arguments of `ffprobe`, before the path, for what [`Probe`] reads.
pub fn look() -> Vec<&'static str> {
    let said = ["-v", "error", "-print_format", "json", "-show_format", "-show_streams"];
    INPUT.into_iter().chain(said).collect()
}

/// The arguments of `ffmpeg` for a trial of all that [`arguments`] needs.
pub fn trial() -> Vec<&'static str> {
    "-nostdin -v error -f lavfi -i color=size=64x64:duration=0.1 -c:v libx264 -preset medium \
     -pix_fmt yuv420p -vf scale=32:32:flags=lanczos -fps_mode passthrough -progress pipe:1 -f null -"
        .split_ascii_whitespace()
        .collect()
}

/// Whether the copy shows the same: as long, as many pictures, turned alike, the same sound and
/// time of capture.
pub fn is_copy(original: &Probe, copy: &Probe, target: &Target) -> bool {
    let ([one], [other]) =
        (&original.pictures().collect::<Vec<_>>()[..], &copy.pictures().collect::<Vec<_>>()[..])
    else {
        return false;
    };
    let sounds = |it: &Probe| it.sounds().map(|it| it.codec_name.clone()).collect::<Vec<_>>();
    let time = |it: &Probe| it.format.tags.get("creation_time").cloned();
    (other.width, other.height) == (target.width, target.height)
        && one.rotation() == other.rotation()
        && one.frames() == other.frames()
        && sounds(original) == sounds(copy)
        && time(original) == time(copy)
        && (original.seconds() - copy.seconds()).abs() <= LENGTH_SLACK
}

#[cfg(test)]
mod tests;

//! `--quality saver` on photos of all kinds, which scripts/saver-corpus.sh makes. exiftool, libjpeg and SSIMULACRA2 over the
//! whole picture judge what Google has got.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gphotosfs::shrink::PERCENT_MAX;
use serde_json::{Map, Value};
use ssimulacra2::{ColorPrimaries, Rgb, TransferCharacteristic, compute_frame_ssimulacra2};

use crate::support::{World, schema};

/// As docs/QUALITY.md promises.
const LIKENESS_MIN: f64 = 78.0;
/// The outcome of a photo that the mount has made a smaller copy of.
const SMALLER: &str = "smaller";
/// The directory of photos whose outcome is free.
const EITHER: &str = "either";
/// What a decoder needs, and no metadata: the segment of Adobe, too, says how the colours are coded.
const OF_THE_CODING: [&str; 2] = ["EncodingProcess", "APP14:"];
/// The size of the picture, by its frame and by the two fields of EXIF.
const SIZE: [&str; 4] =
    ["File:ImageWidth", "File:ImageHeight", "ExifIFD:ExifImageWidth", "ExifIFD:ExifImageHeight"];
const SUBSAMPLING: &str = "File:YCbCrSubSampling";
/// The encoder can make these: 4:4:4, 4:2:2, 4:4:0 and 4:2:0.
const USUAL_SUBSAMPLINGS: [&str; 4] = ["1 1", "2 1", "1 2", "2 2"];
/// Most exiftool and sync take, in seconds.
const PATIENCE_S: u32 = 1500;

/// A file of the corpus, and what Google has got of it.
struct Uploaded {
    /// Its directory of the corpus, which is its album, too.
    dir: String,
    name: String,
    original: PathBuf,
    sent: PathBuf,
    /// Why it was left whole, or [`SMALLER`].
    outcome: String,
}

impl Uploaded {
    fn kind(&self) -> String {
        format!("{}/{}", self.dir, self.name.split('-').next().unwrap())
    }

    fn is_smaller(&self) -> bool {
        self.outcome == SMALLER
    }

    /// Bytes that were sent, of each hundred.
    fn percent(&self) -> f64 {
        length(&self.sent) as f64 * 100.0 / length(&self.original) as f64
    }
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

/// The corpus, made if it is not there.
fn corpus() -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("saver-corpus");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/saver-corpus.sh");
    let outcome = Command::new(script).arg(&dir).stdin(Stdio::null()).output().unwrap();
    assert!(outcome.status.success(), "{outcome:?}");
    dir
}

/// Copies the directories of `from` into the mount, waits for the uploads, and pairs each file with its item.
fn upload(world: &World, from: &Path) -> Vec<Uploaded> {
    world.sh_within(PATIENCE_S, &format!("cp -r {}/. mnt/ && sync mnt", from.display()));
    let dump = world.emulator.dump();
    let blobs = world.dir.path().join("google/blobs");
    let mut found = Vec::new();
    for album in dump.albums.iter().filter(|it| from.join(&it.title).is_dir()) {
        let dir = &album.title;
        let items = album.items.iter().map(|it| dump.item(it).unwrap());
        let items: BTreeMap<_, _> = items.map(|it| (&it.filename, it)).collect();
        let names = fs::read_dir(from.join(dir)).unwrap().map(|it| it.unwrap().file_name());
        for name in names.map(|it| it.into_string().unwrap()) {
            let item = items.get(&name).unwrap_or_else(|| panic!("{dir}/{name} is missing"));
            let outcome = xattr::get(world.mnt.join(dir).join(&name), "user.gphotos.whole");
            let outcome = outcome.unwrap().map(|it| String::from_utf8(it).unwrap());
            found.push(Uploaded {
                original: from.join(dir).join(&name),
                sent: blobs.join(item.sha256.as_ref().unwrap()),
                outcome: outcome.unwrap_or_else(|| SMALLER.to_owned()),
                dir: dir.clone(),
                name,
            });
        }
    }
    found
}

/// All fields that exiftool reads in each file, unknown ones and its warnings included.
fn metadata(paths: &[&Path]) -> Vec<Map<String, Value>> {
    let mut exiftool = Command::new("timeout");
    exiftool.args([&PATIENCE_S.to_string(), "exiftool", "-j", "-n", "-a", "-u", "-U", "-b"]);
    exiftool.args(["-G1:4", "-validate", "-warning", "-error", "-all", "--System:all"]);
    exiftool.args(["--Composite:all", "--ExifTool:ExifToolVersion"]).args(paths);
    let outcome = exiftool.output().unwrap();
    // It fails if one of the files has an error.
    let read: Vec<Map<String, Value>> = serde_json::from_slice(&outcome.stdout).unwrap();
    assert_eq!(read.len(), paths.len());
    let is_metadata =
        |name: &String| name != "SourceFile" && OF_THE_CODING.iter().all(|it| !name.contains(it));
    read.into_iter().map(|it| it.into_iter().filter(|it| is_metadata(&it.0)).collect()).collect()
}

/// The names of all fields in which two files differ.
fn differences(one: &Map<String, Value>, other: &Map<String, Value>) -> Vec<String> {
    let names = one.keys().chain(other.keys().filter(|it| !one.contains_key(*it)));
    let differ = |name: &&String| one.get(*name) != other.get(*name);
    names.filter(differ).cloned().collect()
}

/// A decoded picture.
struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<[f32; 3]>,
}

/// Decodes a JPEG by libjpeg, and resizes it by ImageMagick.
fn decode(path: &Path, size: Option<(usize, usize)>) -> Picture {
    let resize = size.map_or(String::new(), |(width, height)| {
        format!("| $im ppm:- -filter Lanczos -resize '{width}x{height}!' -depth 8 ppm:-")
    });
    let script = format!(
        "im=$(command -v convert-im6.q16 || command -v convert); djpeg -pnm '{}' {resize}",
        path.display()
    );
    let outcome = Command::new("bash").args(["-o", "pipefail", "-ec", &script]).output().unwrap();
    assert!(outcome.status.success(), "{path:?}: {}", String::from_utf8_lossy(&outcome.stderr));
    let mut bytes = &outcome.stdout[..];
    let mut word = || {
        let end = bytes.iter().position(u8::is_ascii_whitespace).unwrap();
        let word = str::from_utf8(&bytes[..end]).unwrap();
        bytes = &bytes[end + 1..];
        word
    };
    let (format, width, height) = (word(), word().parse().unwrap(), word().parse().unwrap());
    assert_eq!(word(), "255");
    let channels = if format == "P5" { 1 } else { 3 };
    let value = |pixel: &[u8], at: usize| f32::from(pixel[at % channels]) / 255.0;
    let pixels = bytes.chunks_exact(channels).map(|it| [0, 1, 2].map(|at| value(it, at)));
    Picture { width, height, pixels: pixels.collect() }
}

/// How near a copy is to its photo, or to the photo resized.
fn likeness(original: &Path, copy: &Path, resized: bool) -> f64 {
    let copy = decode(copy, None);
    let original = decode(original, resized.then_some((copy.width, copy.height)));
    let frame = |it: Picture| {
        let (transfer, primaries) = (TransferCharacteristic::SRGB, ColorPrimaries::BT709);
        Rgb::new(it.pixels, it.width, it.height, transfer, primaries).unwrap()
    };
    compute_frame_ssimulacra2(frame(original), frame(copy)).unwrap()
}

/// The files of one kind.
#[derive(Default)]
struct Row {
    percents: Vec<f64>,
    likenesses: Vec<f64>,
    whole: BTreeMap<String, usize>,
}

fn table(rows: &BTreeMap<String, Row>) -> String {
    let mut table = "| kind | smaller | percent of the bytes | lowest score | whole |\n\
                     |---|---|---|---|---|\n"
        .to_owned();
    for (kind, row) in rows {
        let least = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = row.percents.iter().copied().fold(0.0, f64::max);
        let mean = row.percents.iter().sum::<f64>() / row.percents.len() as f64;
        let (percents, likeness) = match row.percents.len() {
            0 => (String::new(), String::new()),
            _ => (
                format!("{mean:.0} ({:.0}–{most:.0})", least(&row.percents)),
                format!("{:.1}", least(&row.likenesses)),
            ),
        };
        let whole: Vec<_> = row.whole.iter().map(|it| format!("{} {}", it.1, it.0)).collect();
        let (smaller, whole) = (row.percents.len(), whole.join(", "));
        writeln!(table, "| {kind} | {smaller} | {percents} | {likeness} | {whole} |").unwrap();
    }
    table
}

/// Judges each uploaded file. Returns the rows of the table, and a line for each fault.
fn judge(uploaded: &[Uploaded]) -> (BTreeMap<String, Row>, Vec<String>) {
    let (mut rows, mut wrong) = (BTreeMap::<_, Row>::new(), Vec::new());
    let smaller: Vec<_> = uploaded.iter().filter(|it| it.is_smaller()).collect();
    let originals = metadata(&smaller.iter().map(|it| &*it.original).collect::<Vec<_>>());
    let copies = metadata(&smaller.iter().map(|it| &*it.sent).collect::<Vec<_>>());
    for ((file, original), copy) in smaller.into_iter().zip(originals).zip(copies) {
        let path = format!("{}/{}", file.dir, file.name);
        let mut differences = differences(&original, &copy);
        let side = |of: &Map<String, Value>, name: &str| of[name].as_u64().unwrap();
        let resized = differences.iter().any(|it| it == SIZE[0]);
        if resized {
            let pixels = |of| side(of, SIZE[0]) * side(of, SIZE[1]);
            if pixels(&original) <= 16_000_000 || pixels(&copy) > 16_000_000 {
                wrong.push(format!("{path} was resized to {} pixels", pixels(&copy)));
            }
            differences.retain(|it| !SIZE.contains(&&**it));
            // The fields of EXIF tell the new size if they told the old one.
            for (field, frame) in [(SIZE[2], SIZE[0]), (SIZE[3], SIZE[1])] {
                let told = original.get(field).and_then(Value::as_u64);
                let told_size = told == Some(side(&original, frame));
                let expected = if told_size { Some(side(&copy, frame)) } else { told };
                if copy.get(field).and_then(Value::as_u64) != expected {
                    wrong.push(format!("{path}: {field} is {:?}", copy.get(field)));
                }
            }
        }
        let is_usual = |it: &Value| USUAL_SUBSAMPLINGS.contains(&it.as_str().unwrap_or_default());
        if original.get(SUBSAMPLING).is_some_and(|it| !is_usual(it)) {
            differences.retain(|it| it != SUBSAMPLING);
        }
        if !differences.is_empty() {
            wrong.push(format!("{path}: other metadata in {differences:?}"));
        }
        if file.percent() > PERCENT_MAX as f64 {
            wrong.push(format!("{path} has {:.1} percent", file.percent()));
        }
        let likeness = likeness(&file.original, &file.sent, resized);
        if likeness < LIKENESS_MIN {
            wrong.push(format!("{path} scores {likeness:.1}"));
        }
        let row = rows.entry(file.kind()).or_default();
        row.percents.push(file.percent());
        row.likenesses.push(likeness);
    }
    for file in uploaded.iter().filter(|it| !it.is_smaller()) {
        // So all offsets in it are right.
        if fs::read(&file.original).unwrap() != fs::read(&file.sent).unwrap() {
            wrong.push(format!("{}/{} is not what was sent", file.dir, file.name));
        }
        *rows.entry(file.kind()).or_default().whole.entry(file.outcome.clone()).or_default() += 1;
    }
    for file in uploaded.iter().filter(|it| ![EITHER, &it.outcome].contains(&&*it.dir)) {
        wrong.push(format!("{}/{} is {}", file.dir, file.name, file.outcome));
    }
    (rows, wrong)
}

/// A copy that says something else is another file, and still a copy.
fn take_copies(world: &World, uploaded: &[Uploaded]) -> PathBuf {
    let taken = world.dir.path().join("taken");
    let dir = taken.join("made-here");
    fs::create_dir_all(&dir).unwrap();
    for file in uploaded.iter().filter(|it| it.is_smaller() && length(&it.sent) > 400_000) {
        fs::copy(&file.sent, dir.join(format!("copy-{}-{}", file.dir, file.name))).unwrap();
    }
    world
        .sh_within(PATIENCE_S, "exiftool -q -q -overwrite_original -Comment=again taken/made-here");
    taken
}

#[test]
#[ignore = "takes minutes, and packages of Debian"]
fn photos_of_all_kinds_become_smaller_or_stay_as_they_are() {
    let corpus = corpus();
    let world = World::new();
    world.mount(&["--quality", "saver"]);
    let mut uploaded = upload(&world, &corpus);
    uploaded.extend(upload(&world, &take_copies(&world, &uploaded)));
    let (rows, wrong) = judge(&uploaded);
    eprintln!("{}", table(&rows));
    assert!(wrong.is_empty(), "{wrong:#?}");
    let mut whole = BTreeMap::new();
    for file in uploaded.iter().filter(|it| !it.is_smaller()) {
        *whole.entry(file.outcome.clone()).or_insert(0) += 1;
    }
    let status = String::from_utf8(world.run(&["status", "--json"]).stdout).unwrap();
    let saved = schema::check("status", &status)["saved"].clone();
    let sum =
        |path: fn(&Uploaded) -> &Path| uploaded.iter().map(|it| length(path(it))).sum::<u64>();
    assert_eq!(saved["files"], uploaded.len());
    assert_eq!(saved["bytes"], sum(|it| &it.original));
    assert_eq!(saved["sent_bytes"], sum(|it| &it.sent));
    assert_eq!(saved["whole"], serde_json::to_value(&whole).unwrap());
}

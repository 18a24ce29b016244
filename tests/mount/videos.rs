//! Smaller copies of videos, by a real ffmpeg. `exiftool` and `ffprobe` judge them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gphotosfs_emulator::{Call, Moment};
use serde_json::{Value, json};

use crate::support::encoder::{Encoder, film};
use crate::support::{World, camera_jpeg, sha256, wait_for, wait_within};

/// The encoder gives way to all other programs of a busy machine.
const ENCODING: Duration = Duration::from_secs(150);

/// A film of 2048 × 1152, turned by 90 degrees, with a place and a time of capture.
fn real_film(world: &World, name: &str, noise: u32) {
    world.sh(&format!(
        "ffmpeg -nostdin -v error -y -f lavfi -i testsrc2=size=2048x1152:rate=30:duration=0.16,noise=alls={noise} \
         -f lavfi -i sine=duration=0.16 -c:v libx264 -preset ultrafast -crf 1 -pix_fmt yuv420p -c:a aac flat.mov \
         && ffmpeg -nostdin -v error -y -i flat.mov -c copy -metadata:s:v:0 rotate=90 \
         -metadata creation_time=2019-04-28T09:00:00Z -metadata location=+48.1375+011.5755/ {name} && rm flat.mov"
    ));
    assert!(fs::metadata(world.dir.path().join(name)).unwrap().len() > 4_000_000);
}

/// What exiftool says of a file, without what a smaller copy changes.
fn facts(world: &World, path: &Path) -> Value {
    let said = world.sh(&format!(
        "exiftool -j -G3 -n -x System:all -x ImageWidth -x ImageHeight -x SourceImageWidth -x SourceImageHeight \
         -x ImageSize -x Megapixels -x AvgBitrate -x MediaDataSize -x MediaDataOffset {}",
        path.display()
    ));
    let mut facts: Value = serde_json::from_str(&said).unwrap();
    facts[0].as_object_mut().unwrap().retain(|name, _| !name.contains("SourceFile"));
    facts
}

/// The hash of the bytes that Google has.
fn sent(world: &World, name: &str) -> Option<String> {
    let dump = world.emulator.dump();
    dump.items.iter().find(|it| it.filename == name).and_then(|it| it.sha256.clone())
}

fn hash(world: &World, name: &str) -> Option<String> {
    Some(sha256(&fs::read(world.dir.path().join(name)).unwrap()))
}

/// A file of the spool whose name ends so: `sent`, a smaller copy that waits, or `half` of one.
fn spooled(world: &World, ending: &str) -> Option<PathBuf> {
    let spool = world.dir.path().join("state/gphotosfs/default/spool");
    let mut found = fs::read_dir(spool).unwrap().flatten().map(|it| it.path());
    found.find(|it| it.extension().is_some_and(|it| it == ending))
}

fn attribute(world: &World, path: &str, name: &str) -> String {
    let value = xattr::get(world.mnt.join(path), format!("user.gphotos.{name}")).unwrap();
    String::from_utf8(value.unwrap_or_default()).unwrap()
}

#[test]
fn a_video_becomes_1080p_with_its_metadata_and_another_goes_whole() {
    let world = World::new();
    real_film(&world, "film.mov", 25);
    world.mount(&["--quality-video", "1080p"]);
    let status = world.sh("cat mnt/.gphotos/status.json");
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["can_shrink_videos"], json!(true));
    world.emulator.hold(Call::MediaItemsBatchCreate, Moment::Request);
    world.sh("mkdir mnt/A mnt/B && cp -p film.mov mnt/A/");
    let value = |name| xattr::get(world.mnt.join("A/film.mov"), format!("user.gphotos.{name}"));
    let is_made = || value("quality").unwrap().is_some_and(|it| it == b"video:1080p");
    wait_within(ENCODING, || is_made().then_some(()).ok_or_else(|| "no copy yet".to_owned()));
    let copy = world.dir.path().join("copy.mov");
    fs::copy(spooled(&world, "sent").unwrap(), &copy).unwrap();
    world.emulator.let_go(Call::MediaItemsBatchCreate, Moment::Request);
    world.sh("sync mnt/A && cmp film.mov mnt/A/film.mov");
    assert_eq!(sent(&world, "film.mov"), hash(&world, "copy.mov"));
    let original = world.dir.path().join("film.mov");
    let (small, large) =
        (fs::metadata(&copy).unwrap().len(), fs::metadata(&original).unwrap().len());
    assert!(small * 100 <= large * 85, "{small} of {large}");
    assert_eq!(facts(&world, &original), facts(&world, &copy));
    let said = world.sh("ffprobe -v error -select_streams v -show_entries \
        stream=width,height,nb_frames:stream_side_data=rotation -of default=nw=1 copy.mov");
    let expected = ["width=1920", "height=1080", "nb_frames=5", "rotation=90"];
    assert!(expected.iter().all(|it| said.contains(it)), "{said}");
    assert_eq!(value("sent_size").unwrap().unwrap(), small.to_string().as_bytes());
    // The same film again, and in an album that keeps originals.
    world.sh("test -z \"$(rsync -rtin film.mov mnt/A/)\"");
    assert!(
        world.run(&["quality", "original", world.mnt.join("B").to_str().unwrap()]).status.success()
    );
    real_film(&world, "other.mov", 26);
    world.sh("cp -p film.mov other.mov mnt/B/ && sync mnt/B");
    assert_eq!(world.emulator.dump().items.len(), 2);
    assert_eq!(sent(&world, "other.mov"), hash(&world, "other.mov"));
    // HDR stays as it is, and says so.
    world.sh("ffmpeg -nostdin -v error -y -i film.mov -c copy -color_trc smpte2084 \
        -bsf:v h264_metadata=transfer_characteristics=16 hdr.mov && cp hdr.mov mnt/A/ && sync mnt/A");
    let whole = xattr::get(world.mnt.join("A/hdr.mov"), "user.gphotos.whole").unwrap().unwrap();
    assert_eq!(whole, b"hdr");
    assert_eq!(sent(&world, "hdr.mov"), hash(&world, "hdr.mov"));
}

/// A film whose sample entry has another box: MPEG-4 files say so that they show a sphere.
fn with_sphere(mut film: Vec<u8>) -> Vec<u8> {
    let boxed = |kind: &[u8; 4], content: &[u8]| {
        let length = u32::try_from(content.len() + 8).unwrap().to_be_bytes();
        [&length[..], kind, content].concat()
    };
    let header = boxed(b"svhd", &[0, 0, 0, 0, b't', 0]);
    let projection = [boxed(b"prhd", &[0; 16]), boxed(b"equi", &[0; 20])].concat();
    let sphere = boxed(b"sv3d", &[header, boxed(b"proj", &projection)].concat());
    let (mut at, mut end) = (0, 0);
    for kind in [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"] {
        at += film[at..].windows(4).position(|it| it == kind).unwrap();
        let length = u32::from_be_bytes(film[at - 4..at].try_into().unwrap());
        end = at - 4 + length as usize;
        let longer = length + u32::try_from(sphere.len()).unwrap();
        film[at - 4..at].copy_from_slice(&longer.to_be_bytes());
    }
    film.splice(end..end, sphere);
    film
}

/// Slow motion and spheres, as telephones and cameras store them.
#[test]
fn slow_motion_and_spheres_go_as_they_are() {
    let world = World::new();
    world.mount(&["--quality-video", "1080p"]);
    let size = "size=2048x1152:duration=0.1";
    world.sh(&format!(
        "film() {{ ffmpeg -nostdin -v error -y -f lavfi -i testsrc2=$1,noise=alls=25 -c:v libx264 \
             -preset ultrafast -crf 1 -pix_fmt yuv420p \"${{@:2}}\"; }}
         film {size}:rate=120 fast.mp4
         film {size}:rate=30 -metadata com.android.capture.fps=240 -movflags use_metadata_tags slow.mp4
         film {size}:rate=30 plain.mp4
         cp plain.mp4 old-sphere.mp4
         exiftool -q -overwrite_original -XMP-GSpherical:Spherical=true -XMP-GSpherical:Stitched=true \
             -XMP-GSpherical:ProjectionType=equirectangular old-sphere.mp4"
    ));
    let dir = world.dir.path();
    fs::write(dir.join("sphere.mp4"), with_sphere(fs::read(dir.join("plain.mp4")).unwrap()))
        .unwrap();
    let seen = world.sh("ffprobe -v error -show_streams sphere.mp4; exiftool -G1 old-sphere.mp4");
    assert!(seen.contains("Spherical Mapping") && seen.contains("XMP-GSpherical"), "{seen}");
    let expected = [
        ("fast", "slow-motion"),
        ("slow", "slow-motion"),
        ("sphere", "panorama"),
        ("old-sphere", "extended"),
    ];
    world.sh("mkdir mnt/A");
    for (name, _) in expected {
        world.sh(&format!("cp {name}.mp4 mnt/A/"));
    }
    world.sh("sync mnt/A");
    for (name, reason) in expected {
        let name = format!("{name}.mp4");
        assert_eq!(attribute(&world, &format!("A/{name}"), "whole"), reason, "{name}");
        assert_eq!(sent(&world, &name), hash(&world, &name));
    }
}

/// Whether a process runs. One that has ended may stay in the table.
fn runs(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.starts_with(" Z"))
}

/// Waits for the next encoder.
fn begun(encoder: &Encoder, before: usize) -> i32 {
    wait_for("an encoder", || encoder.begun().len() > before);
    encoder.begun()[before]
}

/// It ends with its video and with its mount, and leaves nothing; the next mount begins the video again.
#[test]
fn an_encoder_that_nobody_waits_for_ends() {
    let world = World::new();
    let encoder = Encoder::new(world.dir.path());
    let path = encoder.path();
    let env = [("GPHOTOSFS_QUALITY_VIDEO", "1080p"), ("PATH", &path)];
    encoder.does("exec sleep 1000");
    let mut served = world.serve(&env);
    assert!(served.is_ready(), "{}", world.log());
    for at in 0..2 {
        fs::write(world.dir.path().join(format!("{at}.mp4")), film(at)).unwrap();
    }
    world.sh("mkdir mnt/A && cp -p 0.mp4 mnt/A/");
    let first = begun(&encoder, 0);
    let niceness = |pid| rustix::process::getpriority_process(rustix::process::Pid::from_raw(pid));
    assert!(niceness(first).unwrap() >= (niceness(0).unwrap() + 10).min(19));
    assert!(spooled(&world, "half").is_some());
    world.sh("rm mnt/A/0.mp4");
    wait_for("the end of the encoder", || !runs(first) && spooled(&world, "half").is_none());
    world.sh("cp -p 1.mp4 mnt/A/");
    let second = begun(&encoder, 1);
    served.kill();
    wait_for("the end of the encoder", || !runs(second));
    assert!(spooled(&world, "half").is_some());
    let mut served = world.serve(&env);
    assert!(served.is_ready(), "{}", world.log());
    let third = begun(&encoder, 2);
    world.sh("umount mnt");
    served.ended();
    wait_for("the end of the encoder", || !runs(third));
    encoder.does("echo no such codec >&2; exit 1");
    let mut served = world.serve(&env);
    assert!(served.is_ready(), "{}", world.log());
    world.sh("sync mnt/A");
    assert_eq!(attribute(&world, "A/1.mp4", "whole"), "unsure");
    assert_eq!(sent(&world, "1.mp4"), hash(&world, "1.mp4"));
    assert!(world.log().contains("no such codec"), "{}", world.log());
    let spool = world.dir.path().join("state/gphotosfs/default/spool");
    assert_eq!(fs::read_dir(spool).unwrap().count(), 0);
    world.sh("umount mnt");
    served.ended();
}

/// Photos do not wait for a video, and edits of the video void its copy.
#[test]
fn photos_pass_a_video_that_is_being_encoded() {
    let mut world = World::new();
    let encoder = Encoder::new(world.dir.path());
    world.env.push(("PATH", encoder.path()));
    encoder.does("exec sleep 1000");
    world.mount(&["--quality", "saver", "--quality-video", "1080p"]);
    fs::write(world.dir.path().join("film.mp4"), film(1)).unwrap();
    fs::write(world.dir.path().join("photo.jpg"), camera_jpeg(1, (900, 700))).unwrap();
    world.sh("mkdir mnt/A mnt/B && cp -p film.mp4 mnt/A/");
    let first = begun(&encoder, 0);
    world.sh("cp -p photo.jpg mnt/B/ && sync mnt/B");
    assert_eq!(attribute(&world, "B/photo.jpg", "quality"), "saver:16mp,q90");
    let status: Value = serde_json::from_str(&world.sh("cat mnt/.gphotos/status.json")).unwrap();
    assert_eq!(status["queue"]["shrinking"], 1);
    encoder.works();
    fs::write(world.dir.path().join("film.mp4"), film(2)).unwrap();
    world.sh("cp -p film.mp4 mnt/A/ && sync mnt/A && cmp film.mp4 mnt/A/film.mp4");
    assert!(!runs(first));
    assert_eq!(attribute(&world, "A/film.mp4", "quality"), "video:1080p");
    assert_eq!(sent(&world, "film.mp4"), Some(attribute(&world, "A/film.mp4", "sent_sha256")));
    assert_eq!(world.emulator.dump().items.len(), 2);
}

#[test]
fn without_ffmpeg_videos_go_as_they_are_and_doctor_and_status_say_so() {
    let mut world = World::new();
    let fuse = world.sh("dirname $(command -v fusermount3)");
    let path = world.dir.path().join("programs");
    fs::create_dir(&path).unwrap();
    std::os::unix::fs::symlink(
        Path::new(fuse.trim()).join("fusermount3"),
        path.join("fusermount3"),
    )
    .unwrap();
    world.env.push(("PATH", path.display().to_string()));
    world.env.push(("GPHOTOSFS_QUALITY_VIDEO", "1080p".to_owned()));
    world.mount(&[]);
    fs::write(world.dir.path().join("film.mp4"), film(1)).unwrap();
    world.sh("mkdir mnt/A && cp -p film.mp4 mnt/A/ && sync mnt/A");
    assert_eq!(attribute(&world, "A/film.mp4", "whole"), "no-ffmpeg");
    assert_eq!(sent(&world, "film.mp4"), hash(&world, "film.mp4"));
    for (command, expected) in [
        ("status", "uploaded as they are: ffmpeg or ffprobe is not installed"),
        ("doctor", "ffmpeg or ffprobe is not installed: videos go as they are"),
    ] {
        let said = String::from_utf8(world.run(&[command]).stdout).unwrap();
        assert!(said.contains(expected), "{said}");
    }
}

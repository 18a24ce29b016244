//! Tests of which videos are made smaller.

use super::*;
use serde_json::{Value, json};

/// What makes a video different, and why it is left whole then.
type Change = (fn(&mut Value), Whole);

fn video() -> Value {
    json!({
        "streams": [
            {"codec_type": "video", "codec_name": "h264", "width": 3840, "height": 2160,
             "pix_fmt": "yuv420p", "avg_frame_rate": "30000/1001", "field_order": "progressive",
             "color_transfer": "bt709", "color_space": "unknown", "bit_rate": "48000000",
             "nb_frames": "300", "disposition": {"attached_pic": 0},
             "side_data_list": [{"side_data_type": "Display Matrix", "rotation": -90}]},
            {"codec_type": "audio", "codec_name": "aac"},
        ],
        "format": {"format_name": "mov,mp4,m4a", "duration": "10.0",
                   "tags": {"creation_time": "2019-04-28T09:00:00Z", "major_brand": "mp42"}},
    })
}

fn probe(change: impl FnOnce(&mut Value)) -> Probe {
    let mut video = video();
    change(&mut video);
    serde_json::from_value(video).unwrap()
}

#[test]
fn a_large_video_becomes_1080p_and_keeps_its_shape() {
    let found = target(&probe(|_| {}), 60_000_000).unwrap();
    assert_eq!((found.width, found.height), (1920, 1080));
    assert_eq!(found.colours, [("-color_trc", "bt709".to_owned())]);
    for (size, expected) in [((2160, 3840), (1080, 1920)), ((4096, 2160), (1920, 1012))] {
        let video = probe(|it| {
            it["streams"][0]["width"] = size.0.into();
            it["streams"][0]["height"] = size.1.into();
        });
        let found = target(&video, 60_000_000).unwrap();
        assert_eq!((found.width, found.height), expected);
    }
    let said = arguments(Path::new("in file"), Path::new("out"), &found);
    let said: Vec<_> = said.iter().map(|it| it.to_str().unwrap()).collect();
    for part in
        ["-noautorotate", "-protocol_whitelist", "in file", "scale=1920:1080:flags=lanczos", "mp4"]
    {
        assert!(said.contains(&part), "{said:?}");
    }
}

#[test]
fn videos_that_would_lose_something_are_left_whole() {
    let changes: Vec<Change> = vec![
        (|it| it["format"]["format_name"] = "matroska,webm".into(), Whole::Format),
        (|it| it["streams"][0]["codec_type"] = "data".into(), Whole::Format),
        (|it| it["streams"][1]["codec_type"] = "video".into(), Whole::Tracks),
        (|it| it["streams"][1]["codec_type"] = "data".into(), Whole::Tracks),
        (|it| it["streams"][0]["disposition"]["attached_pic"] = 1.into(), Whole::Tracks),
        (|it| it["streams"][0]["color_transfer"] = "arib-std-b67".into(), Whole::Hdr),
        (|it| it["streams"][0]["color_transfer"] = "smpte2084".into(), Whole::Hdr),
        (|it| it["streams"][0]["pix_fmt"] = "yuv420p10le".into(), Whole::Hdr),
        (
            |it| {
                it["streams"][0]["side_data_list"][0]["side_data_type"] =
                    "DOVI configuration record".into();
            },
            Whole::Hdr,
        ),
        (|it| it["format"]["tags"][LIVE_PHOTO] = "A-B".into(), Whole::Motion),
        (
            |it| {
                it["streams"][0]["side_data_list"][0]["side_data_type"] =
                    "Spherical Mapping".into();
            },
            Whole::Panorama,
        ),
        (|it| it["streams"][0]["avg_frame_rate"] = "240/1".into(), Whole::SlowMotion),
        (|it| it["format"]["tags"][CAPTURE_SPEED] = "120.0".into(), Whole::SlowMotion),
        (|it| it["streams"][0]["field_order"] = "tt".into(), Whole::Coding),
        (|it| it["streams"][0]["width"] = 0.into(), Whole::Coding),
        (|it| it["streams"][0]["width"] = 60_000.into(), Whole::Huge),
        (|it| it["streams"][0]["avg_frame_rate"] = "0/0".into(), Whole::Coding),
        (
            |it| {
                it["streams"][0]["width"] = 1920.into();
                it["streams"][0]["height"] = 1080.into();
                it["streams"][0]["bit_rate"] = "9000000".into();
            },
            Whole::Lean,
        ),
    ];
    for (change, expected) in changes {
        assert_eq!(target(&probe(change), 60_000_000), Err(expected));
    }
    assert_eq!(target(&probe(|_| {}), 1000), Err(Whole::Small));
    assert_eq!(target(&Probe::default(), 60_000_000), Err(Whole::Format));
}

#[test]
fn a_copy_has_all_pictures_and_the_same_turn_and_time() {
    let original = probe(|_| {});
    let target = target(&original, 60_000_000).unwrap();
    let small = |change: fn(&mut Value)| {
        probe(|it| {
            it["streams"][0]["width"] = 1920.into();
            it["streams"][0]["height"] = 1080.into();
            change(it);
        })
    };
    assert!(is_copy(&original, &small(|_| {}), &target));
    let changes: [fn(&mut Value); 6] = [
        |it| it["streams"][0]["side_data_list"] = json!([]),
        |it| it["streams"][0]["nb_frames"] = "299".into(),
        |it| it["streams"][0]["width"] = 1918.into(),
        |it| it["streams"][1]["codec_name"] = "mp3".into(),
        |it| it["format"]["duration"] = "9.0".into(),
        |it| it["format"]["tags"]["creation_time"] = "2026-11-30T09:00:00Z".into(),
    ];
    for change in changes {
        assert!(!is_copy(&original, &small(change), &target));
    }
}

use std::io::Write;
use std::process::{Command, Stdio};

use mozjpeg_rs::{Encoder, Preset, Subsampling};
use proptest::prelude::*;

use crate::shrink::pixels::{Picture, encode};
use crate::shrink::structure;
use crate::shrink::tests::pixels;

fn is_undamaged(photo: &[u8]) -> bool {
    structure::read(photo).is_ok_and(|it| super::is_undamaged(&it))
}

/// The offset of the first coded data.
fn coded(photo: &[u8]) -> usize {
    photo.windows(2).position(|it| it == [0xff, 0xda]).unwrap() + 14
}

/// The output of a program that reads its input, unless it fails.
fn output(program: &str, arguments: &str, input: &[u8]) -> Option<Vec<u8>> {
    let mut command = Command::new(program);
    command.args(arguments.split_whitespace());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut running = command.spawn().unwrap();
    let mut stdin = running.stdin.take().unwrap();
    let said = std::thread::scope(|scope| {
        // It may end before it has read everything.
        scope.spawn(move || stdin.write_all(input));
        running.wait_with_output().unwrap()
    });
    said.status.success().then_some(said.stdout)
}

/// A photo of each kind of coding, by the encoder that most programs use.
fn of_each_coding() -> Vec<(String, Vec<u8>)> {
    let mut photos = Vec::new();
    for (width, height) in [(90, 70), (161, 97), (17, 8)] {
        let head = format!("P6 {width} {height} 255\n").into_bytes();
        let picture = [head, pixels(width, height, 3)].concat();
        for sample in ["1x1", "2x1", "1x2", "2x2", "4x1", "4x2", "1x4", "2x1,2x2,1x1"] {
            for coding in ["-baseline", "-optimize", "-progressive"] {
                for restart in ["", "-restart 1", "-restart 3B"] {
                    let options = format!("-quality 92 -sample {sample} {coding} {restart}");
                    if let Some(photo) = output("cjpeg", &options, &picture) {
                        photos.push((format!("{width}x{height} {options}"), photo));
                    }
                }
            }
        }
        for options in
            ["-grayscale", "-grayscale -progressive -restart 2B", "-quality 100 -sample 2x2"]
        {
            photos.push((options.to_owned(), output("cjpeg", options, &picture).unwrap()));
        }
    }
    photos
}

#[test]
#[ignore = "starts hundreds of programs"]
fn djpeg_and_the_codes_agree_about_damage() {
    let is_accepted = |it: &[u8]| output("djpeg", "-strict -outfile /dev/null", it).is_some();
    let (mut kinds, mut both, mut neither) = (0, 0, 0);
    let (mut only_here, mut only_djpeg) = (Vec::new(), Vec::new());
    let mut chance = 0x2545_f491_u32;
    let mut random = |below: usize| {
        chance ^= chance << 13;
        chance ^= chance >> 17;
        chance ^= chance << 5;
        chance as usize % below
    };
    for (name, photo) in of_each_coding() {
        assert!(is_accepted(&photo) && is_undamaged(&photo), "{name}");
        kinds += 1;
        let from = coded(&photo);
        for kind in 0..6 {
            let (mut damaged, place) = (photo.clone(), from + random(photo.len() - 2 - from));
            let end = photo.len().min(place + 1 + random(40));
            match kind {
                0 => damaged[place] ^= 1 << random(8),
                1 => damaged[place] = random(256) as u8,
                2 => damaged[place..end].fill(0),
                3 => drop(damaged.drain(place..end.min(photo.len() - 2))),
                4 => drop(damaged.splice(place..place, vec![0x5a; 1 + random(40)])),
                _ => drop(damaged.splice(place..place, [0xff, 0xd0 + random(8) as u8])),
            }
            if damaged == photo {
                continue;
            }
            match (is_undamaged(&damaged), is_accepted(&damaged)) {
                (true, true) => both += 1,
                (false, false) => neither += 1,
                (true, false) => only_here.push(format!("{name}: {kind} at {place}")),
                (false, true) => only_djpeg.push(format!("{name}: {kind} at {place}")),
            }
        }
    }
    println!("{kinds} undamaged photos are accepted by both. Of the damaged: {neither} refused by");
    println!("both, {both} accepted by both, {} only here: {only_here:#?}", only_here.len());
    println!("{} accepted by djpeg only: {only_djpeg:#?}", only_djpeg.len());
    assert!(kinds > 100);
    assert!(only_here.is_empty(), "{only_here:#?}");
}

proptest! {
    /// Whatever stands in a file, it is followed to an end, without a panic.
    #[test]
    fn no_bytes_are_too_odd(
        progressive: bool,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
        data in prop::collection::vec(any::<u8>(), 0..600),
        is_replaced: bool,
    ) {
        let plain = Picture { width: 40, height: 30, channels: 3, bytes: pixels(40, 30, 3) };
        let mut photo = match progressive {
            true => encode(&plain, Subsampling::S420, 90).unwrap(),
            false => {
                let encoder = Encoder::new(Preset::BaselineFastest).quality(97);
                encoder.encode_rgb(&plain.bytes, 40, 30).unwrap()
            }
        };
        if is_replaced {
            let from = coded(&photo);
            photo.splice(from..photo.len() - 2, data);
        }
        for (at, value) in changes {
            let at = at.index(photo.len());
            photo[at] = value;
        }
        is_undamaged(&photo);
    }
}

/// A decoder makes a picture of all of these.
#[test]
fn damage_of_the_coded_data_is_noticed() {
    let plain = Picture { width: 90, height: 70, channels: 3, bytes: pixels(90, 70, 3) };
    let progressive = encode(&plain, Subsampling::S420, 90).unwrap();
    let encoder = |it| Encoder::new(Preset::BaselineFastest).quality(97).subsampling(it);
    let baseline = |it| encoder(it).encode_rgb(&plain.bytes, 90, 70).unwrap();
    let grey = encoder(Subsampling::S444).encode_gray(&pixels(90, 70, 1), 90, 70).unwrap();
    let all = [Subsampling::S420, Subsampling::S422, Subsampling::S444].map(baseline);
    for (at, photo) in all.iter().chain([&progressive, &grey]).enumerate() {
        assert!(is_undamaged(photo), "{at}");
        let (from, end) = (coded(photo), photo.len() - 2);
        let (mut missed, mut tried) = (0, 0);
        for place in (from..end - 60).step_by(97) {
            // The last of several scans may be short.
            let short = [&photo[..end - 1 - place % 5], &photo[end..]].concat();
            let long = [&photo[..end], &[0x5a; 50][place % 50..], &photo[end..]].concat();
            let restart = [&photo[..place], &[0xff, 0xd3][..], &photo[place + 2..]].concat();
            for (kind, photo) in [short, long, restart].iter().enumerate() {
                assert!(!is_undamaged(photo), "{at}: kind {kind} at {place}");
            }
            let zeros = [&photo[..place], &[0; 40][..], &photo[place + 40..]].concat();
            let added = [&photo[..place], &[0x5a; 30][..], &photo[place..]].concat();
            let lost = [&photo[..place], &photo[place + 30..]].concat();
            missed += [zeros, added, lost].iter().filter(|it| is_undamaged(it)).count();
            tried += 3;
        }
        // Other bits can be the codes of another picture, as complete. No decoder notices that.
        assert!(missed * 3 <= tried * 2, "{at}: {missed} of {tried} not noticed");
    }
}

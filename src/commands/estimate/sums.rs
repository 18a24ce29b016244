//! From a sample to all files: a ratio and its spread. Pure.

/// So many standard errors to either side cover about 19 of 20 samples.
const ERRORS: f64 = 2.0;

/// Original bytes and bytes to send of one file.
pub(super) type Sizes = (u64, u64);

/// An estimate with its spread, in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) low: u64,
    pub(super) middle: u64,
    pub(super) high: u64,
}

/// What `files` files of `bytes` bytes would take, of which `sample` was looked at.
pub(super) fn spread(sample: &[Sizes], files: usize, bytes: u64) -> Spread {
    let exact = |it: u64| Spread { low: it, middle: it, high: it };
    let sum = |of: fn(&Sizes) -> u64| sample.iter().map(of).sum::<u64>() as f64;
    let (here, sent) = (sum(|it| it.0), sum(|it| it.1));
    if sample.is_empty() || here == 0.0 {
        return exact(bytes);
    }
    if sample.len() >= files {
        return exact(sent as u64);
    }
    let ratio = sent / here;
    let middle = ratio * bytes as f64;
    let count = sample.len() as f64;
    // With one file there is no spread to see, so nothing is known.
    let error = if sample.len() < 2 {
        middle
    } else {
        let squares = sample.iter().map(|it| (it.1 as f64 - ratio * it.0 as f64).powi(2));
        let variance = squares.sum::<f64>() / (count - 1.0);
        let unseen = 1.0 - count / files as f64;
        (unseen * variance / count).sqrt() * files as f64
    };
    let high = (middle + ERRORS * error).min(bytes as f64);
    let low = (middle - ERRORS * error).max(0.0);
    Spread { low: low as u64, middle: middle as u64, high: high.max(middle) as u64 }
}

/// The smallest, the middle and the largest share of bytes that stay, in percent.
pub(super) fn shares(sample: &[Sizes]) -> Option<[u64; 3]> {
    let mut shares: Vec<_> =
        sample.iter().filter(|it| it.0 > 0).map(|it| it.1 * 100 / it.0).collect();
    shares.sort_unstable();
    Some([*shares.first()?, *shares.get(shares.len() / 2)?, *shares.last()?])
}

/// `wanted` of `count` places, as evenly apart as possible: the same ones each time.
pub(super) fn chosen(count: usize, wanted: usize) -> impl Iterator<Item = usize> {
    let wanted = wanted.min(count);
    (0..wanted).map(move |it| it * count / wanted + count / wanted / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_sample_is_exact() {
        let sample = [(100, 40), (300, 300)];
        assert_eq!(spread(&sample, 2, 400), Spread { low: 340, middle: 340, high: 340 });
        assert_eq!(spread(&[], 0, 0), Spread { low: 0, middle: 0, high: 0 });
    }

    #[test]
    fn files_that_shrink_alike_leave_little_doubt() {
        let alike: Vec<_> = (1..=50).map(|it| (it * 1000, it * 400)).collect();
        let Spread { low, middle, high } = spread(&alike, 1000, 10_000_000);
        assert_eq!((low, middle, high), (4_000_000, 4_000_000, 4_000_000));
        let unlike: Vec<_> = (1..=50).map(|it| (10_000, it % 5 * 2000 + 1000)).collect();
        let Spread { low, middle, high } = spread(&unlike, 1000, 10_000_000);
        assert_eq!(middle, 5_000_000);
        assert!((3_800_000..4_700_000).contains(&low), "{low}");
        assert!((5_300_000..6_200_000).contains(&high), "{high}");
    }

    #[test]
    fn one_file_says_little() {
        let Spread { low, middle, high } = spread(&[(1000, 500)], 100, 100_000);
        assert_eq!((low, middle, high), (0, 50_000, 100_000));
    }

    #[test]
    fn the_sample_is_spread_over_all_files() {
        let found: Vec<_> = chosen(10, 3).collect();
        assert_eq!(found, [1, 4, 7]);
        assert_eq!(chosen(4, 9).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(chosen(0, 9).count(), 0);
        for (count, wanted) in [(7, 7), (100, 40), (3282, 40), (41, 40)] {
            let found: Vec<_> = chosen(count, wanted).collect();
            assert!(found.len() == wanted && found.windows(2).all(|it| it[0] < it[1]));
            assert!(found.iter().all(|it| *it < count), "{found:?}");
        }
    }

    #[test]
    fn shares_are_the_least_the_middle_and_the_most() {
        assert_eq!(shares(&[(100, 50), (200, 40), (100, 90)]), Some([20, 50, 90]));
        assert_eq!(shares(&[]), None);
    }
}

//! The arguments of the subcommands that work on the items of an album.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use crate::commands::adopt::{self, Min};
use crate::commands::diff::{self, Show};
use crate::commands::{estimate, verify};
use crate::media::{Quality, QualityError, Saver};

/// `gphotosfs diff`.
#[derive(Debug, Args)]
#[command(after_help = DIFF_HELP)]
pub struct DiffArgs {
    /// A directory on this machine
    pub local: PathBuf,

    /// The album's directory on a mount; or all parts of a Google Takeout export: its zips, or the
    /// directory into which they were extracted
    #[arg(required = true, value_name = "ALBUM|TAKEOUT")]
    pub others: Vec<PathBuf>,

    /// The title of an album of the export; without it, the albums are listed
    #[arg(long, value_name = "TITLE")]
    pub album: Option<String>,

    /// Print the comparison as JSON
    #[arg(long)]
    pub json: bool,

    /// Print the shell commands that would copy the missing files into the album
    #[arg(long, conflicts_with = "json")]
    pub copy: bool,

    /// With --copy: copy the files, and wait until Google has them all
    #[arg(long, requires = "copy")]
    pub apply: bool,
}

impl From<DiffArgs> for diff::Options {
    fn from(it: DiffArgs) -> Self {
        let show = match (it.json, it.copy, it.apply) {
            (true, ..) => Show::Json,
            (_, _, true) => Show::Copying,
            (_, true, _) => Show::Script,
            _ => Show::Text,
        };
        Self { local: it.local, others: it.others, title: it.album, show, in_full: false }
    }
}

const DIFF_HELP: &str = "\
diff compares files that were uploaded from here by SHA-256. It compares others by name, then by capture time, \
dimensions and size, and says how sure it is. Google's list may still lack items that were added to the album within \
the last ten minutes: diff names them, and counts them as in the album. With an export, diff compares all bytes \
that are there, and needs no network, login or mount. Exit status: 0 no differences, \
1 differences, 2 trouble, for example a local file that cannot be read.";

/// `gphotosfs adopt`.
#[derive(Debug, Args)]
#[command(after_help = ADOPT_HELP)]
pub struct AdoptArgs {
    /// A directory on this machine
    pub local: PathBuf,

    /// The album's directory on a mount
    pub album: PathBuf,

    /// How sure it must be that an item is the local file
    #[arg(long, value_enum, value_name = "SURE", default_value_t = Min::AlmostCertain)]
    pub min: Min,

    /// Print which items would be adopted, and change nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Print the outcome as JSON
    #[arg(long)]
    pub json: bool,
}

impl From<AdoptArgs> for adopt::Options {
    fn from(it: AdoptArgs) -> Self {
        let AdoptArgs { local, album, min, dry_run, json } = it;
        Self { local, album, min, dry_run, json }
    }
}

const ADOPT_HELP: &str = "\
From then on the album's files have the names, sizes and times of the local files. Equal bytes are not uploaded \
again: 'cp -n' and 'rsync -rt' of the same directory have nothing to do. adopt leaves out an item that is only likely, \
unless you say '--min likely': if it were another picture, yours would not be uploaded. 'gphotosfs diff' counts adopted \
files apart. 'setfattr -x user.gphotos.adopted FILE' undoes one. Exit status: 0 all of your files are matched, \
1 some are not, 2 trouble.";

/// `gphotosfs verify`.
#[derive(Debug, Args)]
#[command(after_help = VERIFY_HELP)]
pub struct VerifyArgs {
    /// The album's directory on a mount
    pub album: PathBuf,

    /// The directory with the originals, to classify differences and name missing files
    #[arg(long, value_name = "LOCAL_DIR")]
    pub against: Option<PathBuf>,

    /// How many items to read back, chosen at random
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub sample: usize,

    /// Read all items back
    #[arg(long, conflicts_with = "sample")]
    pub all: bool,

    /// Chooses the random items: the same number chooses the same items
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,

    /// How many requests to send at most; an item takes one, and every 50 items one more
    #[arg(long, value_name = "REQUESTS", default_value_t = 1000)]
    pub budget: u64,

    /// Print the findings as JSON
    #[arg(long)]
    pub json: bool,
}

impl From<VerifyArgs> for verify::Options {
    fn from(it: VerifyArgs) -> Self {
        Self {
            album: it.album,
            against: it.against,
            sample: (!it.all).then_some(it.sample),
            seed: it.seed,
            budget: it.budget,
            json: it.json,
        }
    }
}

const VERIFY_HELP: &str = "\
verify downloads photos and compares them by SHA-256. If they differ, it compares the compressed picture without its \
metadata; this needs the original, from the cache or from --against. Google encodes all videos anew, so verify asks only \
for their length. Exit status: 0 all items are identical, metadata_stripped, transcoded or shrunk, which is the best that Google \
returns; 1 an item is worse; 2 trouble, or some items could not be checked.";

/// `gphotosfs thumbnails`.
#[derive(Debug, Args)]
#[command(after_help = THUMBNAILS_HELP)]
pub struct ThumbnailsArgs {
    /// A directory on a mount
    pub dir: PathBuf,
}

const THUMBNAILS_HELP: &str = "\
GNOME, KDE, Xfce and other desktops look for thumbnails in ~/.cache/thumbnails. Each costs one download of some \
kilobytes. A thumbnail that is up to date costs nothing.";

/// `gphotosfs estimate`.
#[derive(Debug, Args)]
#[command(after_help = ESTIMATE_HELP)]
pub struct EstimateArgs {
    /// A directory on this machine
    pub dir: PathBuf,

    /// How small the photos would become: 'saver', or for example 'saver:12mp,q85'
    #[arg(long = "quality", value_name = "QUALITY", default_value = "saver", value_parser = saver)]
    pub saver: Saver,

    /// So many photos are made smaller, to see what becomes of them
    #[arg(long, value_name = "COUNT", default_value_t = 40, value_parser = clap::value_parser!(u16).range(1..))]
    pub sample: u16,

    /// Write crops of photos and their copies, side by side, into this directory
    #[arg(long, value_name = "DIR")]
    pub crops: Option<PathBuf>,

    /// Print the estimate as JSON
    #[arg(long)]
    pub json: bool,
}

impl From<EstimateArgs> for estimate::Options {
    fn from(it: EstimateArgs) -> Self {
        let EstimateArgs { dir, saver, sample, crops, json } = it;
        Self { dir, saver, sample: sample.into(), crops, json }
    }
}

fn saver(text: &str) -> Result<Saver, String> {
    let quality: Quality = text.parse().map_err(|err: QualityError| err.to_string())?;
    quality.saver().ok_or_else(|| "photos would go as they are".to_owned())
}

const ESTIMATE_HELP: &str = "\
estimate changes nothing and asks Google nothing. It makes smaller copies of a sample in memory, as an upload with \
'--quality saver' would, and infers the rest.";

/// `gphotosfs quality`.
#[derive(Debug, Args)]
#[command(after_help = QUALITY_HELP)]
pub struct QualityArgs {
    /// The quality, if it is to be changed, and a directory on a mount
    #[arg(required = true, num_args = 1..=2, value_names = ["VALUE", "DIR"])]
    pub words: Vec<OsString>,
}

const QUALITY_HELP: &str = "\
VALUE is 'original', 'saver', 'saver:12mp,q85', or 'inherit' for that of the directory above. It counts for photos that \
are uploaded from now on into the directory and those below it. docs/QUALITY.md says what 'saver' does.";

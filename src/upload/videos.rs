//! Makes smaller copies of videos by the programs `ffmpeg` and `ffprobe`, one at a time.

mod programs;

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use tokio::sync::{OnceCell, Semaphore};

pub use programs::{can_encode, has_video_tools};

use self::programs::{Bounds, Failure};
use crate::shrink::{PERCENT_MAX, Whole, moov, video};

/// An encoder that a signal has ended is begun anew, so often in all. A service manager ends it together
/// with this process, which then has no time to take the video for one that cannot be encoded.
const ATTEMPTS: u32 = 2;

/// The makers of smaller videos.
pub(super) struct Videos {
    turn: Semaphore,
    /// The programs have been tried, and can do what is asked of them.
    usable: OnceCell<()>,
}

impl Default for Videos {
    fn default() -> Self {
        // The encoder uses all cores by itself.
        Self { turn: Semaphore::new(1), usable: OnceCell::new() }
    }
}

impl Videos {
    /// Writes a smaller copy of a video to `output`, if the disk has `room` for it. The inner error says
    /// why the video is left whole; then `output` may have some bytes. If the future is dropped, the
    /// encoder ends.
    ///
    /// # Errors
    /// If the files cannot be read or written.
    pub(super) async fn shrink(
        &self,
        input: &Path,
        output: &Path,
        room: u64,
    ) -> io::Result<Result<(), Whole>> {
        let _turn = self.turn.acquire().await.map_err(io::Error::other)?;
        let path = input.to_owned();
        let looked = blocking(move || {
            let file = File::open(path)?;
            Ok((file.metadata()?.len(), moov::check(&file)))
        });
        let (bytes, checked) = looked.await?;
        if let Err(whole) = checked {
            return Ok(Err(whole));
        }
        if let Err(why) = self.usable.get_or_try_init(can_encode).await {
            tracing::warn!(?why, "videos go as they are");
            return Ok(Err(Whole::NoTool));
        }
        let Some(original) = programs::probed(input).await else { return Ok(Err(Whole::Damaged)) };
        let target = match video::target(&original, bytes) {
            Ok(target) => target,
            Err(whole) => return Ok(Err(whole)),
        };
        let bytes_max = bytes / 100 * PERCENT_MAX;
        if room < bytes_max {
            return Ok(Err(Whole::NoRoom));
        }
        let bounds = Bounds { bytes: bytes_max, pictures: original.pictures_max() };
        let arguments = video::arguments(input, output, &target);
        if let Err(whole) = self.encoded(&arguments, output, bounds).await {
            return Ok(Err(whole));
        }
        let paths = (input.to_owned(), output.to_owned());
        let moved = blocking(move || {
            let copy = OpenOptions::new().read(true).write(true).open(paths.1)?;
            match moov::transplant(&File::open(paths.0)?, &copy)? {
                Ok(()) => Ok(Ok(copy.metadata()?.len())),
                Err(whole) => Ok(Err(whole)),
            }
        });
        match moved.await? {
            Ok(length) if length > bytes_max => return Ok(Err(Whole::NotSmaller)),
            Ok(_) => {}
            Err(whole) => return Ok(Err(whole)),
        }
        let copy = programs::probed(output).await;
        let is_copy = copy.is_some_and(|copy| video::is_copy(&original, &copy, &target));
        Ok(if is_copy { Ok(()) } else { Err(Whole::Unsure) })
    }

    async fn encoded(
        &self,
        arguments: &[std::ffi::OsString],
        output: &Path,
        bounds: Bounds,
    ) -> Result<(), Whole> {
        for attempt in 1.. {
            match programs::encode(arguments, output, bounds).await {
                Ok(()) => break,
                Err(Failure::TooLarge) => return Err(Whole::NotSmaller),
                Err(Failure::Ended(why)) if attempt < ATTEMPTS => {
                    tracing::info!(?why, "ffmpeg was ended, and begins again");
                }
                Err(Failure::Ended(why) | Failure::Own(why)) => {
                    tracing::warn!(
                        ?why,
                        "a video goes as it is, because ffmpeg made no smaller copy"
                    );
                    return Err(Whole::Unsure);
                }
            }
        }
        Ok(())
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

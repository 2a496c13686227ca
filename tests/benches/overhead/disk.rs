//! The disk's own `fdatasync`, on the file system that the stores are on.

use std::{
    fs::File,
    io::Write as _,
    path::Path,
    thread,
    time::{Duration, Instant},
};

const APPENDS: usize = 300;
/// About the size of an event's line.
const BYTES: usize = 600;

/// About the time between two commits of one caller's flow.
pub(crate) const PAUSE: Duration = Duration::from_micros(500);

/// Median times of an append and its `fdatasync`.
#[derive(Clone, Copy)]
pub(crate) struct Fdatasync {
    /// One right after the other.
    pub(crate) in_a_row: Duration,
    /// Each after [`PAUSE`], in which the disk and the processor have gone idle.
    pub(crate) paused: Duration,
}

pub(crate) fn median_fdatasync(folder: &Path) -> Fdatasync {
    Fdatasync {
        in_a_row: median(folder, Duration::ZERO),
        paused: median(folder, PAUSE),
    }
}

fn median(folder: &Path, pause: Duration) -> Duration {
    let file = tempfile::NamedTempFile::new_in(folder).unwrap();
    let line = [b'x'; BYTES];
    let mut times: Vec<Duration> = (0..APPENDS).map(|_| timed(file.as_file(), &line, pause)).collect();
    times.sort_unstable();
    times[times.len() / 2]
}

fn timed(mut file: &File, line: &[u8], pause: Duration) -> Duration {
    if !pause.is_zero() {
        thread::sleep(pause);
    }
    let start = Instant::now();
    file.write_all(line).unwrap();
    file.sync_data().unwrap();
    start.elapsed()
}

//! The disk's own `fdatasync`, on the file system that the stores are on.

use std::{
    fs::File,
    io::Write as _,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use crate::report::median;

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
        in_a_row: median(appends(folder, Duration::ZERO)),
        paused: median(appends(folder, PAUSE)),
    }
}

fn appends(folder: &Path, pause: Duration) -> Vec<Duration> {
    let file = tempfile::NamedTempFile::new_in(folder).unwrap();
    let append = |_| {
        thread::sleep(pause);
        timed(file.as_file())
    };
    (0..APPENDS).map(append).collect()
}

fn timed(mut file: &File) -> Duration {
    let start = Instant::now();
    file.write_all(&[b'x'; BYTES]).unwrap();
    file.sync_data().unwrap();
    start.elapsed()
}

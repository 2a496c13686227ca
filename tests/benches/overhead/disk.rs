//! The disk's own `fdatasync`, on the file system that the stores are on.

use std::{
    fs::File,
    io::Write as _,
    path::Path,
    time::{Duration, Instant},
};

const APPENDS: usize = 300;
/// About the size of an event's line.
const BYTES: usize = 600;

/// Median time of an append and its `fdatasync`.
pub(crate) fn median_fdatasync(folder: &Path) -> Duration {
    let file = tempfile::NamedTempFile::new_in(folder).unwrap();
    let line = [b'x'; BYTES];
    let mut times: Vec<Duration> = (0..APPENDS).map(|_| timed(file.as_file(), &line)).collect();
    times.sort_unstable();
    times[times.len() / 2]
}

fn timed(mut file: &File, line: &[u8]) -> Duration {
    let start = Instant::now();
    file.write_all(line).unwrap();
    file.sync_data().unwrap();
    start.elapsed()
}

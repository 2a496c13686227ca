//! What a load took: wall time, CPU time, and how often a thread went to sleep.

use std::{
    fs,
    future::Future,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// Bytes of one frame of a write-ahead log: a page and its header.
const FRAME_BYTES: f64 = 4096.0 + 24.0;

/// What a load took.
pub(crate) struct Figures {
    /// Of single flows, in ascending order.
    times: Vec<Duration>,
    wall: Duration,
    used: Used,
}

/// What the threads of this process have used.
#[derive(Clone, Copy)]
struct Used {
    cpu: Duration,
    sleeps: u64,
}

// === impl Figures ===

impl Figures {
    /// Has `callers` make `count` flows together, each the next as soon as its last is done.
    pub(crate) async fn of<F>(callers: usize, count: usize, flow: impl Fn(usize) -> F + Clone + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send,
    {
        let next = Arc::new(AtomicUsize::new(0));
        let (before, start) = (Used::now(), Instant::now());
        let tasks: Vec<_> = (0..callers)
            .map(|_| {
                let (next, flow) = (next.clone(), flow.clone());
                tokio::spawn(async move {
                    let mut times = Vec::new();
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= count {
                            return times;
                        }
                        let start = Instant::now();
                        flow(number).await;
                        times.push(start.elapsed());
                    }
                })
            })
            .collect();
        let mut times = Vec::with_capacity(count);
        for task in tasks {
            times.extend(task.await.unwrap());
        }
        let (wall, after) = (start.elapsed(), Used::now());
        times.sort_unstable();
        let used = Used {
            cpu: after.cpu.saturating_sub(before.cpu),
            sleeps: after.sleeps.saturating_sub(before.sleeps),
        };
        Self { times, wall, used }
    }

    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        self.times[(self.times.len() * percent / 100).min(self.times.len() - 1)]
    }

    pub(crate) fn flows_a_second(&self) -> f64 {
        self.count() / self.wall.as_secs_f64()
    }

    pub(crate) fn cpu_a_flow(&self) -> Duration {
        self.used.cpu.div_f64(self.count())
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are far below the limit of precision")]
    pub(crate) fn sleeps_a_flow(&self) -> f64 {
        self.used.sleeps as f64 / self.count()
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are far below the limit of precision")]
    pub(crate) fn count(&self) -> f64 {
        self.times.len() as f64
    }
}

// === impl Used ===

impl Used {
    fn now() -> Self {
        let mut used = Self {
            cpu: Duration::ZERO,
            sleeps: 0,
        };
        for thread in fs::read_dir("/proc/self/task").unwrap() {
            let folder = thread.unwrap().path();
            let schedule = fs::read_to_string(folder.join("schedstat")).unwrap_or_default();
            let nanos = schedule.split(' ').next().and_then(|nanos| nanos.parse().ok());
            used.cpu += Duration::from_nanos(nanos.unwrap_or(0));
            let status = fs::read_to_string(folder.join("status")).unwrap_or_default();
            let sleeps = status
                .lines()
                .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            used.sleeps += sleeps.and_then(|sleeps| sleeps.trim().parse().ok()).unwrap_or(0_u64);
        }
        used
    }
}

/// How many pages the write-ahead log of `database` holds. It must not have begun anew.
#[expect(clippy::cast_precision_loss, reason = "files are far below the limit of precision")]
pub(crate) fn pages(database: &Path) -> f64 {
    let log = format!("{}-wal", database.display());
    fs::metadata(log).unwrap().len() as f64 / FRAME_BYTES
}

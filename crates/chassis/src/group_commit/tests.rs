use std::{sync::mpsc as channel, time::Duration};

use super::*;
use crate::clock::ManualClock;

/// Tells of every commit, and waits to be let go on where a job says so.
struct Recorder {
    commits: channel::Sender<Committed>,
    go: channel::Receiver<()>,
}

#[derive(Debug, PartialEq, Eq)]
struct Committed {
    jobs: Vec<u32>,
    /// By the writing thread, not by whoever asked.
    by_thread: bool,
}

struct Job {
    number: u32,
    does: Does,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Does {
    Nothing,
    Wait,
    Stop,
    Panic,
}

/// A recorder behind a group commit, and both its ends.
struct Bench {
    group: GroupCommit<Recorder>,
    commits: channel::Receiver<Committed>,
    go: channel::Sender<()>,
    clock: Arc<ManualClock>,
}

impl Commit for Recorder {
    type Job = Job;

    const MAX_WEIGHT: usize = 3;

    fn commit(&mut self, jobs: Vec<Job>) -> ControlFlow<()> {
        let does = |what| jobs.iter().any(|job| job.does == what);
        let committed = Committed {
            jobs: jobs.iter().map(|job| job.number).collect(),
            by_thread: thread::current().name() == Some("recorder"),
        };
        let _gone = self.commits.send(committed);
        if does(Does::Wait) {
            self.go.recv().unwrap();
        }
        assert!(!does(Does::Panic), "told to");
        if does(Does::Stop) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

impl Bench {
    fn new(capacity: usize) -> Self {
        let (told, commits) = channel::channel();
        let (go, waits) = channel::channel();
        let clock = Arc::new(ManualClock::new(std::time::SystemTime::UNIX_EPOCH));
        let recorder = Recorder {
            commits: told,
            go: waits,
        };
        let time: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let group = GroupCommit::start("recorder", recorder, capacity, time).unwrap();
        Self {
            group,
            commits,
            go,
            clock,
        }
    }

    fn submit(&self, number: u32, does: Does) -> Result<(), NotTaken> {
        self.group.submit(job(number, does))
    }

    fn next(&self) -> Committed {
        self.commits.recv_timeout(Duration::from_secs(30)).unwrap()
    }

    /// Submits one job after another until one of them is committed by whoever asks.
    fn calm(&self) {
        for number in 0..1_000 {
            self.submit(number, Does::Nothing).unwrap();
            if !self.next().by_thread {
                return;
            }
            while self.group.desk.waiting.load(Ordering::Acquire) > 0 {
                thread::yield_now();
            }
        }
        panic!("the thread commits for ever");
    }

    /// Waits until the thread has stopped the writer.
    fn stopped(&self) {
        while self.group.is_open() {
            thread::yield_now();
        }
        assert_eq!(self.submit(0, Does::Nothing), Err(NotTaken::Stopped));
    }
}

const fn job(number: u32, does: Does) -> Job {
    Job { number, does }
}

fn by_thread(jobs: &[u32]) -> Committed {
    Committed {
        jobs: jobs.to_vec(),
        by_thread: true,
    }
}

#[test]
fn what_waits_shares_commits_in_order_up_to_their_weight() {
    let bench = Bench::new(8);
    bench.submit(0, Does::Wait).unwrap();
    assert_eq!(bench.next(), by_thread(&[0]));
    for number in 1..=4 {
        bench.submit(number, Does::Nothing).unwrap();
    }
    bench.go.send(()).unwrap();
    assert_eq!(bench.next(), by_thread(&[1, 2, 3]));
    assert_eq!(bench.next(), by_thread(&[4]));
}

#[test]
fn no_more_wait_than_may() {
    let bench = Bench::new(1);
    bench.submit(0, Does::Wait).unwrap();
    bench.next();
    bench.submit(1, Does::Nothing).unwrap();
    assert_eq!(bench.submit(2, Does::Nothing), Err(NotTaken::Full));
    bench.go.send(()).unwrap();
    assert_eq!(bench.next(), by_thread(&[1]));
}

#[test]
fn one_at_a_time_is_committed_by_whoever_asks_until_the_disk_is_slow() {
    let bench = Bench::new(8);
    bench.calm();
    bench.submit(0, Does::Nothing).unwrap();
    assert!(!bench.next().by_thread);
    // One slow commit, on the caller's thread still.
    thread::scope(|scope| {
        scope.spawn(|| bench.group.submit(job(1, Does::Wait)).unwrap());
        assert!(!bench.next().by_thread);
        bench.clock.advance(Duration::from_millis(2));
        bench.go.send(()).unwrap();
    });
    bench.clock.advance(Duration::from_mins(1));
    bench.submit(2, Does::Nothing).unwrap();
    assert_eq!(bench.next(), by_thread(&[2]));
}

#[test]
fn what_comes_during_a_commit_of_whoever_asks_waits_for_the_thread() {
    let bench = Bench::new(8);
    bench.calm();
    thread::scope(|scope| {
        scope.spawn(|| bench.group.submit(job(0, Does::Wait)).unwrap());
        assert!(!bench.next().by_thread);
        bench.submit(1, Does::Nothing).unwrap();
        bench.go.send(()).unwrap();
    });
    assert_eq!(bench.next(), by_thread(&[1]));
}

#[test]
fn a_writer_that_breaks_takes_no_more() {
    let bench = Bench::new(8);
    bench.submit(0, Does::Stop).unwrap();
    bench.stopped();
    let bench = Bench::new(8);
    bench.calm();
    bench.submit(0, Does::Stop).unwrap();
    // Neither does one that had been about to commit meanwhile.
    assert!(bench.group.desk.lone_seat().is_none());
    bench.stopped();
}

#[test]
fn a_writer_that_panics_takes_no_more_whoever_committed() {
    let bench = Bench::new(8);
    bench.submit(0, Does::Panic).unwrap();
    bench.stopped();
    let bench = Bench::new(8);
    bench.calm();
    let submit = || bench.submit(0, Does::Panic);
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(submit)).unwrap_err();
    bench.stopped();
}

#[test]
fn what_was_taken_is_committed_before_the_end() {
    let bench = Bench::new(8);
    bench.submit(0, Does::Wait).unwrap();
    bench.submit(1, Does::Nothing).unwrap();
    bench.go.send(()).unwrap();
    drop(bench.group);
    let rest: Vec<u32> = bench.commits.iter().flat_map(|committed| committed.jobs).collect();
    assert_eq!(rest, [0, 1]);
}

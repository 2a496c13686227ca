//! CPU time of processes, as the kernel accounts it: unlike wall time it says much the same on a busy machine.

use std::{collections::BTreeMap, fs, time::Duration};

/// The processes of one deployment by name.
pub(crate) type Processes = BTreeMap<&'static str, u32>;

/// CPU time by process.
pub(crate) type Used = BTreeMap<&'static str, Duration>;

/// What the processes have used so far.
pub(crate) fn used(processes: &Processes) -> Used {
    processes.iter().map(|(name, pid)| (*name, of_process(*pid))).collect()
}

/// What they have used since `before`.
pub(crate) fn used_since(processes: &Processes, before: &Used) -> Used {
    let spent = |(name, now): (&'static str, Duration)| (name, now.saturating_sub(before[name]));
    used(processes).into_iter().map(spent).collect()
}

/// The sum over the process's threads. One that ended is missing: none of those that do the work does.
fn of_process(pid: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let nanos = threads.map(|thread| {
        let text = fs::read_to_string(thread.unwrap().path().join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
    });
    Duration::from_nanos(nanos.sum())
}

//! A closed loop: so many callers, each waiting for its answer before it asks again.

use std::time::{Duration, Instant};

use crate::{
    chain::ChainTarget,
    cpu::{self, Processes, Used},
    floor::FloorTarget,
};

/// What is driven.
#[derive(Clone)]
pub(crate) enum Target {
    /// The empty hops.
    Floor(FloorTarget),
    /// Countersign.
    Chain(ChainTarget),
}

/// What came of one measurement.
pub(crate) struct Figures {
    /// Median time of a flow.
    pub(crate) median: Duration,
    /// 99th percentile.
    pub(crate) p99: Duration,
    /// Flows that ended in one second.
    pub(crate) per_second: f64,
    /// CPU time of each process for one flow.
    pub(crate) cpu: Used,
}

/// Drives `target`, which `processes` serve, with `callers` at once for `span`, after a short warm-up.
pub(crate) async fn drive(target: &Target, processes: &Processes, callers: usize, span: Duration) -> Figures {
    run(target, callers, span / 6).await;
    let (start, before) = (Instant::now(), cpu::used(processes));
    let mut times = run(target, callers, span).await;
    let (elapsed, spent) = (start.elapsed(), cpu::used_since(processes, &before));
    let flows = u32::try_from(times.len()).unwrap();
    times.sort_unstable();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
    Figures {
        median: at(50),
        p99: at(99),
        per_second: f64::from(flows) / elapsed.as_secs_f64(),
        cpu: spent
            .into_iter()
            .map(|(process, spent)| (process, spent / flows))
            .collect(),
    }
}

async fn run(target: &Target, callers: usize, span: Duration) -> Vec<Duration> {
    let end = Instant::now() + span;
    let callers = (0..callers).map(|caller| tokio::spawn(call_until(target.clone(), caller, end)));
    let mut times = Vec::new();
    for caller in callers.collect::<Vec<_>>() {
        times.extend(caller.await.unwrap());
    }
    times
}

async fn call_until(mut target: Target, caller: usize, end: Instant) -> Vec<Duration> {
    let mut times = Vec::new();
    while Instant::now() < end {
        let start = Instant::now();
        match &mut target {
            Target::Floor(floor) => floor.flow(caller).await,
            Target::Chain(chain) => chain.flow(caller).await,
        }
        times.push(start.elapsed());
    }
    times
}

//! What governance costs: GREEN runs through the whole chain, beside the same graph of hops with empty handlers.
//!
//! `make bench` runs it. In one run, interleaved round by round, it measures
//! - the floor: five processes that call each other as the five services do, and do nothing else;
//! - the disk: `fdatasync` after an append, as every durable step does it;
//! - Countersign as five processes, of one program (`countersign serve`) as the floor's are, and of five; and as one
//!   process (`countersign up`);
//!
//! all against a gateway stand-in that answers at once. It prints figures and ratios and judges nothing.
//! `make compare` has it drive builds side by side instead.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a measurement stops at the first surprise, prints, and reads the clock"
)]

mod chain;
mod compare;
mod cpu;
mod disk;
mod floor;
mod load;
mod report;

use std::{env, time::Duration};

use testkit::fake_gateway::FakeGateway;

use crate::{
    chain::Chain,
    floor::Floor,
    load::{Figures, drive},
    report::Report,
};

/// The floor's too: what an allocator saves is not what governance costs.
#[global_allocator]
static ALLOCATOR: chassis::Allocator = chassis::Allocator;

/// Rounds of every measurement; the report gives medians over them.
const ROUNDS: usize = 5;
/// Length of one measurement.
const SPAN: Duration = Duration::from_secs(3);
/// Callers at once when throughput is measured.
const MANY: usize = 64;

fn main() {
    let runtime = testkit::runtime();
    if let Ok(role) = env::var(floor::ROLE_VARIABLE) {
        return runtime.block_on(floor::serve(&role));
    }
    if env::var_os("COUNTERSIGN_BENCH_GATEWAY").is_some() {
        return runtime.block_on(gateway());
    }
    if let Ok(builds) = env::var("COMPARE") {
        return runtime.block_on(compare::compare(&builds, rounds()));
    }
    runtime.block_on(measure(rounds()));
}

fn rounds() -> usize {
    let asked = env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    asked.unwrap_or(ROUNDS)
}

async fn measure(rounds: usize) {
    let gateway = chain::spawn_gateway();
    let built = testkit::process::programs();
    let floor = Floor::spawn(&gateway.url);
    let five = Chain::five_processes(&gateway, &built).await;
    let programs = Chain::five_programs(&gateway, &built).await;
    let one = Chain::one_process(&gateway, &built).await;
    let mut report = Report::default();
    for round in 1..=rounds {
        println!("round {round} of {rounds}");
        report.fdatasync.push(disk::median_fdatasync(&env::temp_dir()));
        let measured = [
            ("floor", floor.target(), floor.processes()),
            ("five processes", five.target(), five.processes()),
            ("five programs", programs.target(), programs.processes()),
            ("one process", one.target(), one.processes()),
        ];
        for (name, target, processes) in measured {
            let single: Figures = drive(&target, &processes, 1, SPAN).await;
            let many: Figures = drive(&target, &processes, MANY, SPAN).await;
            report.add(name, &single, &many);
        }
    }
    five.check_recorded().await;
    programs.check_recorded().await;
    one.check_recorded().await;
    report.print(MANY);
    for chain in [five, programs, one] {
        chain.end().await;
    }
}

/// The gateway stand-in, in a process of its own so that its work is nobody else's.
async fn gateway() {
    let gateway = FakeGateway::start().await.unwrap();
    println!("{}", gateway.url());
    std::future::pending::<()>().await;
}

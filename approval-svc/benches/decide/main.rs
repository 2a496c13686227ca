//! What an approval costs: GREEN flows through the service in process, beside a bare SQLite that writes as often.
//!
//! `cargo bench -p approval-svc`. A flow is created, recorded, claimed and completed, through all layers of the service;
//! trace-svc acknowledges at once. CPU time is that of the whole process, the callers' part included.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark stops where it fails"
)]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the real clock")]

#[path = "../../tests/it/authority.rs"]
mod authority;
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/it/fixture.rs"]
mod fixture;
mod floor;
mod flows;
mod measure;
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/it/trace.rs"]
mod trace;

use std::io::{self, Write as _};

use crate::{floor::Floor, flows::Flows, measure::Figures};

/// How many callers, and how many flows they make together.
const LOADS: [(usize, usize); 3] = [(1, 1_000), (16, 6_000), (64, 10_000)];
/// How many flows the pages are counted over: few enough for a write-ahead log that only grows.
const COUNTED: usize = 50;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    let floor = Floor::start();
    let flows = Flows::start().await;
    writeln!(out, "pages to the write-ahead log for a flow of one caller")?;
    writeln!(out, "  floor        {:5.1}", floor.pages_a_flow(COUNTED).await)?;
    writeln!(out, "  approval-svc {:5.1}", flows.pages_a_flow(COUNTED).await)?;
    writeln!(
        out,
        "\n{:27} p50      p99   flows/s   CPU a flow   sleeps a flow",
        "callers"
    )?;
    for (callers, count) in LOADS {
        report(&mut out, "floor", callers, &floor.drive(callers, count).await)?;
        report(&mut out, "approval-svc", callers, &flows.drive(callers, count).await)?;
    }
    Ok(())
}

fn report(out: &mut impl io::Write, name: &str, callers: usize, figures: &Figures) -> io::Result<()> {
    writeln!(
        out,
        "{callers:4}  {name:14} {:7} us {:5} us {:7.0} {:9.0} us {:11.1}",
        figures.percentile(50).as_micros(),
        figures.percentile(99).as_micros(),
        figures.flows_a_second(),
        figures.cpu_a_flow().as_secs_f64() * 1e6,
        figures.sleeps_a_flow(),
    )
}

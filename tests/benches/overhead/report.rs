//! Medians over the rounds, and the ratios that matter.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    disk::{Fdatasync, PAUSE},
    load::Figures,
};

/// Everything that was measured.
#[derive(Default)]
pub(crate) struct Report {
    /// The disk, round by round.
    pub(crate) fdatasync: Vec<Fdatasync>,
    rows: BTreeMap<&'static str, Row>,
}

#[derive(Default)]
struct Row {
    single_median: Vec<Duration>,
    single_p99: Vec<Duration>,
    many_median: Vec<Duration>,
    many_per_second: Vec<f64>,
    cpu: BTreeMap<&'static str, Vec<Duration>>,
}

// === impl Report ===

impl Report {
    pub(crate) fn add(&mut self, name: &'static str, single: &Figures, many: &Figures) {
        println!(
            "  {name:16} 1 caller: median {} µs; many: {:.0} flows/s, CPU {} µs a flow",
            single.median.as_micros(),
            many.per_second,
            many.cpu.values().sum::<Duration>().as_micros()
        );
        let row = self.rows.entry(name).or_default();
        row.single_median.push(single.median);
        row.single_p99.push(single.p99);
        row.many_median.push(many.median);
        row.many_per_second.push(many.per_second);
        for (process, spent) in &many.cpu {
            row.cpu.entry(process).or_default().push(*spent);
        }
    }

    pub(crate) fn print(self, many: usize) {
        let sync = |which: fn(&Fdatasync) -> Duration| median(self.fdatasync.iter().map(which).collect());
        let (in_a_row, paused) = (sync(|sync| sync.in_a_row), sync(|sync| sync.paused));
        println!(
            "\nfdatasync after an append of 600 bytes: median {} µs in a row, {} µs after a pause of {} µs\n",
            in_a_row.as_micros(),
            paused.as_micros(),
            PAUSE.as_micros()
        );
        println!("| | 1 caller p50 | p99 | {many} callers p50 | flows/s | CPU a flow |\n|---|--:|--:|--:|--:|--:|");
        let mut p50 = BTreeMap::new();
        let mut flows = BTreeMap::new();
        let mut parts = Vec::new();
        for (name, row) in self.rows {
            let single = median(row.single_median);
            let rate = median_of_rates(row.many_per_second.clone());
            let cpu: BTreeMap<_, _> = row
                .cpu
                .into_iter()
                .map(|(process, spent)| (process, median(spent)))
                .collect();
            println!(
                "| {name} | {} µs | {} µs | {} ms | {rate:.0} | {} µs |",
                single.as_micros(),
                median(row.single_p99).as_micros(),
                median(row.many_median).as_millis(),
                cpu.values().sum::<Duration>().as_micros(),
            );
            parts.push((name, cpu));
            p50.insert(name, single);
            flows.insert(name, row.many_per_second);
        }
        println!("\nCPU time of a flow at {many} callers, by process:");
        for (name, cpu) in parts {
            let each = cpu
                .iter()
                .map(|(process, spent)| format!("{process} {} µs", spent.as_micros()));
            println!("  {name}: {}", each.collect::<Vec<_>>().join(", "));
        }
        let allowed = |sync: Duration| p50["floor"] + sync * 6 + Duration::from_millis(1);
        println!(
            "\none caller: floor + 6 fdatasync + 1 ms = {} µs, with pauses {} µs",
            allowed(in_a_row).as_micros(),
            allowed(paused).as_micros()
        );
        for name in ["five processes", "five programs"] {
            println!("one caller, {name}: {} µs", p50[name].as_micros());
            let ratio = median_ratio(&flows[name], &flows["floor"]);
            println!("{many} callers, {name} : floor = {ratio:.2}");
        }
        println!(
            "{many} callers, one process : five processes = {:.2}",
            median_ratio(&flows["one process"], &flows["five processes"])
        );
    }
}

pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn median_of_rates(mut rates: Vec<f64>) -> f64 {
    rates.sort_unstable_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// Round by round, since what disturbs a round disturbs all that is measured in it.
pub(crate) fn median_ratio(over: &[f64], under: &[f64]) -> f64 {
    median_of_rates(over.iter().zip(under).map(|(over, under)| over / under).collect())
}

//! Builds side by side: one hour differs from the next by more than most changes are worth, so every round drives each
//! build, and what counts is the ratio to the first build within the round.
//!
//! `make compare BUILDS=old=FOLDER,new=FOLDER` names folders with programs that `make release` built. A folder named twice is
//! the control: it shows by how much a build differs from itself.

use std::{path::Path, time::Duration};

use crate::{
    MANY,
    chain::{self, Chain, Gateway},
    load::drive,
    report,
};

/// Length of one measurement: short, so that what disturbs a round disturbs all of it.
const SPAN: Duration = Duration::from_secs(1);

/// What is compared, each the less the better.
const MEASURES: [&str; 3] = ["1 caller p50", "64 callers, time a flow", "64 callers, CPU a flow"];

type Measured = [f64; MEASURES.len()];

/// How each build is deployed.
const DEPLOYMENTS: [&str; 2] = ["five processes", "one process"];

/// One build in one deployment.
struct Contender<'a> {
    build: &'a str,
    deployment: &'static str,
    chain: Chain,
    /// Round by round.
    measured: Vec<Measured>,
}

/// Compares the builds, over this many rounds.
pub(crate) async fn compare(builds: &str, rounds: usize) {
    let gateway = chain::spawn_gateway();
    let mut contenders = Vec::new();
    for build in builds.split(',') {
        contenders.extend(deploy(&gateway, build).await);
    }
    let count = contenders.len();
    for round in 0..rounds {
        println!("round {} of {rounds}", round + 1);
        for place in 0..count {
            // Each stands at each place of a round in turn: the first has other neighbours than the last.
            let contender = &mut contenders[(place + round) % count];
            contender.measured.push(measure(&contender.chain).await);
        }
    }
    println!("\n| | {} |\n|---|--:|--:|--:|", MEASURES.join(" | "));
    for (index, contender) in contenders.iter().enumerate() {
        let first = &contenders[index % DEPLOYMENTS.len()];
        let changes = contender.changes_from(first).map(|change| format!("{change:+.1} %"));
        println!(
            "| {}, {} | {} |",
            contender.build,
            contender.deployment,
            changes.join(" | ")
        );
    }
    for contender in contenders {
        contender.chain.end().await;
    }
}

async fn deploy<'a>(gateway: &Gateway, build: &'a str) -> [Contender<'a>; DEPLOYMENTS.len()] {
    let (build, folder) = build
        .split_once('=')
        .unwrap_or_else(|| panic!("`{build}` is not NAME=FOLDER"));
    let folder = Path::new(folder);
    let chains = [
        Chain::five_processes(gateway, folder).await,
        Chain::one_process(gateway, folder).await,
    ];
    let mut deployments = DEPLOYMENTS.into_iter();
    chains.map(|chain| Contender {
        build,
        deployment: deployments.next().unwrap(),
        chain,
        measured: Vec::new(),
    })
}

/// Times in seconds.
async fn measure(chain: &Chain) -> Measured {
    let (target, processes) = (chain.target(), chain.processes());
    let single = drive(&target, &processes, 1, SPAN).await;
    let many = drive(&target, &processes, MANY, SPAN).await;
    let cpu: Duration = many.cpu.values().sum();
    [single.median.as_secs_f64(), many.per_second.recip(), cpu.as_secs_f64()]
}

// === impl Contender ===

impl Contender<'_> {
    /// The median change of each measure against `first` in the same round, in percent.
    fn changes_from(&self, first: &Self) -> Measured {
        std::array::from_fn(|measure| {
            let measured = |contender: &Self| {
                contender
                    .measured
                    .iter()
                    .map(|round| round[measure])
                    .collect::<Vec<_>>()
            };
            (report::median_ratio(&measured(self), &measured(first)) - 1.0) * 100.0
        })
    }
}

//! The judge of histories itself: it lets a good one pass, and finds each thing that must not happen.

use std::collections::BTreeSet;

use proto::governance::v1::run::State;
use serde_json::Value;
use testkit::{
    fake_gateway::Behaviour,
    gateway::FakeGatewayAndToken,
    invariants::{History, PREDICATES, Told},
    sandbox::Sandbox,
};

use crate::scenario::{AMBER, GREEN, RED, Scenario, run_id};

/// A good history: a run of each risk, and an unknown outcome.
async fn good() -> History {
    let gateway = FakeGatewayAndToken::start().await;
    let sandbox = Sandbox::start(&gateway.address()).await;
    let scenario = Scenario::new(sandbox.channels(), &gateway.gateway);
    scenario.follow(GREEN).await;
    scenario.follow(RED).await;
    let amber = scenario.submit(AMBER).await;
    scenario.grant(&amber).await;
    scenario.reaches(&amber, State::Succeeded).await;
    gateway.gateway.next(Behaviour::CutMidStream);
    scenario.follow(GREEN).await;
    let history = scenario.judge().await;
    assert_eq!(history.requests.len(), 3);
    history
}

/// What is wrong with a history.
fn ids(history: &History) -> BTreeSet<&'static str> {
    history
        .violations()
        .into_iter()
        .map(|violation| violation.ids)
        .collect()
}

type Lines = Vec<Value>;

/// What must be found, and the change to lines that must lead to it.
type Alteration = (&'static str, fn(&mut Lines));

/// The same history with other lines.
fn altered(history: &History, alter: impl FnOnce(&mut Lines)) -> History {
    let text = String::from_utf8(history.log.clone()).unwrap();
    let mut lines: Lines = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    alter(&mut lines);
    let log = lines.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect();
    History { log, ..history.clone() }
}

fn find<'a>(lines: &'a mut Lines, kind: &str, risk: &str) -> &'a mut Value {
    let found = lines
        .iter_mut()
        .find(|line| line["type"] == kind && line["risk"] == risk);
    found.unwrap_or_else(|| panic!("no {kind} of a {risk} run"))
}

fn remove(lines: &mut Lines, kind: &str, risk: &str) {
    let found = lines
        .iter()
        .position(|line| line["type"] == kind && line["risk"] == risk);
    lines.remove(found.unwrap());
}

fn set_outcome(lines: &mut Lines, kind: &str, outcome: &str) {
    find(lines, kind, "AMBER")["attrs"]["countersign.outcome"] = outcome.into();
}

/// For each predicate that looks at lines, a change that it must find.
const ALTERATIONS: [Alteration; 17] = [
    ("TR-3", |lines| lines[1]["event_id"] = lines[0]["event_id"].clone()),
    ("TR-5", |lines| lines.swap(1, 2)),
    ("TR-7", |lines| lines.retain(|line| line["type"] != "trace.closed")),
    ("TR-12", |lines| {
        find(lines, "approval.granted", "AMBER")["producer"] = "executor-svc".into();
    }),
    ("AP-2", |lines| remove(lines, "approval.voted", "AMBER")),
    ("AP-2", |lines| {
        for kind in ["approval.voted", "approval.granted"] {
            find(lines, kind, "AMBER")["attrs"]["countersign.revision"] = "2".into();
        }
    }),
    ("AP-3", |lines| {
        find(lines, "request.received", "AMBER")["content"]["text"] = "another".into();
    }),
    ("AP-4, AP-5", |lines| set_outcome(lines, "approval.closed", "REVOKED")),
    ("AP-6", |lines| set_outcome(lines, "approval.closed", "FAILED")),
    ("AP-7", |lines| remove(lines, "approval.granted", "AMBER")),
    ("AP-8", |lines| {
        find(lines, "approval.denied", "RED")["type"] = "approval.granted".into();
    }),
    ("AP-9", |lines| {
        find(lines, "execution.finished", "AMBER")["attrs"]["countersign.mode"] = "policy".into();
    }),
    ("EX-1, EX-3", |lines| remove(lines, "execution.started", "GREEN")),
    ("EX-1, EX-3", |lines| {
        let other = find(lines, "execution.started", "GREEN")["attrs"]["countersign.warrant_jws"].clone();
        find(lines, "execution.started", "AMBER")["attrs"]["countersign.warrant_jws"] = other;
    }),
    ("EX-2", |lines| {
        let mut again = find(lines, "execution.started", "AMBER").clone();
        again["event_id"] = "00000000-0000-4000-8000-000000000000".into();
        lines.push(again);
    }),
    ("EX-5", |lines| {
        set_outcome(lines, "execution.finished", "NOT_STARTED");
        find(lines, "execution.finished", "AMBER")["type"] = "execution.failed".into();
    }),
    ("AU-6", |lines| {
        let requester = format!("{}#alice", testkit::authority::PEOPLE);
        find(lines, "approval.voted", "AMBER")["actor"]["id"] = requester.into();
    }),
];

/// Other histories, and what must be found in each.
fn forged(good: &History) -> Vec<(&'static str, History)> {
    let with_log = |log: String| History {
        log: log.into_bytes(),
        ..good.clone()
    };
    let text = String::from_utf8(good.log.clone()).unwrap();
    let lines = || text.split_inclusive('\n');
    let without_the_second = lines().take(1).chain(lines().skip(2)).collect();
    let twice = [&good.requests[..], &good.requests[..1]].concat();
    let mut elsewhere = good.requests.clone();
    elsewhere[0]
        .headers
        .insert("x-openclaw-session-key".to_owned(), "agent:main:main".to_owned());
    // As an executor would say that had used the session of another.
    let (hash, another_hash) = (good.requests[0].sha256(), elsewhere[0].sha256());
    let admitted = with_log(text.replace(&hash, &another_hash));
    let lost = Told::Recorded {
        event_id: "gone".to_owned(),
        index: 0,
        leaf_hash: Vec::new(),
    };
    vec![
        ("TR-2", with_log(without_the_second)),
        ("TR-2", with_log(text.replacen("payroll", "Payroll", 1))),
        (
            "AP-1",
            History {
                requests: twice,
                ..good.clone()
            },
        ),
        (
            "EX-5",
            History {
                requests: good.requests[1..].to_vec(),
                ..good.clone()
            },
        ),
        (
            "EX-1, EX-3",
            History {
                requests: elsewhere.clone(),
                ..good.clone()
            },
        ),
        (
            "EX-7",
            History {
                requests: elsewhere,
                ..admitted
            },
        ),
        (
            "TR-1",
            History {
                told: vec![lost],
                ..good.clone()
            },
        ),
    ]
}

#[tokio::test]
async fn judge_finds_each_thing_that_must_not_happen() {
    let good = good().await;
    // Altered lines are written with their keys in another order, and that alone breaks every chain.
    assert_eq!(ids(&altered(&good, |_| {})), BTreeSet::from(["TR-2"]));
    let altered = ALTERATIONS.map(|(id, alter)| (id, altered(&good, alter)));
    let mut shown = BTreeSet::new();
    for (id, history) in altered.into_iter().chain(forged(&good)) {
        let found = ids(&history);
        assert!(found.contains(id), "{id} is not found, but {found:?}");
        shown.insert(id);
    }
    assert_eq!(
        shown,
        PREDICATES.iter().map(|predicate| predicate.ids).collect(),
        "each predicate is shown to find something"
    );
    good.check();
}

#[tokio::test]
async fn judge_knows_what_was_told() {
    let history = good().await;
    let amber = history.told.iter().find_map(|told| match told {
        Told::Decided { run, .. } => Some(run.clone()),
        _ => None,
    });
    let told = Told::Run {
        run: amber.unwrap(),
        state: State::Failed,
    };
    let two_ends = History {
        told: [&history.told[..], &[told]].concat(),
        ..history.clone()
    };
    assert!(ids(&two_ends).contains("AP-6"));
    let unknown = Told::Run {
        run: run_id_of_nobody(),
        state: State::PendingApproval,
    };
    let never_recorded = History {
        told: [&history.told[..], &[unknown]].concat(),
        ..history
    };
    assert!(ids(&never_recorded).contains("AP-7"));
}

fn run_id_of_nobody() -> String {
    let run = proto::governance::v1::Run {
        name: format!("runs/{}", "0".repeat(32)),
        ..Default::default()
    };
    run_id(&run).to_owned()
}

#[test]
fn docs_define_each_invariant_that_is_judged() {
    let docs = include_str!("../../../docs/invariants.md");
    for id in PREDICATES.iter().flat_map(|predicate| predicate.ids.split(", ")) {
        assert!(
            docs.contains(&format!("| **{id}** |")),
            "docs/invariants.md doesn't define {id}"
        );
    }
}

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

fn remove(lines: &mut Lines, kind: &str, risk: &str) -> Value {
    let position = lines
        .iter()
        .position(|line| line["type"] == kind && line["risk"] == risk)
        .unwrap();
    lines.remove(position)
}

#[tokio::test]
async fn judge_finds_each_thing_that_must_not_happen() {
    let history = good().await;
    let mut seen = BTreeSet::new();
    let mut finds = |id: &'static str, history: History| {
        let found = ids(&history);
        assert!(found.contains(id), "{id} is not found, but {found:?}");
        seen.insert(id);
    };
    let alter = |change: &dyn Fn(&mut Lines)| altered(&history, |lines| change(lines));

    // Lines are written anew with their keys in another order, and that alone breaks every chain.
    assert_eq!(ids(&alter(&|_| {})), BTreeSet::from(["TR-2"]));

    let text = String::from_utf8(history.log.clone()).unwrap();
    let without_the_second: String = text
        .split_inclusive('\n')
        .enumerate()
        .filter(|(n, _)| *n != 1)
        .map(|(_, it)| it)
        .collect();
    finds(
        "TR-2",
        History {
            log: without_the_second.into_bytes(),
            ..history.clone()
        },
    );
    let another_text = text.replacen("payroll", "Payroll", 1);
    finds(
        "TR-2",
        History {
            log: another_text.into_bytes(),
            ..history.clone()
        },
    );
    finds(
        "TR-3",
        alter(&|lines| lines[1]["event_id"] = lines[0]["event_id"].clone()),
    );
    finds("TR-5", alter(&|lines| lines.swap(1, 2)));
    finds(
        "TR-7",
        alter(&|lines| lines.retain(|line| line["type"] != "trace.closed")),
    );
    finds(
        "TR-12",
        alter(&|lines| find(lines, "approval.granted", "AMBER")["producer"] = "executor-svc".into()),
    );
    finds("AP-2", alter(&|lines| drop(remove(lines, "approval.voted", "AMBER"))));
    finds(
        "AP-2",
        alter(&|lines| {
            find(lines, "approval.voted", "AMBER")["attrs"]["countersign.revision"] = "2".into();
            find(lines, "approval.granted", "AMBER")["attrs"]["countersign.revision"] = "2".into();
        }),
    );
    finds(
        "AP-3",
        alter(&|lines| find(lines, "request.received", "AMBER")["content"]["text"] = "another".into()),
    );
    finds(
        "AP-4, AP-5",
        alter(&|lines| {
            find(lines, "approval.closed", "AMBER")["attrs"]["countersign.outcome"] = "REVOKED".into();
        }),
    );
    finds(
        "AP-6",
        alter(&|lines| {
            find(lines, "approval.closed", "AMBER")["attrs"]["countersign.outcome"] = "FAILED".into();
        }),
    );
    finds("AP-7", alter(&|lines| drop(remove(lines, "approval.granted", "AMBER"))));
    finds(
        "AP-8",
        alter(&|lines| find(lines, "approval.denied", "RED")["type"] = "approval.granted".into()),
    );
    finds(
        "AP-9",
        alter(&|lines| {
            find(lines, "execution.finished", "AMBER")["attrs"]["countersign.mode"] = "policy".into();
        }),
    );
    finds(
        "EX-1, EX-3",
        alter(&|lines| drop(remove(lines, "execution.started", "GREEN"))),
    );
    finds(
        "EX-1, EX-3",
        alter(&|lines| {
            let other = find(lines, "execution.started", "GREEN")["attrs"]["countersign.warrant_jws"].clone();
            find(lines, "execution.started", "AMBER")["attrs"]["countersign.warrant_jws"] = other;
        }),
    );
    finds(
        "EX-2",
        alter(&|lines| {
            let mut again = find(lines, "execution.started", "AMBER").clone();
            again["event_id"] = "00000000-0000-4000-8000-000000000000".into();
            lines.push(again);
        }),
    );
    finds(
        "EX-5",
        alter(&|lines| {
            let finished = find(lines, "execution.finished", "AMBER");
            finished["type"] = "execution.failed".into();
            finished["attrs"]["countersign.outcome"] = "NOT_STARTED".into();
        }),
    );
    finds(
        "AU-6",
        alter(&|lines| {
            let voted = find(lines, "approval.voted", "AMBER");
            voted["actor"]["id"] = format!("{}#alice", testkit::authority::PEOPLE).into();
        }),
    );

    let twice = History {
        requests: [&history.requests[..], &history.requests[..1]].concat(),
        ..history.clone()
    };
    finds("AP-1", twice);
    let mut never = history.clone();
    never.requests.remove(0);
    finds("EX-5", never);
    let mut elsewhere = history.clone();
    elsewhere.requests[0]
        .headers
        .insert("x-openclaw-session-key".to_owned(), "agent:main:main".to_owned());
    finds("EX-1, EX-3", elsewhere.clone());
    // As an executor would say that had used the session of another.
    let sent = elsewhere.requests[0].sha256();
    let first = history.requests[0].sha256();
    finds(
        "EX-7",
        History {
            requests: elsewhere.requests,
            ..alter(&|lines| {
                let started = lines
                    .iter_mut()
                    .find(|line| line["attrs"]["countersign.gateway_request_sha256"] == first.as_str());
                started.unwrap()["attrs"]["countersign.gateway_request_sha256"] = sent.as_str().into();
            })
        },
    );
    let mut lost = history.clone();
    lost.told.push(Told::Recorded {
        event_id: "gone".to_owned(),
        index: 0,
        leaf_hash: Vec::new(),
    });
    finds("TR-1", lost);

    let unseen: Vec<_> = PREDICATES
        .iter()
        .map(|predicate| predicate.ids)
        .filter(|id| !seen.contains(id))
        .collect();
    assert_eq!(unseen, [""; 0], "predicates that nothing was shown to break");
    history.check();
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

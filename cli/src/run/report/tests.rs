//! What is told of a run, word for word.

use proto::{
    common::v1::{Mode, Risk},
    governance::v1::{Run, run::State},
};

use super::*;
use crate::console::Terminals;

fn run_in(state: State) -> Run {
    Run {
        name: "runs/4bf92f3577b34da6a3ce929d0e0e4736".into(),
        state: state.into(),
        risk: Risk::Amber.into(),
        reason: "Sends a message to many people.".into(),
        rule_ids: vec!["comms.broadcast".into()],
        approval: "approvals/0".into(),
        ..Run::default()
    }
}

/// Tells a course of events and returns standard output, standard error and the exit.
fn told(format: Format, terminals: Terminals, events: impl FnOnce(&mut Reporter<'_, '_>)) -> (String, String, Exit) {
    let (mut out, mut err, mut input) = (Vec::new(), Vec::new(), std::io::empty());
    let mut console = Console {
        out: &mut out,
        err: &mut err,
        input: &mut input,
        terminals,
        no_color: true,
    };
    let global = GlobalArgs {
        output: format,
        data_dir: Some("/tmp/my data".into()),
    };
    let mut reporter = Reporter::new(&mut console, &global, Some("alice"), "6f1c7b9e");
    events(&mut reporter);
    let exit = reporter.finish().unwrap();
    (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap(), exit)
}

#[test]
fn a_request_that_a_person_grants() {
    let (out, err, exit) = told(Format::Text, Terminals::default(), |reporter| {
        reporter.run(run_in(State::PendingApproval).into()).unwrap();
        let granted = Run {
            mode: Mode::People.into(),
            deciders: vec!["bob".into()],
            ..run_in(State::Granted)
        };
        reporter.run(granted.into()).unwrap();
        reporter.run(run_in(State::Executing).into()).unwrap();
        reporter.output("Sent to ").unwrap();
        reporter.output("all.").unwrap();
        reporter
            .run(
                Run {
                    output: "Sent to all.".into(),
                    ..run_in(State::Succeeded)
                }
                .into(),
            )
            .unwrap();
    });
    assert_eq!(out, "Sent to all.\n");
    assert_eq!(
        err,
        "runs/4bf92f3577b34da6a3ce929d0e0e4736 (to follow it again: --request-id 6f1c7b9e)
AMBER Sends a message to many people. [comms.broadcast]
PENDING_APPROVAL a person has to decide until –:
  countersign approvals show approvals/0 --as bob --data-dir '/tmp/my data'
  countersign approvals grant approvals/0 --as bob --data-dir '/tmp/my data'
  countersign approvals deny approvals/0 --reason \"…\" --as bob --data-dir '/tmp/my data'
GRANTED by bob (authority: PEOPLE)
EXECUTING
SUCCEEDED
"
    );
    assert_eq!(exit, Exit::Ok);
}

#[test]
fn a_blocked_request_names_the_safe_alternative() {
    let (out, err, exit) = told(Format::Text, Terminals::default(), |reporter| {
        let blocked = Run {
            safe_alternative: "Prepare a payment proposal.".into(),
            ..run_in(State::Blocked)
        };
        reporter.run(blocked.into()).unwrap();
    });
    assert_eq!(out, "");
    assert!(
        err.ends_with("BLOCKED\ninstead: Prepare a payment proposal.\n"),
        "{err}"
    );
    assert_eq!(exit, Exit::Blocked);
}

#[test]
fn what_was_shown_is_not_shown_again() {
    let answer = |shown: &str, answer: &str| {
        told(Format::Text, Terminals::default(), |reporter| {
            reporter.run(run_in(State::Executing).into()).unwrap();
            reporter.output(shown).unwrap();
            reporter
                .run(
                    Run {
                        output: answer.into(),
                        ..run_in(State::Succeeded)
                    }
                    .into(),
                )
                .unwrap();
        })
        .0
    };
    assert_eq!(answer("one\n", "one\ntwo"), "one\ntwo\n");
    assert_eq!(answer("", "all\n"), "all\n");
    assert_eq!(answer("part", ""), "part\n");
    assert_eq!(answer("other", "whole"), "other\nwhole\n");
}

#[test]
fn an_answer_that_comes_after_the_outcome_is_shown_once() {
    let (out, err, _) = told(Format::Text, Terminals::default(), |reporter| {
        reporter.run(run_in(State::Succeeded).into()).unwrap();
        let answered = Run {
            output: "all".into(),
            ..run_in(State::Succeeded)
        };
        reporter.run(answered.clone().into()).unwrap();
        reporter.run(answered.into()).unwrap();
    });
    assert_eq!((out.as_str(), err.matches("SUCCEEDED").count()), ("all\n", 1));
}

#[test]
fn an_answer_cant_drive_the_terminal_and_reaches_a_file_as_it_is() {
    let shown = |terminals| {
        told(Format::Text, terminals, |reporter| {
            reporter
                .run(
                    Run {
                        output: "a\u{1B}[2Jb\n".into(),
                        ..run_in(State::Succeeded)
                    }
                    .into(),
                )
                .unwrap();
        })
        .0
    };
    assert_eq!(
        shown(Terminals {
            out: true,
            ..Terminals::default()
        }),
        "a\\u{1b}[2Jb\n"
    );
    assert_eq!(shown(Terminals::default()), "a\u{1B}[2Jb\n");
}

#[test]
fn json_is_one_line_for_each_update() {
    let (out, err, exit) = told(Format::Json, Terminals::default(), |reporter| {
        reporter.run(run_in(State::Executing).into()).unwrap();
        reporter.run(run_in(State::Executing).into()).unwrap();
        reporter.output("hi").unwrap();
        reporter
            .run(
                Run {
                    output: "hi".into(),
                    ..run_in(State::OutcomeUnknown)
                }
                .into(),
            )
            .unwrap();
    });
    let lines: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3, "a run that did not change is not repeated");
    assert_eq!(lines[0]["run"]["state"], "EXECUTING");
    assert_eq!(lines[1], serde_json::json!({"type": "output", "text": "hi"}));
    assert_eq!(lines[2]["run"]["output"], "hi");
    assert_eq!((err.as_str(), exit), ("", Exit::Unknown));
}

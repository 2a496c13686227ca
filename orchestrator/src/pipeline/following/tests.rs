//! Followers on canned events.

use prost_types::Timestamp;
use proto::{approval::v1::approval, common::v1::Risk};

use super::*;

fn approval(state: approval::State, second: i64) -> Approval {
    Approval {
        run_id: "0123456789abcdef0123456789abcdef".to_owned(),
        state: state.into(),
        update_time: Some(Timestamp {
            seconds: second,
            nanos: 0,
        }),
        ..Approval::default()
    }
}

fn seen(state: approval::State, second: i64) -> Event {
    Event::Seen(Box::new(approval(state, second)))
}

fn accepted() -> Event {
    Event::Accepted(Accepted::default())
}

fn chunk(text: &str) -> Event {
    Event::Chunk(Arc::from(text))
}

/// What the caller and the driver get to see, in short.
fn short(effects: &[Effect]) -> Vec<String> {
    effects
        .iter()
        .map(|effect| match effect {
            Effect::Announce(run) if run.output.is_empty() => format!("{:?}", run.state()),
            Effect::Announce(run) => format!("{:?}: {}", run.state(), run.output),
            Effect::Forward(text) => format!("+{text}"),
            Effect::Reread => "reread".to_owned(),
            Effect::ReadAnswer => "read answer".to_owned(),
        })
        .collect()
}

fn follow(first: Approval, dispatching: bool, events: Vec<Event>) -> (Vec<String>, Source) {
    let (mut following, effects) = Following::start(first, dispatching);
    let mut said = short(&effects);
    for event in events {
        said.extend(short(&following.step(event)));
    }
    (said, following.source())
}

#[test]
fn a_run_dispatched_here_is_streamed_and_ends_as_its_approval_says() {
    use approval::State;
    let events = vec![
        accepted(),
        chunk("Hello"),
        chunk(", world"),
        Event::Finished(Outcome::Succeeded),
        Event::Closed,
        seen(State::Succeeded, 3),
    ];
    let (said, source) = follow(approval(State::Granted, 1), true, events);
    let expected = [
        "Granted",
        "Executing",
        "+Hello",
        "+, world",
        "reread",
        "Succeeded: Hello, world",
    ];
    assert_eq!(said, expected);
    assert_eq!(source, Source::Nothing);
}

#[test]
fn the_approval_that_the_executor_passes_on_ends_the_run_without_another_call() {
    use approval::State;
    let events = vec![
        accepted(),
        chunk("Hello"),
        Event::Finished(Outcome::Succeeded),
        seen(State::Succeeded, 3),
        Event::Closed,
    ];
    let (said, source) = follow(approval(State::Granted, 1), true, events);
    assert_eq!(said, ["Granted", "Executing", "+Hello", "Succeeded: Hello"]);
    assert_eq!(source, Source::Nothing);
}

#[test]
fn an_approval_of_another_run_is_not_shown() {
    use approval::State;
    let foreign = Approval {
        name: "approvals/another".to_owned(),
        ..approval(State::Succeeded, 3)
    };
    let events = vec![accepted(), Event::Seen(Box::new(foreign)), Event::Closed];
    let (said, _) = follow(approval(State::Granted, 1), true, events);
    assert_eq!(said, ["Granted", "Executing", "reread"]);
}

#[test]
fn live_output_alone_is_listened_to_while_it_comes() {
    let (mut following, _) = Following::start(approval(approval::State::Granted, 1), true);
    assert_eq!(following.source(), Source::Live);
    following.step(accepted());
    assert_eq!(following.source(), Source::Live);
    following.step(Event::Closed);
    assert_eq!(following.source(), Source::Approval);
}

#[test]
fn an_executor_that_says_finished_does_not_end_a_run() {
    use approval::State;
    let events = vec![
        accepted(),
        chunk("x"),
        Event::Finished(Outcome::Succeeded),
        Event::Closed,
        seen(State::Executing, 2),
        seen(State::OutcomeUnknown, 70),
    ];
    let (said, _) = follow(approval(State::Granted, 1), true, events);
    assert_eq!(said, ["Granted", "Executing", "+x", "reread", "OutcomeUnknown"]);
}

#[test]
fn a_failed_dispatch_is_followed_through_the_approval() {
    use approval::State;
    let events = vec![
        Event::Closed,
        seen(State::Granted, 1),
        seen(State::Executing, 5),
        seen(State::Succeeded, 6),
        Event::Answer(Ok("from the trace".to_owned())),
    ];
    let (said, _) = follow(approval(State::Granted, 1), true, events);
    let expected = [
        "Granted",
        "reread",
        "Executing",
        "read answer",
        "Succeeded: from the trace",
    ];
    assert_eq!(said, expected);
}

#[test]
fn a_pending_run_may_turn_live() {
    use approval::State;
    let events = vec![
        seen(State::Pending, 1),
        seen(State::Granted, 2),
        accepted(),
        chunk("a"),
        Event::Finished(Outcome::Succeeded),
        Event::Closed,
        seen(State::Succeeded, 4),
    ];
    let (said, _) = follow(approval(State::Pending, 1), false, events);
    let expected = [
        "PendingApproval",
        "Granted",
        "Executing",
        "+a",
        "reread",
        "Succeeded: a",
    ];
    assert_eq!(said, expected);
}

#[test]
fn an_answer_with_gaps_is_read_from_the_trace() {
    use approval::State;
    let cases = [
        vec![
            accepted(),
            chunk("a"),
            Event::Lagged,
            chunk("c"),
            Event::Finished(Outcome::Succeeded),
        ],
        vec![chunk("late"), Event::Finished(Outcome::Succeeded)],
        vec![accepted(), chunk("cut")],
        vec![
            accepted(),
            chunk("short"),
            chunk(&"x".repeat(ANSWER_MAX_BYTES)),
            Event::Finished(Outcome::Succeeded),
        ],
    ];
    for events in cases {
        let (mut following, _) = Following::start(approval(State::Granted, 1), true);
        for event in events {
            following.step(event);
        }
        following.step(Event::Closed);
        let effects = following.step(seen(State::Succeeded, 9));
        assert_eq!(short(&effects), ["read answer"]);
    }
}

#[test]
fn nothing_is_passed_on_after_a_gap() {
    let (mut following, _) = Following::start(approval(approval::State::Granted, 1), true);
    following.step(accepted());
    assert_eq!(short(&following.step(chunk("a"))), ["+a"]);
    following.step(Event::Lagged);
    assert!(following.step(chunk("c")).is_empty());
    // Another attempt begins anew.
    following.step(accepted());
    assert_eq!(short(&following.step(chunk("b"))), ["+b"]);
}

#[test]
fn an_unreadable_answer_still_shows_the_outcome() {
    let mut done = approval(approval::State::Succeeded, 1);
    done.outcome_detail = "complete".to_owned();
    let (mut following, effects) = Following::start(done, false);
    assert_eq!(effects, [Effect::ReadAnswer]);
    let why = "trace-svc can't be reached".to_owned();
    let effects = following.step(Event::Answer(Err(why)));
    let [Effect::Announce(run)] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!(run.state(), run::State::Succeeded);
    assert_eq!(run.detail, "complete; trace-svc can't be reached");
}

#[test]
fn what_is_older_or_known_is_not_said_again() {
    use approval::State;
    let events = vec![
        seen(State::Granted, 2),
        seen(State::Executing, 3),
        seen(State::Granted, 2),
        seen(State::Executing, 3),
        seen(State::Granted, 4),
    ];
    let (said, _) = follow(approval(State::Pending, 1), false, events);
    assert_eq!(said, ["PendingApproval", "Granted", "Executing", "Granted"]);
}

#[test]
fn every_end_is_said_once_and_is_the_last() {
    use approval::State;
    let ends = [
        (State::Failed, "Failed"),
        (State::Denied, "Denied"),
        (State::Expired, "Expired"),
        (State::Cancelled, "Cancelled"),
        (State::Revoked, "Revoked"),
        (State::OutcomeUnknown, "OutcomeUnknown"),
    ];
    for (end, name) in ends {
        let events = vec![seen(end, 2), seen(State::Granted, 3), accepted(), chunk("x")];
        let (said, source) = follow(approval(State::Pending, 1), false, events);
        assert_eq!(said, ["PendingApproval", name]);
        assert_eq!(source, Source::Nothing);
    }
}

#[test]
fn a_blocked_run_is_said_at_once() {
    let mut denied = approval(approval::State::Denied, 1);
    denied.risk = Risk::Red.into();
    let (said, source) = follow(denied, false, vec![]);
    assert_eq!((said, source), (vec!["Blocked".to_owned()], Source::Nothing));
}

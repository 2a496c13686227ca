//! Submissions on canned answers, one table for each promise.

use chassis::fault::{Code as FaultCode, metadata_of, reason_of, status};
use tonic::Code;

use proto::common::v1::ErrorReason;

use super::*;

const DIGEST: &str = "sha256:aa";

/// What a submission came to.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Committed; whether it is dispatched at once.
    Commit { dispatched: bool },
    /// Refused, with this code and reason, and without an effect of this call.
    Refuse(Code, ErrorReason),
    /// The same, and it is said that a run may be committed.
    Unknown(Code, ErrorReason),
}

/// Runs a submission on canned answers; panics when the core asks for another effect than the answers expect.
fn run(events: Vec<Event>) -> End {
    let (mut submission, mut effect) = Submission::start(DIGEST.to_owned());
    for event in events {
        match (&effect, &event) {
            (Effect::Classify, Event::Classified(_))
            | (Effect::Create(_), Event::Created(_))
            | (Effect::ReadBack, Event::ReadBack(_)) => {}
            unexpected => panic!("{unexpected:?}"),
        }
        (submission, effect) = submission.step(event);
    }
    match effect {
        Effect::Commit { warrant_jws, .. } => End::Commit {
            dispatched: warrant_jws.is_some(),
        },
        Effect::Refuse(refusal) => {
            let status = Status::from(refusal);
            let reason = reason_of(&status).unwrap();
            match metadata_of(&status, "committed").as_deref() {
                None => End::Refuse(status.code(), reason),
                Some("unknown") => End::Unknown(status.code(), reason),
                Some(other) => panic!("committed: {other}"),
            }
        }
        unfinished => panic!("{unfinished:?}"),
    }
}

fn classified() -> Event {
    Event::Classified(Ok(Some(Classification::default())))
}

fn approval(state: approval::State) -> Approval {
    Approval {
        action_digest: DIGEST.to_owned(),
        state: state.into(),
        ..Approval::default()
    }
}

fn created(state: approval::State, warrant_jws: &str) -> Event {
    Event::Created(Ok(CreateApprovalResponse {
        approval: Some(approval(state)),
        warrant_jws: warrant_jws.to_owned(),
        ..CreateApprovalResponse::default()
    }))
}

fn found(state: approval::State) -> Event {
    Event::ReadBack(Ok(Some(approval(state))))
}

fn refusal(code: FaultCode, reason: ErrorReason) -> Status {
    status("approval.countersign", code, reason, "no")
}

#[test]
fn a_granted_approval_with_its_warrant_is_dispatched() {
    let end = run(vec![classified(), created(approval::State::Granted, "jws")]);
    assert_eq!(end, End::Commit { dispatched: true });
}

#[test]
fn nothing_else_is_dispatched() {
    use approval::State;
    let states = [
        (State::Granted, ""),
        (State::Pending, ""),
        (State::Pending, "jws"),
        (State::Denied, "jws"),
        (State::Executing, "jws"),
        (State::Succeeded, "jws"),
        (State::Unspecified, "jws"),
    ];
    for (state, warrant) in states {
        let end = run(vec![classified(), created(state, warrant)]);
        assert_eq!(end, End::Commit { dispatched: false }, "{state:?}");
    }
}

#[test]
fn a_refusal_before_the_commit_passes() {
    let classifier = refusal(FaultCode::PermissionDenied, ErrorReason::AgentNotAllowed);
    assert_eq!(
        run(vec![Event::Classified(Err(classifier))]),
        End::Refuse(Code::PermissionDenied, ErrorReason::AgentNotAllowed)
    );
    let refusals = [
        (FaultCode::InvalidArgument, ErrorReason::VerdictRejected),
        (FaultCode::ResourceExhausted, ErrorReason::TooManyPending),
        (FaultCode::ResourceExhausted, ErrorReason::Overloaded),
        (FaultCode::Unavailable, ErrorReason::ShuttingDown),
    ];
    for (code, reason) in refusals {
        let end = run(vec![classified(), Event::Created(Err(refusal(code, reason)))]);
        assert_eq!(end, End::Refuse(code.into(), reason));
    }
}

#[test]
fn an_unreachable_classifier_is_named_unless_the_run_exists() {
    let down = || Event::Classified(Err(Status::unavailable("connect")));
    let refused = End::Refuse(Code::Unavailable, ErrorReason::PartUnavailable);
    assert_eq!(run(vec![down(), Event::ReadBack(Ok(None))]), refused);
    let cut = Event::ReadBack(Err(Status::unavailable("connect")));
    // An earlier try may have been committed.
    let unknown = End::Unknown(Code::Unavailable, ErrorReason::PartUnavailable);
    assert_eq!(run(vec![down(), cut]), unknown);
    assert_eq!(
        run(vec![down(), found(approval::State::Pending)]),
        End::Commit { dispatched: false }
    );
}

#[test]
fn a_lost_answer_is_read_back() {
    let lost = [
        Status::unavailable("cut"),
        Status::deadline_exceeded("hang"),
        Status::cancelled("timeout expired"),
        Status::unknown("transport error"),
        refusal(FaultCode::DeadlineExceeded, ErrorReason::DeadlineExceeded),
        refusal(FaultCode::Internal, ErrorReason::Internal),
    ];
    for status in lost {
        let answers = vec![
            classified(),
            Event::Created(Err(status.clone())),
            found(approval::State::Granted),
        ];
        assert_eq!(run(answers), End::Commit { dispatched: false }, "{status:?}");
    }
}

#[test]
fn what_cannot_be_read_back_is_unknown_and_says_so() {
    let cases = [
        (
            Status::unavailable("cut"),
            Code::Unavailable,
            ErrorReason::PartUnavailable,
        ),
        (
            Status::cancelled("timeout expired"),
            Code::DeadlineExceeded,
            ErrorReason::DeadlineExceeded,
        ),
        (
            Status::deadline_exceeded("hang"),
            Code::DeadlineExceeded,
            ErrorReason::DeadlineExceeded,
        ),
    ];
    for (lost, code, reason) in cases {
        for read_back in [Ok(None), Err(Status::unavailable("connect"))] {
            let answers = vec![
                classified(),
                Event::Created(Err(lost.clone())),
                Event::ReadBack(read_back),
            ];
            assert_eq!(run(answers), End::Unknown(code, reason));
        }
    }
}

#[test]
fn what_was_never_sent_is_not_read_back() {
    let refused = tonic::ConnectError("connection refused".into());
    let end = run(vec![
        classified(),
        Event::Created(Err(Status::from_error(Box::new(refused)))),
    ]);
    assert_eq!(end, End::Refuse(Code::Unavailable, ErrorReason::PartUnavailable));
}

#[test]
fn another_body_under_the_same_request_id_is_refused() {
    let reused = End::Refuse(Code::AlreadyExists, ErrorReason::RequestIdReused);
    let conflict = || {
        let status = refusal(FaultCode::AlreadyExists, ErrorReason::RequestIdReused);
        Event::Created(Err(status))
    };
    let other = Approval {
        action_digest: "sha256:bb".to_owned(),
        ..approval(approval::State::Granted)
    };
    let answered_other = Event::Created(Ok(CreateApprovalResponse {
        approval: Some(other),
        warrant_jws: "jws".to_owned(),
        ..CreateApprovalResponse::default()
    }));
    assert_eq!(run(vec![classified(), answered_other]), reused);
    assert_eq!(run(vec![classified(), conflict()]), reused);
}

#[test]
fn an_answer_without_what_the_contract_promises_is_an_internal_error() {
    let internal = End::Refuse(Code::Internal, ErrorReason::Internal);
    assert_eq!(run(vec![Event::Classified(Ok(None))]), internal);
    let empty = Event::Created(Ok(CreateApprovalResponse::default()));
    assert_eq!(run(vec![classified(), empty]), internal);
}

#[test]
fn an_event_out_of_turn_commits_nothing() {
    let (submission, _) = Submission::start(DIGEST.to_owned());
    let (_, effect) = submission.step(created(approval::State::Granted, "jws"));
    assert!(matches!(effect, Effect::Refuse(_)));
}

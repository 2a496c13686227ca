//! The invariants of an approval as predicates: held against every step in debug builds, and by the tests.

use warrant::{Mode, Risk};

use crate::{
    approval::{
        Approval, Outcome, State,
        step::{At, Change, FactKind, Step},
    },
    resolve::{Resolution, resolve},
};

/// The invariant that a step breaks, if any. `before` is `None` when the step creates the approval.
pub fn violated(before: Option<&Approval>, step: &Step, at: &At<'_>) -> Option<&'static str> {
    let after = &step.after;
    let checks: [(&'static str, bool); 9] = [
        (
            "AP-1, AP-5, AP-7: one claim takes a granted approval, in time and once it is recorded",
            claims_only_what_is_granted(before, step, at),
        ),
        (
            "AP-2, AP-8, AP-9: a grant is what the votes resolve to",
            grant_is_resolved(after),
        ),
        (
            "AP-3: content never changes",
            before.is_none_or(|b| b.content == after.content),
        ),
        ("AP-4, AP-6: terminal states never change", terminal_stays(before, step)),
        ("AP-6: every state but one has a timed way out", has_way_out(after)),
        ("AP-7: a decision has its event", decision_has_event(before, step)),
        ("AP-8: red is never granted", red_is_denied(after)),
        (
            "the etag changes with every visible change",
            version_grows(before, step),
        ),
        ("an outcome stands where something ended", outcome_fits(after)),
    ];
    checks.into_iter().find_map(|(id, holds)| (!holds).then_some(id))
}

fn claims_only_what_is_granted(before: Option<&Approval>, step: &Step, at: &At<'_>) -> bool {
    let was = before.map(Approval::state);
    if step.after.state() != State::Executing || was == Some(State::Executing) {
        return true;
    }
    let in_time = before.and_then(|b| b.progress.grant_expire).is_some_and(|e| at.now < e);
    let jti = before.map(|b| &b.progress.jti);
    let claimed = step.after.progress.claim.as_ref().map(|claim| &claim.jti);
    was == Some(State::Granted) && in_time && at.recorded && jti == claimed
}

fn grant_is_resolved(after: &Approval) -> bool {
    let progress = &after.progress;
    let stands = matches!(
        progress.state,
        State::Granted | State::Executing | State::Succeeded | State::Failed | State::OutcomeUnknown
    );
    if !stands {
        return true;
    }
    let Some(decided) = progress.decide_time else {
        return false;
    };
    let resolution = resolve(&after.content.rule, progress.revision, &progress.votes, decided);
    progress
        .mode
        .is_some_and(|mode| resolution == Resolution::Granted(mode))
        && (progress.mode == Some(Mode::Policy)) == (after.content.rule.risk == Risk::Green)
}

fn terminal_stays(before: Option<&Approval>, step: &Step) -> bool {
    before.is_none_or(|b| !b.state().is_terminal() || step.change == Change::None)
}

fn has_way_out(after: &Approval) -> bool {
    let state = after.state();
    state.is_terminal() || state == State::OutcomeUnknown || after.due().is_some()
}

fn decision_has_event(before: Option<&Approval>, step: &Step) -> bool {
    let (was, is) = (before.map(Approval::state), step.after.state());
    let expected = match is {
        _ if was == Some(is) => return true,
        // Given back by the claim's holder, which is no new decision.
        State::Granted if was == Some(State::Executing) => return true,
        State::Pending => FactKind::Requested,
        State::Granted => FactKind::Granted,
        State::Executing => return step.facts.is_empty(),
        State::OutcomeUnknown => FactKind::Unknown,
        _ => FactKind::Closed,
    };
    step.facts.last().is_some_and(|fact| fact.kind == expected)
}

fn red_is_denied(after: &Approval) -> bool {
    after.content.rule.risk != Risk::Red || after.state() == State::Denied
}

fn version_grows(before: Option<&Approval>, step: &Step) -> bool {
    let Some(before) = before else {
        return step.after.progress.version == 1;
    };
    let (was, is) = (before.progress.version, step.after.progress.version);
    match step.change {
        Change::Visible => is > was,
        Change::Hidden => is == was && before.state() == step.after.state(),
        Change::None => *before == step.after,
    }
}

fn outcome_fits(after: &Approval) -> bool {
    match after.state() {
        State::Succeeded => after.progress.outcome == Some(Outcome::Succeeded),
        State::Failed => {
            matches!(after.progress.outcome, Some(Outcome::Failed | Outcome::NotStarted))
        }
        State::OutcomeUnknown => after.progress.outcome == Some(Outcome::Unknown),
        State::Pending | State::Granted | State::Denied | State::Revoked => after.progress.outcome.is_none(),
        State::Executing | State::Expired | State::Cancelled => true,
    }
}

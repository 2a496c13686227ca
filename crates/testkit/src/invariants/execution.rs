//! What must hold between what was decided, what was started, and what reached the gateway.

use std::collections::BTreeSet;

use chassis::semconv::{self, event};
use warrant::{Action, Operation, Risk, session_key};

use super::evidence::{Evidence, Line, Trace, session};

const ENDS: [&str; 2] = [event::EXECUTION_FINISHED, event::EXECUTION_FAILED];
const ASKED_WHILE_EXECUTING: &str = "asked to stop while executing";

/// AP-1: one request for each approval at most. An approval belongs to one run, as a trace does.
pub(super) fn one_effect_at_most(evidence: &Evidence<'_>) -> Vec<String> {
    let count = |trace| (trace, evidence.effects(trace));
    let twice = evidence.traces().map(count).filter(|(_, effects)| *effects > 1);
    twice
        .map(|(trace, effects)| format!("{} reached the gateway {effects} times", trace.id))
        .collect()
}

/// AP-2: before an AMBER execution somebody else than the requester granted this approval and digest, as a person.
pub(super) fn amber_has_its_quorum(evidence: &Evidence<'_>) -> Vec<String> {
    let starts = started(evidence).filter(|(_, line)| line.risk.as_deref() == Some("AMBER"));
    let without = starts.filter(|(trace, line)| {
        let earlier = |other: &&Line| other.position() < line.position() && same_decision(other, line);
        let granted = trace.all(event::APPROVAL_GRANTED).any(|other| earlier(&other));
        let voted = trace.all(event::APPROVAL_VOTED).filter(earlier).any(|vote| {
            vote.attr(semconv::OUTCOME) == "GRANT"
                && (vote.actor.kind == "person" || line.attr(semconv::MODE) == "simulated")
                && vote.actor.id != line.requester()
        });
        !(granted && voted)
    });
    without
        .map(|(trace, line)| format!("{}: line {} has no grant by people before it", trace.id, line.index))
        .collect()
}

/// Whether two events speak of the same approval, revision and action.
fn same_decision(left: &Line, right: &Line) -> bool {
    let same = |key| left.attr(key) == right.attr(key) && !left.attr(key).is_empty();
    same(semconv::APPROVAL) && same(semconv::REVISION) && left.action_digest == right.action_digest
}

/// AP-3: what was asked, decided, permitted and started has one digest, computed here from what was asked.
pub(super) fn one_digest_throughout(evidence: &Evidence<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for trace in evidence.traces() {
        let asked = trace.first(event::REQUEST_RECEIVED).and_then(digest_of_request);
        for line in trace.lines().filter(|line| line.action_digest.is_some()) {
            if asked.is_some() && line.action_digest != asked {
                found.push(format!(
                    "{}: line {} has another digest than what was asked",
                    trace.id, line.index
                ));
            }
        }
    }
    for (trace, line) in started(evidence) {
        let Ok(proof) = line.proof() else { continue };
        let digest = proof.warrant.act_digest.to_string();
        let right = line.action_digest.as_deref() == Some(&digest)
            && proof.verdict.act_digest == proof.warrant.act_digest
            && proof.warrant.run.to_string() == trace.id
            && proof.warrant.approval.name() == line.attr(semconv::APPROVAL);
        if !right {
            found.push(format!(
                "{}: the warrant in line {} is for something else",
                trace.id, line.index
            ));
        }
    }
    found
}

/// The digest of what was asked, from the record of the request; none if its content stands in a blob or was redacted.
fn digest_of_request(line: &Line) -> Option<String> {
    let attr = |key| line.attr(key).to_owned();
    let text = line
        .content
        .as_ref()?
        .text
        .clone()
        .filter(|_| !line.attrs.contains_key("countersign.redactions"))?;
    let operation = match line.attr(semconv::TOOL) {
        "" => Operation::Instruction { instruction: text },
        tool => Operation::ToolCall {
            tool: tool.to_owned(),
            arguments_json: text,
        },
    };
    let action = Action {
        run: line.trace_id.parse().ok()?,
        tenant: attr(semconv::TENANT),
        issuer: attr(semconv::ISSUER),
        requester: attr(semconv::REQUESTER),
        agent: attr(semconv::AGENT),
        session: attr(semconv::CONVERSATION),
        operation,
    };
    Some(action.digest().to_string())
}

/// AP-4, AP-5: what was denied, revoked or cancelled, or expired, before it was claimed never reached the gateway.
pub(super) fn withdrawn_means_no_effect(evidence: &Evidence<'_>) -> Vec<String> {
    let withdrawn = evidence.traces().filter(|trace| {
        let Some(closed) = trace.first(event::APPROVAL_CLOSED) else {
            return false;
        };
        match closed.attr(semconv::OUTCOME) {
            "DENIED" | "REVOKED" | "EXPIRED" => true,
            "CANCELLED" => !trace.all(event::APPROVAL_CANCELLED).any(asked_while_executing),
            _ => false,
        }
    });
    let reached = withdrawn.filter(|trace| evidence.effects(*trace) > 0);
    reached
        .map(|trace| format!("{} was withdrawn and reached the gateway", trace.id))
        .collect()
}

fn asked_while_executing(line: &Line) -> bool {
    line.attr(semconv::REASON).starts_with(ASKED_WHILE_EXECUTING)
}

/// AP-8: RED is neither granted nor started.
pub(super) fn red_is_never_granted(evidence: &Evidence<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for line in &evidence.lines {
        let goes_ahead = line.kind == event::APPROVAL_GRANTED || line.kind == event::EXECUTION_STARTED;
        let red = line.risk.as_deref() == Some("RED")
            || line
                .proof()
                .is_ok_and(|proof| proof.verdict.risk == Risk::Red || proof.warrant.risk == Risk::Red);
        if goes_ahead && red {
            found.push(format!("{}: {} of a RED action", line.trace_id, line.kind));
        }
    }
    found
}

/// AP-9: every event of an execution carries the mode of its warrant, and policy alone grants GREEN only.
pub(super) fn modes_agree(evidence: &Evidence<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for (trace, line) in started(evidence) {
        let Ok(proof) = line.proof() else { continue };
        let mode = proof.warrant.mode.as_str();
        let of_this = |other: &&Line| {
            other.kind.starts_with("execution.") && other.attr(semconv::WARRANT_JTI) == proof.warrant.jti
        };
        if trace
            .lines()
            .filter(of_this)
            .any(|other| other.attr(semconv::MODE) != mode)
        {
            found.push(format!(
                "{}: an event of warrant {} hides its mode",
                trace.id, proof.warrant.jti
            ));
        }
        if mode == "policy" && proof.verdict.risk != Risk::Green {
            found.push(format!("{}: policy granted what is {}", trace.id, proof.verdict.risk));
        }
    }
    found
}

/// EX-1, EX-3: whatever reached the gateway stands in an `execution.started` with a good verdict and a good warrant, after
/// its grant; and so does every start.
pub(super) fn effects_are_covered(evidence: &Evidence<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for (trace, line) in started(evidence) {
        if let Err(error) = line.proof() {
            found.push(error);
        }
        let granted = trace.all(event::APPROVAL_GRANTED);
        if !granted
            .into_iter()
            .any(|grant| grant.position() < line.position() && same_decision(grant, line))
        {
            found.push(format!("{}: line {} has no grant before it", trace.id, line.index));
        }
    }
    for (hash, _) in &evidence.requests {
        if !started(evidence).any(|(_, line)| line.attr(semconv::GATEWAY_REQUEST_SHA256) == hash) {
            found.push(format!(
                "request {hash} reached the gateway and stands in no `execution.started`"
            ));
        }
    }
    found
}

/// EX-2: no warrant starts two executions, none ends twice, and what ends has begun.
pub(super) fn warrants_are_spent_once(evidence: &Evidence<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let mut spent = BTreeSet::new();
    for (_, line) in started(evidence) {
        let jti = line.attr(semconv::WARRANT_JTI);
        if line.proof().is_ok_and(|proof| proof.warrant.jti != jti) {
            found.push(format!("line {} names another warrant than it holds", line.index));
        }
        if !spent.insert(jti) {
            found.push(format!("warrant {jti} was spent twice"));
        }
    }
    let mut ended = BTreeSet::new();
    for line in evidence.lines.iter().filter(|line| ENDS.contains(&line.kind.as_str())) {
        let jti = line.attr(semconv::WARRANT_JTI);
        if !ended.insert(jti) || !spent.contains(jti) {
            found.push(format!(
                "line {} ends an execution under {jti} twice, or one that never began",
                line.index
            ));
        }
    }
    found
}

/// EX-5: what was said to be not started didn't reach the gateway, and what was said by the executor to have succeeded did.
pub(super) fn outcomes_are_honest(evidence: &Evidence<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for trace in evidence.traces() {
        let starts = trace.all(event::EXECUTION_STARTED).count();
        let is_unstarted = |line: &&Line| line.attr(semconv::OUTCOME) == "NOT_STARTED";
        let unstarted = trace.all(event::EXECUTION_FAILED).filter(is_unstarted).count();
        let effects = evidence.effects(trace);
        if effects > starts.saturating_sub(unstarted) {
            found.push(format!(
                "{}: more reached the gateway than is said to have been sent",
                trace.id
            ));
        }
        let finished = trace.first(event::EXECUTION_FINISHED).is_some();
        let succeeded = trace
            .first(event::APPROVAL_CLOSED)
            .is_some_and(|closed| closed.attr(semconv::OUTCOME) == "SUCCEEDED" && closed.actor.kind == "service");
        if (finished || succeeded) && effects != 1 {
            found.push(format!("{}: succeeded with {effects} requests", trace.id));
        }
    }
    found
}

/// EX-7: a request goes to the session that belongs to tenant, requester and session, and to none else.
pub(super) fn sessions_keep_to_their_owner(evidence: &Evidence<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for (hash, request) in &evidence.requests {
        let owner = started(evidence).find(|(_, line)| line.attr(semconv::GATEWAY_REQUEST_SHA256) == hash);
        let Some((trace, line)) = owner else { continue };
        let (agent, tenant) = (line.attr(semconv::AGENT), line.attr(semconv::TENANT));
        let expected = session_key(
            agent,
            tenant,
            line.attr(semconv::ISSUER),
            line.attr(semconv::REQUESTER),
            line.attr(semconv::CONVERSATION),
        );
        if session(request) != expected {
            found.push(format!("{} reached session {}", trace.id, session(request)));
        }
    }
    found
}

/// AU-6: whoever asked neither grants nor denies, revokes or reconciles.
pub(super) fn requesters_decide_nothing(evidence: &Evidence<'_>) -> Vec<String> {
    const DECISIONS: [&str; 3] = [event::APPROVAL_VOTED, event::APPROVAL_GRANTED, event::APPROVAL_REVOKED];
    let own = evidence.lines.iter().filter(|line| {
        let reconciled = line.kind == event::APPROVAL_CLOSED
            && evidence
                .trace(&line.trace_id)
                .is_some_and(|trace| trace.first(event::APPROVAL_CANCELLED).is_none());
        (DECISIONS.contains(&line.kind.as_str()) || reconciled) && line.actor.id == line.requester()
    });
    own.map(|line| format!("{}: {} by its requester", line.trace_id, line.kind))
        .collect()
}

fn started<'a>(evidence: &'a Evidence<'_>) -> impl Iterator<Item = (Trace<'a>, &'a Line)> {
    evidence
        .traces()
        .flat_map(|trace| trace.all(event::EXECUTION_STARTED).map(move |line| (trace, line)))
}

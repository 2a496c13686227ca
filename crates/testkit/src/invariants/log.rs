//! What the log must be by itself.

use std::collections::BTreeSet;

use chassis::semconv::{self, event};

use super::evidence::{Evidence, Trace};

/// TR-2: each trace counts from 1, and each line names the leaf hash of the one before.
pub(super) fn chains_verify(evidence: &Evidence<'_>) -> Vec<String> {
    evidence.traces().flat_map(breaks).collect()
}

fn breaks(trace: Trace<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let (mut sequence, mut previous) = (0_u64, String::new());
    for line in trace.lines() {
        sequence += 1;
        if line.trace_seq != sequence.to_string() || line.trace_prev != previous {
            found.push(format!(
                "{} breaks at {} (line {})",
                trace.id, line.trace_seq, line.index
            ));
            sequence = line.trace_seq.parse().unwrap_or(sequence);
        }
        previous.clone_from(&line.leaf);
    }
    found
}

/// TR-3: an event id stands for one event.
pub(super) fn events_stand_once(evidence: &Evidence<'_>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let again = evidence.lines.iter().filter(|line| !seen.insert(&line.event_id));
    again
        .map(|line| format!("event {} stands twice", line.event_id))
        .collect()
}

/// TR-5: indexes grow, and the log's time never goes back.
pub(super) fn order_holds(evidence: &Evidence<'_>) -> Vec<String> {
    let pairs = evidence.lines.iter().zip(evidence.lines.iter().skip(1));
    pairs
        .filter(|(before, after)| before.position() >= after.position() || before.recorded_at > after.recorded_at)
        .map(|(before, after)| format!("line {} comes before line {}", before.index, after.index))
        .collect()
}

/// TR-7: what closes a trace, and what comes after that, is followed by a count that is right.
pub(super) fn closings_count(evidence: &Evidence<'_>) -> Vec<String> {
    evidence.traces().flat_map(miscounts).collect()
}

fn miscounts(trace: Trace<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let (mut before, mut closed, mut owed) = (0_u64, false, false);
    for line in trace.lines() {
        if line.kind == event::TRACE_CLOSED {
            if line.attr(semconv::EVENT_COUNT) != before.to_string() {
                found.push(format!("{} has {before} events where it counts otherwise", trace.id));
            }
            (closed, owed) = (true, false);
        } else {
            if owed {
                found.push(format!("{} goes on without being closed", trace.id));
            }
            owed = closed || line.kind == event::APPROVAL_CLOSED;
        }
        before += 1;
    }
    if owed {
        found.push(format!("{} is over and not closed", trace.id));
    }
    found
}

/// TR-12: each type comes from the one part that may write it.
pub(super) fn producers_keep_to_their_types(evidence: &Evidence<'_>) -> Vec<String> {
    let producer = |kind: &str| match kind.split_once('.') {
        Some(("request" | "approval", _) | ("execution", "unknown")) => "approval-svc",
        Some(("execution" | "tool", _)) => "executor-svc",
        _ => "trace-svc",
    };
    let strays = evidence
        .lines
        .iter()
        .filter(|line| line.producer != producer(&line.kind));
    strays
        .map(|line| format!("line {}: {} from {}", line.index, line.kind, line.producer))
        .collect()
}

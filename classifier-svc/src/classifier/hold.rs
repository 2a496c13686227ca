//! Holds: why a text waits for a person although no rule says so.

use super::reading::Reading;
use crate::{
    assessment::{RuleMatch, Span},
    normalise::Views,
    rule::Risk,
};

/// The hold that counts even where a rule of the policy explains the risk.
pub(super) const UNREADABLE: &str = "hold.unreadable";

/// A rule that holds a request for a reason that is no condition.
pub(super) struct Hold {
    pub(super) rule: &'static str,
    title: &'static str,
    reason: String,
    spans: Vec<Span>,
    view: &'static str,
}

// === impl Hold ===

impl Hold {
    pub(super) fn new(rule: &'static str, title: &'static str, reason: String) -> Self {
        Self {
            rule,
            title,
            reason,
            spans: Vec::new(),
            view: "raw",
        }
    }
}

impl From<Hold> for RuleMatch {
    fn from(hold: Hold) -> Self {
        Self {
            rule: hold.rule.to_owned(),
            title: hold.title.to_owned(),
            category: "not understood".to_owned(),
            risk: Risk::Amber,
            reason: hold.reason,
            alternative: None,
            exception: None,
            view: hold.view,
            spans: hold.spans,
        }
    }
}

/// Why a text is held although no rule says so: it can't be read, or the last view, in which most is undone, isn't understood
/// in full.
pub(super) fn hold_for(views: &Views, readings: &[Reading<'_>], raw: &str) -> Option<Hold> {
    if let Some(reason) = views.held {
        return Some(Hold::new(UNREADABLE, "Can't be read to the end", reason.to_owned()));
    }
    if readings
        .last()
        .is_some_and(|reading| reading.evidence && reading.uncovered.is_none())
    {
        return None;
    }
    let unclear = readings.iter().rev().find_map(|reading| {
        let token = reading.uncovered.and_then(|index| reading.tokens.get(index))?;
        Some((reading.span(token.start, token.end), reading.view.name))
    });
    Some(match unclear {
        Some((span, view)) => {
            let word = raw.get(span.start..span.end).unwrap_or_default();
            let reason = format!("no rule of the policy says what `{word}` does here");
            Hold {
                spans: vec![span],
                view,
                ..Hold::new("hold.unknown-instruction", "Unknown instruction", reason)
            }
        }
        None => Hold::new(
            "hold.no-evidence",
            "Nothing recognised",
            "nothing in it is known to be harmless".to_owned(),
        ),
    })
}

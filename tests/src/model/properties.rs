//! What must hold in every state, and what must be possible at all.

use stateright::Property;

use super::{
    Protocol,
    state::{Content, Effect, Entry, Lease, MAX_ATTEMPTS, Risk, State, Status, Stop, bit},
};

/// What must hold in every state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Invariant {
    /// AP-1.
    AtMostOneEffect,
    /// AP-2.
    EffectHasQuorum,
    /// AP-3.
    EffectIsWhatWasAsked,
    /// AP-4.
    StopHolds,
    /// AP-5, of claims.
    ClaimBeforeExpiry,
    /// AP-5, of decisions.
    DecisionBeforeExpiry,
    /// AP-6: its safe half.
    EndIsFinal,
    /// AP-7, of decisions.
    DecisionHasEvents,
    /// AP-7 and TR-1, of warrants.
    WarrantHasReceipt,
    /// AP-7, of claims.
    ClaimHasReceipt,
    /// AP-8.
    RedIsNeverGranted,
    /// EX-2.
    WarrantSpentOnce,
    /// EX-3.
    EffectIsRecorded,
    /// EX-4.
    EffectInLease,
    /// TR-3.
    EventWrittenOnce,
}

// === impl Invariant ===

impl Invariant {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::AtMostOneEffect,
        Self::EffectHasQuorum,
        Self::EffectIsWhatWasAsked,
        Self::StopHolds,
        Self::ClaimBeforeExpiry,
        Self::DecisionBeforeExpiry,
        Self::EndIsFinal,
        Self::DecisionHasEvents,
        Self::WarrantHasReceipt,
        Self::ClaimHasReceipt,
        Self::RedIsNeverGranted,
        Self::WarrantSpentOnce,
        Self::EffectIsRecorded,
        Self::EffectInLease,
        Self::EventWrittenOnce,
    ];

    /// The invariant's id and what it says.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AtMostOneEffect => "AP-1: at most one effect",
            Self::EffectHasQuorum => "AP-2: an AMBER effect has its quorum",
            Self::EffectIsWhatWasAsked => "AP-3: what is done is what was asked",
            Self::StopHolds => "AP-4: no effect of what was stopped before its claim",
            Self::ClaimBeforeExpiry => "AP-5: a claim happens before the expiry",
            Self::DecisionBeforeExpiry => "AP-5: people decide before the expiry",
            Self::EndIsFinal => "AP-6: terminal states never change",
            Self::DecisionHasEvents => "AP-7: a decision is never without its events",
            Self::WarrantHasReceipt => "AP-7, TR-1: no warrant before the receipt",
            Self::ClaimHasReceipt => "AP-7: no claim before the receipt",
            Self::RedIsNeverGranted => "AP-8: RED is never granted",
            Self::WarrantSpentOnce => "EX-2: a warrant is spent at most once",
            Self::EffectIsRecorded => "EX-3: no receipt, no execution",
            Self::EffectInLease => "EX-4: nothing is sent after the lease",
            Self::EventWrittenOnce => "TR-3: an event stands in the log once",
        }
    }

    /// Whether it holds in a state.
    pub fn holds(self, state: &State) -> bool {
        let every_effect = |check: fn(&State, &Effect) -> bool| state.effects.iter().all(|effect| check(state, effect));
        let (history, durable) = (&state.history, state.decision == Entry::Durable);
        match self {
            Self::AtMostOneEffect => state.effects.len() <= 1,
            Self::EffectHasQuorum => {
                every_effect(|state, effect| state.risk != Risk::Amber || state.has_quorum_for(effect.content))
            }
            Self::EffectIsWhatWasAsked => every_effect(|_, effect| effect.content == Content::Asked),
            Self::StopHolds => every_effect(|_, effect| !effect.after_stop),
            Self::ClaimBeforeExpiry => !history.late_claim && !history.overdue_claim,
            Self::DecisionBeforeExpiry => !history.late_decision,
            Self::EndIsFinal => history.end.is_none_or(|end| end == state.status),
            Self::DecisionHasEvents => !state.status.is_decided() || state.outbox,
            Self::WarrantHasReceipt => state.warrants == 0 || durable,
            Self::ClaimHasReceipt => !history.unrecorded_claim,
            Self::RedIsNeverGranted => {
                state.risk != Risk::Red || matches!(state.status, Status::Absent | Status::Denied)
            }
            Self::WarrantSpentOnce => !history.spent_twice,
            Self::EffectIsRecorded => every_effect(|_, effect| effect.recorded),
            Self::EffectInLease => every_effect(|_, effect| effect.in_lease),
            Self::EventWrittenOnce => !history.written_twice,
        }
    }
}

/// What must hold, and what must be possible, lest everything holds because nothing happens.
pub fn all() -> Vec<Property<Protocol>> {
    let mut properties = must_hold();
    properties.extend(must_be_possible());
    properties
}

fn must_hold() -> Vec<Property<Protocol>> {
    macro_rules! always {
        ($($name:ident),* $(,)?) => {
            vec![$(Property::always(Invariant::$name.as_str(), |_: &Protocol, state: &State| Invariant::$name.holds(state))),*]
        };
    }
    always![
        AtMostOneEffect,
        EffectHasQuorum,
        EffectIsWhatWasAsked,
        StopHolds,
        ClaimBeforeExpiry,
        DecisionBeforeExpiry,
        EndIsFinal,
        DecisionHasEvents,
        WarrantHasReceipt,
        ClaimHasReceipt,
        RedIsNeverGranted,
        WarrantSpentOnce,
        EffectIsRecorded,
        EffectInLease,
        EventWrittenOnce,
    ]
}

fn must_be_possible() -> Vec<Property<Protocol>> {
    let sometimes = Property::<Protocol>::sometimes;
    vec![
        sometimes("GREEN succeeds", |_, state| succeeded(state, Risk::Green)),
        sometimes("AMBER succeeds", |_, state| succeeded(state, Risk::Amber)),
        sometimes("RED is denied", |_, s| {
            s.risk == Risk::Red && s.status == Status::Denied
        }),
        sometimes("people deny", |_, s| {
            s.risk == Risk::Amber && s.status == Status::Denied
        }),
        sometimes("nobody decides", |_, s| s.status == Status::Expired && s.jti == 0),
        sometimes("nobody claims", |_, s| s.status == Status::Expired && s.jti > 0),
        sometimes("a late deny stops", |_, s| s.status == Status::Stopped(Stop::LateDeny)),
        sometimes("a revoke stops", |_, s| s.status == Status::Stopped(Stop::Revoke)),
        sometimes("a cancel stops a running execution", |_, state| {
            state.status == Status::Stopped(Stop::Cancel) && state.cancel_requested
        }),
        sometimes("the gateway refuses", |_, state| {
            state.status == Status::Failed && state.fence == 1 && state.lease != Lease::Over
        }),
        sometimes("the last attempt succeeds", |_, state| {
            succeeded(state, Risk::Green) && state.attempt == MAX_ATTEMPTS
        }),
        sometimes("a warrant minted anew is spent", |_, state| {
            state.attempt == 1 && state.history.spent == bit(2)
        }),
        sometimes("a claim waits for a receipt that a crash made forgotten", |_, state| {
            state.status == Status::Granted && state.warrants > 0 && !state.receipt_known
        }),
        sometimes("an effect becomes unknown", |_, state| {
            state.status == Status::OutcomeUnknown && !state.effects.is_empty()
        }),
        sometimes("a person reconciles an effect", |_, state| {
            state.history.reconciled && succeeded(state, Risk::Green)
        }),
        sometimes("the holder completes after its lease", |_, state| {
            !state.history.reconciled && succeeded(state, Risk::Green) && state.lease == Lease::Over
        }),
    ]
}

fn succeeded(state: &State, risk: Risk) -> bool {
    state.risk == risk && state.status == Status::Succeeded && !state.effects.is_empty()
}

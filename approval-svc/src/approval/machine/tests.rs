use std::time::Duration;

use warrant::Risk;

use super::*;
use crate::fixture::{cancel, claim, complete, content, person, reconcile, renew, revoke, start, vote};
use crate::{
    approval::{Outcome, Terms, command::ClaimWarrant},
    moment::Moment,
};

/// A clock, the terms, and a nonce that differs at every step.
struct World {
    now: Moment,
    terms: Terms,
    nonce: u8,
    recorded: bool,
}

impl World {
    fn new() -> Self {
        Self {
            now: start().into(),
            terms: Terms::default(),
            nonce: 0,
            recorded: true,
        }
    }

    fn at(&mut self) -> At<'_> {
        self.nonce += 1;
        At {
            now: self.now,
            nonce: [self.nonce; 16],
            recorded: self.recorded,
            terms: &self.terms,
        }
    }

    fn pass(&mut self, seconds: u64) {
        self.now = self.now.plus(Duration::from_secs(seconds));
    }

    fn create(&mut self, risk: Risk) -> Step {
        let mut content = content(1, risk);
        content.rule.pending_expire = self.now.plus(self.terms.pending_ttl);
        content.rule.quorum = self.terms.quorum;
        create(content, self.at())
    }

    fn green(&mut self) -> Approval {
        self.create(Risk::Green).after
    }

    fn amber(&mut self) -> Approval {
        self.create(Risk::Amber).after
    }

    fn apply(&mut self, approval: &Approval, command: &Command) -> Result<Step, ApprovalError> {
        approval.apply(command, self.at())
    }

    fn must(&mut self, approval: &Approval, command: &Command) -> Approval {
        self.apply(approval, command).unwrap().after
    }

    fn executing(&mut self) -> Approval {
        let approval = self.green();
        self.must(&approval, &claim(&approval, 1))
    }

    fn lost(&mut self) -> Approval {
        let approval = self.executing();
        self.pass(60);
        approval.settle(self.at()).unwrap().after
    }
}

fn kinds(step: &Step) -> Vec<FactKind> {
    step.facts.iter().map(|fact| fact.kind).collect()
}

#[test]
fn policy_decides_green_and_red_and_people_amber() {
    use FactKind::{Classified, Closed, Denied, Granted, Received, Requested};
    let mut world = World::new();
    let green = world.create(Risk::Green);
    assert_eq!(green.after.state(), State::Granted);
    assert_eq!(green.after.progress.mode, Some(Mode::Policy));
    assert_eq!(green.after.due(), Some(world.now.plus(Duration::from_mins(1))));
    assert_eq!(kinds(&green), [Received, Classified, Requested, Granted]);

    let red = world.create(Risk::Red);
    assert_eq!(red.after.state(), State::Denied);
    assert_eq!(kinds(&red), [Received, Classified, Requested, Denied, Closed]);

    let amber = world.create(Risk::Amber);
    assert_eq!(amber.after.state(), State::Pending);
    assert_eq!(kinds(&amber), [Received, Classified, Requested]);
}

#[test]
fn one_person_grants_and_the_record_says_who() {
    let mut world = World::new();
    let amber = world.amber();
    let step = world.apply(&amber, &vote(&amber, "bob", Decision::Grant)).unwrap();
    assert_eq!(step.after.state(), State::Granted);
    assert_eq!(step.after.progress.mode, Some(Mode::People));
    assert_eq!(kinds(&step), [FactKind::Voted(Decision::Grant), FactKind::Granted]);
    assert!(step.facts.iter().all(|fact| fact.actor == Actor::Person(person("bob"))));
    assert_ne!(step.after.etag(), amber.etag());
}

#[test]
fn a_quorum_of_two_needs_two_people() {
    let mut world = World::new();
    world.terms.quorum = 2;
    let amber = world.amber();
    let once = world.must(&amber, &vote(&amber, "bob", Decision::Grant));
    assert_eq!(once.state(), State::Pending);
    let again = world.apply(&once, &vote(&once, "bob", Decision::Grant));
    assert!(matches!(again, Err(ApprovalError::AlreadyDecided { .. })));
    let twice = world.must(&once, &vote(&once, "carol", Decision::Grant));
    assert_eq!(twice.state(), State::Granted);
    // Whoever granted may still object.
    let denied = world.must(&once, &vote(&once, "bob", Decision::Deny));
    assert_eq!(denied.state(), State::Denied);
}

#[test]
fn a_decision_holds_only_for_what_was_seen() {
    let mut world = World::new();
    let amber = world.amber();
    let other = create(content(2, Risk::Amber), world.at()).after;
    let mut foreign = vote(&amber, "bob", Decision::Grant);
    let mut stale = foreign.clone();
    if let Command::Vote(cast) = &mut foreign {
        cast.seen.digest = other.content.digest;
    }
    if let Command::Vote(cast) = &mut stale {
        cast.seen.etag = "1-0".into();
    }
    assert!(matches!(
        world.apply(&amber, &foreign),
        Err(ApprovalError::DigestMismatch)
    ));
    assert!(matches!(world.apply(&amber, &stale), Err(ApprovalError::StaleEtag)));
    let own = world.apply(&amber, &vote(&amber, "alice", Decision::Grant));
    assert!(matches!(own, Err(ApprovalError::SelfApproval)));
}

#[test]
fn a_late_deny_and_a_revoke_stop_what_nobody_claimed() {
    let mut world = World::new();
    let amber = world.amber();
    let granted = world.must(&amber, &vote(&amber, "bob", Decision::Grant));
    for granted in [granted.clone(), world.green()] {
        for command in [vote(&granted, "carol", Decision::Deny), revoke(&granted, "carol")] {
            let revoked = world.must(&granted, &command);
            assert_eq!(revoked.state(), State::Revoked);
            let claimed = world.apply(&revoked, &claim(&granted, 1));
            assert!(matches!(
                claimed,
                Err(ApprovalError::WrongState { state: State::Revoked })
            ));
        }
    }
    let executing = world.must(&granted, &claim(&granted, 1));
    for command in [vote(&executing, "carol", Decision::Deny), revoke(&executing, "carol")] {
        assert!(matches!(
            world.apply(&executing, &command),
            Err(ApprovalError::WrongState {
                state: State::Executing
            })
        ));
    }
}

#[test]
fn a_claim_takes_only_the_current_recorded_warrant_in_time() {
    let mut world = World::new();
    let granted = world.green();
    let good = claim(&granted, 1);
    let spoiled = |spoil: fn(&mut ClaimWarrant)| {
        let mut command = good.clone();
        if let Command::Claim(claim) = &mut command {
            spoil(claim);
        }
        command
    };
    let other_jti = spoiled(|claim| claim.jti = "00".into());
    let other_revision = spoiled(|claim| claim.revision = 2);
    let other_mode = spoiled(|claim| claim.mode = warrant::Mode::People);
    let expired = spoiled(|claim| claim.expire = Moment::from(start()));
    let other_digest = spoiled(|claim| claim.digest = warrant::ActionDigest::from_bytes([0; 32]));
    assert!(matches!(
        world.apply(&granted, &other_jti),
        Err(ApprovalError::WarrantSpent { .. })
    ));
    assert!(matches!(
        world.apply(&granted, &other_revision),
        Err(ApprovalError::WarrantSpent { .. })
    ));
    assert!(matches!(
        world.apply(&granted, &other_mode),
        Err(ApprovalError::WarrantRejected(_))
    ));
    assert!(matches!(
        world.apply(&granted, &expired),
        Err(ApprovalError::WarrantRejected(_))
    ));
    assert!(matches!(
        world.apply(&granted, &other_digest),
        Err(ApprovalError::DigestMismatch)
    ));

    world.recorded = false;
    assert!(matches!(
        world.apply(&granted, &good),
        Err(ApprovalError::ReceiptPending)
    ));
    world.recorded = true;
    let executing = world.must(&granted, &good);
    assert_eq!(executing.state(), State::Executing);
    // The same request gets the same claim, another one nothing.
    let again = world.apply(&executing, &good).unwrap();
    assert_eq!((again.change, &again.after), (Change::None, &executing));
    let second = claim(&granted, 2);
    assert!(matches!(
        world.apply(&executing, &second),
        Err(ApprovalError::WarrantSpent { .. })
    ));
}

#[test]
fn a_replaced_warrant_is_spent() {
    let mut world = World::new();
    let granted = world.green();
    let early = world.apply(&granted, &Command::Dispatch);
    assert!(
        matches!(early, Err(ApprovalError::WrongState { .. })),
        "its creator has it for 10 s"
    );
    world.pass(10);
    let taken = world.must(&granted, &Command::Dispatch);
    assert_ne!(taken.progress.jti, granted.progress.jti);
    assert_eq!(taken.etag(), granted.etag());
    let old = world.apply(&taken, &claim(&granted, 1));
    assert!(matches!(old, Err(ApprovalError::WarrantSpent { .. })));
    assert_eq!(world.must(&taken, &claim(&taken, 1)).state(), State::Executing);
}

#[test]
fn nothing_sent_returns_to_granted_until_the_attempts_are_used_up() {
    let mut world = World::new();
    let amber = world.amber();
    let mut granted = world.must(&amber, &vote(&amber, "bob", Decision::Grant));
    let expire = granted.progress.grant_expire;
    for attempt in 1..5 {
        assert_eq!(granted.progress.attempt, attempt);
        let executing = world.must(&granted, &claim(&granted, attempt));
        let returned = world.must(&executing, &complete(&executing, Outcome::NotStarted));
        assert_eq!(returned.state(), State::Granted);
        assert_eq!(returned.progress.grant_expire, expire, "a claim prolongs no grant");
        assert_ne!(returned.progress.jti, granted.progress.jti);
        assert!(returned.progress.dispatch_time > world.now);
        let stale = world.apply(&returned, &complete(&executing, Outcome::Succeeded));
        assert!(matches!(stale, Err(ApprovalError::ClaimLost { .. })));
        granted = returned;
    }
    let executing = world.must(&granted, &claim(&granted, 9));
    let failed = world.must(&executing, &complete(&executing, Outcome::NotStarted));
    assert_eq!(failed.state(), State::Failed);
    assert_eq!(failed.progress.outcome, Some(Outcome::NotStarted));
}

#[test]
fn nothing_sent_returns_nothing_that_was_cancelled_or_ran_out() {
    let mut world = World::new();
    let executing = world.executing();
    let asked = world.apply(&executing, &cancel("alice")).unwrap();
    assert!(asked.after.progress.cancel_requested);
    assert_eq!(kinds(&asked), [FactKind::Cancelled]);
    let again = world.apply(&asked.after, &cancel("alice")).unwrap();
    assert_eq!(again.change, Change::None);
    let cancelled = world.must(&asked.after, &complete(&executing, Outcome::NotStarted));
    assert_eq!(cancelled.state(), State::Cancelled);

    let executing = world.executing();
    world.pass(50);
    let renewed = world.must(&executing, &renew(&executing));
    world.pass(20);
    let expired = world.apply(&renewed, &complete(&renewed, Outcome::NotStarted)).unwrap();
    assert_eq!(expired.after.state(), State::Expired);
    assert_eq!(kinds(&expired), [FactKind::Expired, FactKind::Closed]);
}

#[test]
fn only_the_requester_cancels() {
    let mut world = World::new();
    let amber = world.amber();
    let other = world.apply(&amber, &cancel("bob"));
    assert!(matches!(other, Err(ApprovalError::NotPermitted(_))));
    let cancelled = world.must(&amber, &cancel("alice"));
    assert_eq!(cancelled.state(), State::Cancelled);
    let again = world.apply(&cancelled, &cancel("alice"));
    assert!(matches!(
        again,
        Err(ApprovalError::WrongState {
            state: State::Cancelled
        })
    ));
}

#[test]
fn silence_expires_and_is_never_a_decision() {
    let mut world = World::new();
    let amber = world.amber();
    assert_eq!(amber.settle(world.at()), None);
    world.pass(24 * 60 * 60);
    let expired = amber.settle(world.at()).unwrap();
    assert_eq!(expired.after.state(), State::Expired);
    assert_eq!(expired.after.progress.decide_time, None);
    let late = world.apply(&expired.after, &vote(&expired.after, "bob", Decision::Grant));
    assert!(matches!(late, Err(ApprovalError::Expired)));

    let green = world.green();
    world.pass(60);
    assert_eq!(green.settle(world.at()).unwrap().after.state(), State::Expired);
}

#[test]
fn a_lost_lease_leaves_only_the_holder_and_reconcilers() {
    let mut world = World::new();
    let lost = world.lost();
    assert_eq!(lost.state(), State::OutcomeUnknown);
    assert_eq!(lost.due(), None);
    assert!(matches!(
        world.apply(&lost, &renew(&lost)),
        Err(ApprovalError::ClaimLost { .. })
    ));
    assert!(matches!(
        world.apply(&lost, &cancel("alice")),
        Err(ApprovalError::WrongState { .. })
    ));

    let expected = [
        (Outcome::Succeeded, State::Succeeded),
        (Outcome::Failed, State::Failed),
        (Outcome::Cancelled, State::Cancelled),
        (Outcome::NotStarted, State::Failed),
        (Outcome::Unknown, State::OutcomeUnknown),
    ];
    for (outcome, state) in expected {
        assert_eq!(world.must(&lost, &complete(&lost, outcome)).state(), state);
    }
    let own = world.apply(&lost, &reconcile(&lost, "alice", true));
    assert!(matches!(own, Err(ApprovalError::SelfApproval)));
    let done = world.must(&lost, &reconcile(&lost, "bob", true));
    assert_eq!(done.state(), State::Succeeded);
    let again = world.apply(&done, &complete(&lost, Outcome::Failed));
    assert!(matches!(
        again,
        Err(ApprovalError::WrongState {
            state: State::Succeeded
        })
    ));
}

#[test]
fn an_unknown_outcome_is_recorded_as_such() {
    let mut world = World::new();
    let executing = world.executing();
    let step = world
        .apply(&executing, &complete(&executing, Outcome::Unknown))
        .unwrap();
    assert_eq!(step.after.state(), State::OutcomeUnknown);
    assert_eq!(step.after.progress.receipt_index, Some(7));
    assert_eq!(kinds(&step), [FactKind::Unknown]);
    let early = world.apply(&executing, &reconcile(&executing, "bob", true));
    assert!(matches!(
        early,
        Err(ApprovalError::WrongState {
            state: State::Executing
        })
    ));
}

#[test]
fn a_simulated_vote_marks_the_grant() {
    let mut world = World::new();
    let amber = world.amber();
    let mut command = vote(&amber, "simulated-approver", Decision::Grant);
    if let Command::Vote(cast) = &mut command {
        cast.simulated = true;
    }
    let step = world.apply(&amber, &command).unwrap();
    assert_eq!(step.after.progress.mode, Some(Mode::Simulated));
    assert!(step.facts.iter().all(|fact| fact.actor == Actor::SimulatedApprover));
}

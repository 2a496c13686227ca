//! Random histories on a real database, held to a model that was written down independently of the state machine.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    approval::Outcome,
    fixture::{complete, reconcile, record_all, renew, revoke},
};

#[derive(Clone, Debug)]
enum Operation {
    Vote { grants: bool, by_requester: bool },
    Revoke,
    Cancel,
    Claim { current: bool },
    Renew { current: bool },
    Complete { outcome: Outcome, current: bool },
    Reconcile { succeeded: bool },
    Acquire,
    Record,
    Sweep,
    Pass { seconds: u64 },
    Reopen,
}

/// What the model knows: a few plain facts.
#[derive(Clone, Copy, Debug)]
struct Model {
    state: State,
    now: u64,
    due: Option<u64>,
    free_at: u64,
    attempt: u32,
    recorded: bool,
    cancelled: bool,
    grant_due: u64,
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let outcome = prop_oneof![
        1 => Just(Outcome::Succeeded),
        1 => Just(Outcome::Failed),
        1 => Just(Outcome::Cancelled),
        3 => Just(Outcome::NotStarted),
        1 => Just(Outcome::Unknown),
    ];
    let operation = prop_oneof![
        3 => (prop::bool::weighted(0.8), prop::bool::weighted(0.1))
            .prop_map(|(grants, by_requester)| Operation::Vote { grants, by_requester }),
        1 => Just(Operation::Revoke),
        1 => Just(Operation::Cancel),
        6 => prop::bool::weighted(0.8).prop_map(|current| Operation::Claim { current }),
        2 => prop::bool::weighted(0.8).prop_map(|current| Operation::Renew { current }),
        4 => (outcome, prop::bool::weighted(0.8))
            .prop_map(|(outcome, current)| Operation::Complete { outcome, current }),
        2 => any::<bool>().prop_map(|succeeded| Operation::Reconcile { succeeded }),
        3 => Just(Operation::Acquire),
        5 => Just(Operation::Record),
        1 => Just(Operation::Sweep),
        3 => prop_oneof![Just(1_u64), Just(10), Just(59), Just(600), Just(90_000)]
            .prop_map(|seconds| Operation::Pass { seconds }),
        1 => Just(Operation::Reopen),
    ];
    prop::collection::vec(operation, 1..30)
}

// === impl Model ===

impl Model {
    fn new(risk: Risk) -> Self {
        let (state, due) = match risk {
            Risk::Green => (State::Granted, Some(60)),
            Risk::Amber => (State::Pending, Some(86_400)),
            Risk::Red => (State::Denied, None),
        };
        Self {
            state,
            now: 0,
            due,
            free_at: 10,
            attempt: 1,
            recorded: false,
            cancelled: false,
            grant_due: 60,
        }
    }

    fn settle(&mut self) {
        if self.due.is_some_and(|due| self.now >= due) {
            self.due = None;
            self.state = match self.state {
                State::Executing => State::OutcomeUnknown,
                _ => State::Expired,
            };
        }
    }

    fn end(&mut self, state: State) -> bool {
        self.state = state;
        self.due = None;
        true
    }

    /// Whether the operation is allowed; if so, does it.
    fn allows(&mut self, operation: &Operation) -> bool {
        self.settle();
        match (operation, self.state) {
            (Operation::Vote { by_requester: true, .. }, _) => false,
            (Operation::Vote { grants: true, .. }, State::Pending) => {
                self.state = State::Granted;
                self.grant_due = self.now + 600;
                self.due = Some(self.grant_due);
                self.free_at = self.now;
                self.recorded = false;
                true
            }
            (Operation::Vote { grants: false, .. }, State::Pending) => self.end(State::Denied),
            (Operation::Vote { grants: false, .. } | Operation::Revoke, State::Granted) => self.end(State::Revoked),
            (Operation::Cancel, State::Pending | State::Granted) => self.end(State::Cancelled),
            (Operation::Cancel, State::Executing) => {
                self.cancelled = true;
                true
            }
            (Operation::Claim { current: true }, State::Granted) if self.recorded => {
                self.state = State::Executing;
                self.due = Some(self.now + 60);
                true
            }
            (Operation::Renew { current: true }, State::Executing) => {
                self.due = Some(self.now + 60);
                true
            }
            (Operation::Complete { outcome, current: true }, State::Executing) => self.complete(*outcome),
            (Operation::Complete { outcome, current: true }, State::OutcomeUnknown) => match outcome {
                Outcome::Unknown => true,
                Outcome::Succeeded => self.end(State::Succeeded),
                Outcome::Cancelled => self.end(State::Cancelled),
                Outcome::Failed | Outcome::NotStarted => self.end(State::Failed),
            },
            (Operation::Reconcile { succeeded }, State::OutcomeUnknown) => {
                self.end(if *succeeded { State::Succeeded } else { State::Failed })
            }
            _ => false,
        }
    }

    fn complete(&mut self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Succeeded => self.end(State::Succeeded),
            Outcome::Failed => self.end(State::Failed),
            Outcome::Cancelled => self.end(State::Cancelled),
            Outcome::Unknown => self.end(State::OutcomeUnknown),
            Outcome::NotStarted if self.cancelled => self.end(State::Cancelled),
            Outcome::NotStarted if self.attempt == 5 => self.end(State::Failed),
            Outcome::NotStarted if self.now >= self.grant_due => self.end(State::Expired),
            Outcome::NotStarted => {
                self.state = State::Granted;
                self.due = Some(self.grant_due);
                self.free_at = self.now + [1, 2, 4, 8][self.attempt as usize - 1];
                self.attempt += 1;
                true
            }
        }
    }
}

/// The store, and what a client of it remembers.
struct Run {
    harness: Sqlite,
    store: Option<SqliteStore>,
    approval: Approval,
    seen: BTreeMap<u64, State>,
}

// === impl Run ===

impl Run {
    async fn new(risk: Risk) -> Self {
        let harness = Sqlite::new();
        let store = harness.open(Terms::default()).await;
        let approval = store.create(draft(1, risk)).await.unwrap().stored.approval;
        Self {
            harness,
            store: Some(store),
            approval,
            seen: BTreeMap::new(),
        }
    }

    fn store(&self) -> &SqliteStore {
        self.store.as_ref().unwrap()
    }

    fn command(&self, operation: &Operation) -> Option<Command> {
        let approval = &self.approval;
        let has_claim = approval.progress.claim.is_some();
        let command = match operation {
            Operation::Vote { grants, by_requester } => {
                let voter = if *by_requester { "alice" } else { "bob" };
                let decision = if *grants { Decision::Grant } else { Decision::Deny };
                vote(approval, voter, decision)
            }
            Operation::Revoke => revoke(approval, "carol"),
            Operation::Cancel => cancel("alice"),
            Operation::Claim { current } => {
                let mut command = claim(approval, approval.progress.attempt);
                if let Command::Claim(claim) = &mut command {
                    claim.expire = Moment::MAX;
                    // A request of its own each time: repeating one is another property.
                    claim.request_id = approval.progress.version.to_string() + &approval.progress.jti;
                    if !current {
                        claim.jti = "an older one".into();
                    }
                }
                command
            }
            Operation::Renew { current } if has_claim => {
                let mut command = renew(approval);
                if let (Command::Renew(renew), false) = (&mut command, current) {
                    renew.fencing_token.push('x');
                }
                command
            }
            Operation::Complete { outcome, current } if has_claim => {
                let mut command = complete(approval, *outcome);
                if let (Command::Complete(complete), false) = (&mut command, current) {
                    complete.fencing_token.push('x');
                }
                command
            }
            Operation::Reconcile { succeeded } => reconcile(approval, "bob", *succeeded),
            _ => return None,
        };
        Some(command)
    }

    async fn check(&mut self, model: &mut Model, operation: &Operation) {
        self.store().sweep(8).await.unwrap();
        self.refresh().await;
        match operation {
            Operation::Pass { seconds } => {
                self.harness.clock.advance(Duration::from_secs(*seconds));
                model.now += seconds;
            }
            Operation::Record => {
                record_all(self.store()).await;
                model.recorded = true;
            }
            Operation::Acquire => {
                model.settle();
                let ready = model.state == State::Granted && model.recorded && model.free_at <= model.now;
                let acquired = self.store().acquire(8).await.unwrap().approvals;
                assert_eq!(!acquired.is_empty(), ready, "{model:?}");
                if ready {
                    model.free_at = model.now + 10;
                }
            }
            Operation::Sweep => {
                self.store().sweep(8).await.unwrap();
            }
            Operation::Reopen => self.reopen(model).await,
            _ => {
                let Some(command) = self.command(operation) else { return };
                let result = self.store().execute(self.approval.id(), command, None).await;
                let allowed = model.allows(operation);
                assert_eq!(result.is_ok(), allowed, "{operation:?} {model:?} {result:?}");
            }
        }
        self.refresh().await;
        self.judge(model);
    }

    async fn reopen(&mut self, model: &mut Model) {
        self.store().flush_receipts().await.unwrap();
        self.store = None;
        self.store = Some(self.harness.open(Terms::default()).await);
        if model.state == State::Executing && model.due.is_some_and(|due| model.now < due) {
            model.due = model.due.max(Some(model.now + 60));
        }
    }

    async fn refresh(&mut self) {
        self.store().sweep(8).await.unwrap();
        self.approval = self.store().get(self.approval.id()).await.unwrap().approval;
        for changed in self.store().changes_after(0, 1_000).await.unwrap() {
            let before = self.seen.insert(changed.position, changed.approval.state());
            assert!(before.is_none_or(|before| before == changed.approval.state()));
        }
    }

    fn judge(&self, model: &mut Model) {
        model.settle();
        assert_eq!(self.approval.state(), model.state, "{model:?}");
        let states: Vec<State> = self.seen.values().copied().collect();
        assert!(effects(&states) <= 1, "AP-1: {states:?}");
        let closed = states.iter().position(|state| state.is_terminal());
        assert!(closed.is_none_or(|at| at == states.len() - 1), "AP-6: {states:?}");
        assert_eq!(states.last(), Some(&self.approval.state()), "AP-10");
    }
}

/// How often the gateway was told: each execution may have told it, but for those that were given back.
fn effects(states: &[State]) -> usize {
    let phases = states.chunk_by(|state, next| state == next).map(|phase| phase[0]);
    let next = phases.clone().skip(1).map(Some).chain([None]);
    let executions = phases.zip(next).filter(|(state, _)| *state == State::Executing);
    executions.filter(|(_, next)| *next != Some(State::Granted)).count()
}

#[test]
fn an_execution_counts_unless_it_was_given_back() {
    use State::{Executing, Granted, OutcomeUnknown, Succeeded};
    for (states, expected) in [
        (&[Granted, Executing, Granted, Executing, Executing][..], 1),
        (&[Granted, Executing, Granted], 0),
        (&[Executing, Executing, Succeeded], 1),
        (&[Executing, OutcomeUnknown, Granted, Executing, Succeeded], 2),
        (&[Executing, Succeeded, Executing], 2),
    ] {
        assert_eq!(effects(states), expected, "{states:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn histories_follow_the_model(
        risk in prop_oneof![1 => Just(Risk::Red), 4 => Just(Risk::Green), 6 => Just(Risk::Amber)],
        operations in operations(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut run = Run::new(risk).await;
            let mut model = Model::new(risk);
            for operation in &operations {
                run.check(&mut model, operation).await;
            }
        });
    }
}

//! The contract of [`ApprovalStore`] as tests, one function for each clause, for every implementation.

use std::{collections::BTreeSet, future::Future, sync::Arc, time::Duration};

use chassis::ManualClock;
use futures_util::future::join_all;
use warrant::Risk;

use crate::{
    approval::{Approval, Decision, Outcome, State, Terms, command::Command},
    error::ApprovalError,
    fixture::{cancel, claim, complete, content, draft, person, reconcile, record_all, renew, request, start, vote},
    store::{ApprovalStore, Draft, Query},
};

/// Opens a store, and opens it again.
pub(crate) trait Harness {
    /// The store under test.
    type Store: ApprovalStore;

    /// Something fresh, with a clock that stands still.
    fn new() -> Self;
    /// Opens the store; the one that was open before has been dropped.
    fn open(&self, terms: Terms) -> impl Future<Output = Self::Store>;
    /// The clock of every store it opens.
    fn clock(&self) -> &Arc<ManualClock>;
}

/// Names the tests of one implementation.
macro_rules! approval_store_conformance {
    ($name:ident, $harness:ty) => {
        approval_store_conformance!($name, $harness, [
            a_decision_and_its_events_are_there_together,
            nothing_is_handed_out_or_claimed_before_its_receipt,
            a_held_run_gets_no_warrant_and_others_do,
            creation_is_idempotent_by_run_and_digest,
            pending_approvals_are_capped,
            a_repeated_request_gets_the_first_answer,
            of_many_deciders_one_decides,
            of_many_claimers_one_claims,
            dispatch_leases_exclude_each_other,
            expiry_is_judged_inside_the_claim,
            what_time_changed_stays_when_the_command_is_refused,
            the_sweeper_makes_expiry_visible,
            nothing_sent_is_granted_again,
            a_lost_lease_can_be_completed_or_reconciled,
            time_never_goes_back,
            live_leases_are_extended_once_at_opening,
            everything_is_there_after_reopening,
            unrecorded_events_come_again_with_the_same_bytes,
            receipts_survive_once_flushed,
            the_change_log_misses_nothing,
            lists_are_filtered_and_newest_first,
        ]);
    };
    ($name:ident, $harness:ty, [$($clause:ident),* $(,)?]) => {
        mod $name {
            use $crate::store::conformance::{self, Harness as _};
            $(
                #[tokio::test]
                async fn $clause() {
                    conformance::$clause(&<$harness>::new()).await;
                }
            )*
        }
    };
}

async fn opened<H: Harness>(harness: &H) -> H::Store {
    harness.open(Terms::default()).await
}

async fn create(store: &impl ApprovalStore, number: u32, risk: Risk) -> Approval {
    store.create(draft(number, risk)).await.unwrap().stored.approval
}

async fn execute(store: &impl ApprovalStore, approval: &Approval, command: Command) -> Result<Approval, ApprovalError> {
    Ok(store.execute(approval.id(), command, None).await?.stored.approval)
}

async fn granted(store: &impl ApprovalStore, number: u32) -> Approval {
    let amber = create(store, number, Risk::Amber).await;
    let granted = execute(store, &amber, vote(&amber, "bob", Decision::Grant))
        .await
        .unwrap();
    record_all(store).await;
    granted
}

async fn executing(store: &impl ApprovalStore, number: u32) -> Approval {
    let granted = granted(store, number).await;
    execute(store, &granted, claim(&granted, number)).await.unwrap()
}

async fn state(store: &impl ApprovalStore, approval: &Approval) -> State {
    store.get(approval.id()).await.unwrap().approval.state()
}

pub(crate) async fn a_decision_and_its_events_are_there_together<H: Harness>(harness: &H) {
    let store = opened(harness).await;
    for (number, risk, events) in [(1, Risk::Green, 4), (2, Risk::Red, 5), (3, Risk::Amber, 3)] {
        let approval = create(&store, number, risk).await;
        let stored = store.get(approval.id()).await.unwrap();
        assert_eq!(stored.approval, approval);
        assert_eq!(record_all(&store).await, events, "{risk}");
    }
}

pub(crate) async fn nothing_is_handed_out_or_claimed_before_its_receipt<H: Harness>(harness: &H) {
    let store = opened(harness).await;
    let green = create(&store, 1, Risk::Green).await;
    harness.clock().advance(Duration::from_secs(10));
    assert!(store.acquire(8).await.unwrap().approvals.is_empty());
    let early = execute(&store, &green, claim(&green, 1)).await;
    assert!(matches!(early, Err(ApprovalError::ReceiptPending)));
    record_all(&store).await;
    let acquired = store.acquire(8).await.unwrap().approvals;
    assert_eq!(acquired.len(), 1);
    let claimed = execute(&store, &green, claim(&acquired[0], 1)).await.unwrap();
    assert_eq!(claimed.state(), State::Executing);
}

pub(crate) async fn a_held_run_gets_no_warrant_and_others_do<H: Harness>(harness: &H) {
    let store = opened(harness).await;
    let held = create(&store, 1, Risk::Green).await;
    let free = create(&store, 2, Risk::Green).await;
    store.receipts().hold(held.content.action.run);
    record_all(&store).await;
    harness.clock().advance(Duration::from_secs(10));
    let acquired = store.acquire(1).await.unwrap().approvals;
    assert_eq!(acquired.iter().map(Approval::id).collect::<Vec<_>>(), [free.id()]);
    let claimed = execute(&store, &held, claim(&held, 1)).await;
    assert!(matches!(claimed, Err(ApprovalError::ReceiptPending)));
}

pub(crate) async fn creation_is_idempotent_by_run_and_digest<H: Harness>(harness: &H) {
    let store = opened(harness).await;
    let first = store.create(draft(1, Risk::Green)).await.unwrap();
    assert!(!first.replayed);
    // Another verdict on the same action changes nothing.
    let second = store.create(draft(1, Risk::Red)).await.unwrap();
    assert!(second.replayed);
    assert_eq!(second.stored.approval, first.stored.approval);

    let mut other = content(1, Risk::Green);
    other.action = crate::fixture::action(1, "Something else");
    other.digest = other.action.digest();
    let refused = store.create(Draft { content: other }).await;
    assert!(matches!(refused, Err(ApprovalError::RequestIdReused)));
}

pub(crate) async fn pending_approvals_are_capped<H: Harness>(harness: &H) {
    let store = harness
        .open(Terms {
            max_pending: 2,
            ..Terms::default()
        })
        .await;
    let first = create(&store, 1, Risk::Amber).await;
    create(&store, 2, Risk::Amber).await;
    let third = store.create(draft(3, Risk::Amber)).await;
    assert!(matches!(third, Err(ApprovalError::TooManyPending { limit: 2 })));
    create(&store, 4, Risk::Green).await;
    execute(&store, &first, cancel("alice")).await.unwrap();
    create(&store, 3, Risk::Amber).await;
}

pub(crate) async fn a_repeated_request_gets_the_first_answer<H: Harness>(harness: &H) {
    let store = opened(harness).await;
    let amber = create(&store, 1, Risk::Amber).await;
    let grant = vote(&amber, "bob", Decision::Grant);
    let first = store
        .execute(amber.id(), grant.clone(), Some(request(1, 1)))
        .await
        .unwrap();
    let granted = &first.stored.approval;
    execute(&store, granted, cancel("alice")).await.unwrap();

    let again = store
        .execute(amber.id(), grant.clone(), Some(request(1, 1)))
        .await
        .unwrap();
    assert!(again.replayed);
    assert_eq!(&again.stored.approval, granted);
    let other_body = store.execute(amber.id(), grant.clone(), Some(request(1, 2))).await;
    assert!(matches!(other_body, Err(ApprovalError::RequestIdReused)));
    let other_id = store.execute(amber.id(), grant, Some(request(2, 1))).await;
    assert!(matches!(
        other_id,
        Err(ApprovalError::WrongState {
            state: State::Cancelled
        })
    ));
}

pub(crate) async fn of_many_deciders_one_decides<H: Harness>(harness: &H) {
    let store = opened(harness).await;
    let amber = create(&store, 1, Risk::Amber).await;
    let attempts = (0..64).map(|number| {
        let decision = if number % 2 == 0 {
            Decision::Grant
        } else {
            Decision::Deny
        };
        let command = vote(&amber, &format!("person-{number}"), decision);
        store.execute(amber.id(), command, Some(request(number, 0)))
    });
    let results = join_all(attempts).await;
    let wins = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(wins, 1);
    assert!(
        results
            .iter()
            .filter_map(|result| result.as_ref().err())
            .all(|error| matches!(error, ApprovalError::WrongState { .. } | ApprovalError::StaleEtag))
    );
    assert_eq!(store.changes_after(0, 100).await.unwrap().len(), 2);
    let decided = store.get(amber.id()).await.unwrap().approval;
    assert_eq!(decided.progress.votes.len(), 1);
}

pub(crate) async fn of_many_claimers_one_claims<H: Harness>(harness: &H) {
    let store = opened(harness).await;
    let granted = granted(&store, 1).await;
    let attempts = (0..64).map(|number| store.execute(granted.id(), claim(&granted, number), None));
    let results = join_all(attempts).await;
    let tokens: BTreeSet<String> = results
        .iter()
        .filter_map(|result| result.as_ref().ok())
        .map(|committed| crate::fixture::token(&committed.stored.approval))
        .collect();
    assert_eq!(tokens.len(), 1);
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert!(
        results
            .iter()
            .filter_map(|result| result.as_ref().err())
            .all(|error| matches!(
                error,
                ApprovalError::WarrantSpent {
                    state: State::Executing
                }
            ))
    );
}

pub(crate) async fn dispatch_leases_exclude_each_other<H: Harness>(harness: &H) {
    let store = opened(harness).await;
    for number in 0..5 {
        granted(&store, number).await;
    }
    let (first, second) = tokio::join!(store.acquire(3), store.acquire(8));
    let (first, second) = (first.unwrap(), second.unwrap());
    let taken = [&first.approvals[..], &second.approvals[..]].concat();
    let ids: BTreeSet<_> = taken.iter().map(Approval::id).collect();
    assert_eq!((taken.len(), ids.len()), (5, 5));
    let none = store.acquire(8).await.unwrap();
    assert!(none.approvals.is_empty());
    assert_eq!(none.next, Some(none.now.plus(Duration::from_secs(10))));
    harness.clock().advance(Duration::from_secs(10));
    let again = store.acquire(8).await.unwrap().approvals;
    assert_eq!(again.len(), 5);
    let old = execute(&store, &taken[0], claim(&taken[0], 1)).await;
    assert!(matches!(
        old,
        Err(ApprovalError::WarrantSpent { state: State::Granted })
    ));
}

pub(crate) async fn expiry_is_judged_inside_the_claim<H: Harness>(harness: &H) {
    let store = opened(harness).await;
    let granted = granted(&store, 1).await;
    let mut late = claim(&granted, 1);
    if let Command::Claim(claim) = &mut late {
        claim.expire = crate::moment::Moment::MAX;
    }
    harness.clock().advance(Duration::from_mins(10));
    let claimed = execute(&store, &granted, late).await;
    assert!(matches!(claimed, Err(ApprovalError::Expired)));
    assert!(store.acquire(8).await.unwrap().approvals.is_empty());
}

pub(crate) async fn what_time_changed_stays_when_the_command_is_refused<H: Harness>(harness: &H) {
    let store = opened(harness).await;
    let amber = create(&store, 1, Risk::Amber).await;
    harness.clock().advance(Duration::from_hours(24));
    let late = execute(&store, &amber, vote(&amber, "bob", Decision::Grant)).await;
    assert!(matches!(late, Err(ApprovalError::Expired)));
    assert_eq!(state(&store, &amber).await, State::Expired);
    assert_eq!(record_all(&store).await, 5, "expired and closed among them");
}

pub(crate) async fn the_sweeper_makes_expiry_visible<H: Harness>(harness: &H) {
    let store = opened(harness).await;
    let pending = create(&store, 1, Risk::Amber).await;
    let green = create(&store, 2, Risk::Green).await;
    let running = executing(&store, 3).await;
    assert_eq!(store.sweep(8).await.unwrap(), 0);
    harness.clock().advance(Duration::from_mins(1));
    assert_eq!(store.sweep(1).await.unwrap(), 1);
    assert_eq!(store.sweep(8).await.unwrap(), 1);
    assert_eq!(state(&store, &green).await, State::Expired);
    assert_eq!(state(&store, &running).await, State::OutcomeUnknown);
    assert_eq!(state(&store, &pending).await, State::Pending);
}

pub(crate) async fn nothing_sent_is_granted_again<H: Harness>(harness: &H) {
    let store = opened(harness).await;
    let running = executing(&store, 1).await;
    let signal = store.dispatch_signal();
    let done = complete(&running, Outcome::NotStarted);
    let returned = execute(&store, &running, done).await.unwrap();
    assert_eq!((returned.state(), returned.progress.attempt), (State::Granted, 2));
    assert!(signal.has_changed().unwrap());
    let waiting = store.acquire(8).await.unwrap();
    assert!(waiting.approvals.is_empty());
    assert_eq!(waiting.next, Some(waiting.now.plus(Duration::from_secs(1))));
    harness.clock().advance(Duration::from_secs(1));
    let acquired = store.acquire(8).await.unwrap().approvals;
    let again = execute(&store, &running, claim(&acquired[0], 2)).await.unwrap();
    assert_eq!(again.state(), State::Executing);
}

pub(crate) async fn a_lost_lease_can_be_completed_or_reconciled<H: Harness>(harness: &H) {
    let store = opened(harness).await;
    let (one, two) = (executing(&store, 1).await, executing(&store, 2).await);
    harness.clock().advance(Duration::from_secs(61));
    let late = execute(&store, &one, renew(&one)).await;
    assert!(matches!(
        late,
        Err(ApprovalError::ClaimLost {
            state: State::OutcomeUnknown
        })
    ));
    let done = execute(&store, &one, complete(&one, Outcome::Succeeded)).await.unwrap();
    assert_eq!(done.state(), State::Succeeded);

    store.sweep(8).await.unwrap();
    let two = store.get(two.id()).await.unwrap().approval;
    let done = execute(&store, &two, reconcile(&two, "bob", false)).await.unwrap();
    assert_eq!(done.state(), State::Failed);
    let late = execute(&store, &two, complete(&two, Outcome::Succeeded)).await;
    assert!(matches!(late, Err(ApprovalError::WrongState { state: State::Failed })));
}

pub(crate) async fn time_never_goes_back<H: Harness>(harness: &H) {
    let store = opened(harness).await;
    harness.clock().advance(Duration::from_hours(1));
    let green = create(&store, 1, Risk::Green).await;
    harness.clock().set(start());
    let later = create(&store, 2, Risk::Green).await;
    assert!(later.content.create_time >= green.content.create_time);
    drop(store);
    let store = opened(harness).await;
    assert!(store.now() >= green.content.create_time);
    harness.clock().set(start() + Duration::from_secs(3_661));
    record_all(&store).await;
    let late = execute(&store, &green, claim(&green, 1)).await;
    assert!(matches!(late, Err(ApprovalError::Expired)));
}

pub(crate) async fn live_leases_are_extended_once_at_opening<H: Harness>(harness: &H) {
    let store = opened(harness).await;
    let live = executing(&store, 1).await;
    harness.clock().advance(Duration::from_secs(59));
    drop(store);
    let store = opened(harness).await;
    harness.clock().advance(Duration::from_secs(59));
    store.sweep(8).await.unwrap();
    assert_eq!(state(&store, &live).await, State::Executing);
    drop(store);
    harness.clock().advance(Duration::from_secs(1));
    let store = opened(harness).await;
    store.sweep(8).await.unwrap();
    assert_eq!(state(&store, &live).await, State::OutcomeUnknown);
}

pub(crate) async fn everything_is_there_after_reopening<H: Harness>(harness: &H) {
    let store = opened(harness).await;
    let pending = create(&store, 1, Risk::Amber).await;
    let running = executing(&store, 2).await;
    let grant = vote(&pending, "bob", Decision::Grant);
    let first = store
        .execute(pending.id(), grant.clone(), Some(request(1, 1)))
        .await
        .unwrap();
    let last = store.last_change();
    drop(store);

    let store = opened(harness).await;
    assert_eq!(store.last_change(), last);
    let found = store.get(pending.id()).await.unwrap();
    assert_eq!(found.approval, first.stored.approval);
    let again = store.execute(pending.id(), grant, Some(request(1, 1))).await.unwrap();
    assert!(again.replayed);
    let same = execute(&store, &running, claim(&running, 2)).await.unwrap();
    assert_eq!(crate::fixture::token(&same), crate::fixture::token(&running));
    let done = execute(&store, &running, complete(&running, Outcome::Succeeded))
        .await
        .unwrap();
    assert_eq!(done.state(), State::Succeeded);
}

pub(crate) async fn unrecorded_events_come_again_with_the_same_bytes<H: Harness>(harness: &H) {
    let store = opened(harness).await;
    create(&store, 1, Risk::Green).await;
    let first = store.outbox_after(0, 256).await.unwrap();
    drop(store);
    let store = opened(harness).await;
    assert_eq!(store.receipts().relayed(), 0);
    let again = store.outbox_after(0, 256).await.unwrap();
    assert_eq!(again, first);
    create(&store, 2, Risk::Green).await;
    let rest = store.outbox_after(again.last().unwrap().position, 256).await.unwrap();
    assert_eq!(rest.iter().map(|row| row.position).collect::<Vec<_>>(), [5, 6, 7, 8]);
    let page = store.outbox_after(1, 2).await.unwrap();
    assert_eq!(page.iter().map(|row| row.position).collect::<Vec<_>>(), [2, 3]);
}

pub(crate) async fn receipts_survive_once_flushed<H: Harness>(harness: &H) {
    let store = opened(harness).await;
    let green = create(&store, 1, Risk::Green).await;
    record_all(&store).await;
    store.flush_receipts().await.unwrap();
    drop(store);
    let store = opened(harness).await;
    assert_eq!(store.receipts().relayed(), 4);
    let claimed = execute(&store, &green, claim(&green, 1)).await.unwrap();
    assert_eq!(claimed.state(), State::Executing);
    create(&store, 2, Risk::Green).await;
    let rows = store.outbox_after(4, 256).await.unwrap();
    assert_eq!(rows[0].position, 5);
}

pub(crate) async fn the_change_log_misses_nothing<H: Harness>(harness: &H) {
    let store = opened(harness).await;
    let mut live = store.subscribe();
    let running = executing(&store, 1).await;
    execute(&store, &running, renew(&running)).await.unwrap();
    execute(&store, &running, complete(&running, Outcome::Succeeded))
        .await
        .unwrap();
    let states = |changes: &[Arc<crate::store::Changed>]| -> Vec<State> {
        changes.iter().map(|changed| changed.approval.state()).collect()
    };
    let expected = [State::Pending, State::Granted, State::Executing, State::Succeeded];
    let changes = store.changes_after(0, 100).await.unwrap();
    assert_eq!(states(&changes), expected);
    assert_eq!(
        states(&store.changes_after(changes[1].position, 1).await.unwrap()),
        expected[2..3]
    );
    assert_eq!(store.last_change(), changes[3].position);
    for changed in &changes {
        let heard = live.recv().await.unwrap();
        assert_eq!((heard.position, &heard.approval), (changed.position, &changed.approval));
    }
}

pub(crate) async fn lists_are_filtered_and_newest_first<H: Harness>(harness: &H) {
    let store = opened(harness).await;
    for number in 0..3 {
        create(&store, number, Risk::Amber).await;
    }
    let green = create(&store, 3, Risk::Green).await;
    let base = Query {
        tenant: Some("acme".into()),
        limit: 10,
        ..Query::default()
    };
    let whole = store.list(base.clone()).await.unwrap();
    let all = whole.listed;
    assert_eq!((all.len(), whole.next), (4, None));
    assert!(all.is_sorted_by(|one, next| one.position > next.position));
    let page = Query {
        after: Some(all[1].position),
        limit: 1,
        ..base.clone()
    };
    let page = store.list(page).await.unwrap();
    assert_eq!(page.listed[0].position, all[2].position);
    assert_eq!(page.next, Some(all[2].position));

    let finds = [
        (
            Query {
                state: Some(State::Pending),
                ..base.clone()
            },
            3,
        ),
        (
            Query {
                risk: Some(Risk::Green),
                ..base.clone()
            },
            1,
        ),
        (
            Query {
                id: Some(green.id()),
                ..base.clone()
            },
            1,
        ),
        (
            Query {
                requester: Some(person("alice")),
                ..base.clone()
            },
            4,
        ),
        (
            Query {
                requester: Some(person("bob")),
                ..base.clone()
            },
            0,
        ),
        (
            Query {
                requester_subject: Some("alice".into()),
                ..base.clone()
            },
            4,
        ),
        (
            Query {
                agent: Some("other".into()),
                ..base.clone()
            },
            0,
        ),
        (
            Query {
                tenant: Some("other".into()),
                ..base.clone()
            },
            0,
        ),
        (Query { tenant: None, ..base }, 4),
    ];
    for (query, count) in finds {
        let listed = store.list(query.clone()).await.unwrap().listed;
        assert_eq!(listed.len(), count, "{query:?}");
        assert!(listed.iter().all(|listed| query.finds(&listed.approval)));
    }
}

use proptest::prelude::*;

use super::*;

const EXPIRE: Moment = Moment::from_nanos(1_000);

fn rule(risk: Risk, quorum: u32) -> Rule {
    Rule {
        risk,
        quorum,
        requester: person(0),
        pending_expire: EXPIRE,
    }
}

fn person(number: u8) -> PersonId {
    PersonId {
        issuer: "https://id.example".into(),
        subject: format!("person-{number}"),
    }
}

fn vote(number: u8, decision: Decision) -> Vote {
    Vote {
        voter: person(number),
        decision,
        reason: String::new(),
        time: Moment::from_nanos(10),
        revision: 1,
        simulated: false,
    }
}

fn any_vote() -> impl Strategy<Value = Vote> {
    (0_u8..4, any::<bool>(), 0_i64..1_500, 1_u32..3, any::<bool>()).prop_map(
        |(number, grants, time, revision, simulated)| Vote {
            time: Moment::from_nanos(time),
            revision,
            simulated,
            ..vote(number, if grants { Decision::Grant } else { Decision::Deny })
        },
    )
}

#[test]
fn policy_alone_decides_green_and_red() {
    let votes = [vote(1, Decision::Grant), vote(2, Decision::Deny)];
    let now = Moment::from_nanos(20);
    assert_eq!(
        resolve(&rule(Risk::Green, 1), 1, &votes, now),
        Resolution::Granted(Mode::Policy)
    );
    assert_eq!(resolve(&rule(Risk::Red, 0), 1, &votes[..1], now), Resolution::Denied);
}

#[test]
fn a_quorum_of_none_is_a_quorum_of_one() {
    let now = Moment::from_nanos(20);
    assert_eq!(resolve(&rule(Risk::Amber, 0), 1, &[], now), Resolution::Pending);
    let votes = [vote(1, Decision::Grant)];
    assert_eq!(
        resolve(&rule(Risk::Amber, 0), 1, &votes, now),
        Resolution::Granted(Mode::People)
    );
}

#[test]
fn the_requester_and_repeated_voters_do_not_count() {
    let now = Moment::from_nanos(20);
    let own = [vote(0, Decision::Grant)];
    assert_eq!(resolve(&rule(Risk::Amber, 1), 1, &own, now), Resolution::Pending);
    let twice = [vote(1, Decision::Grant), vote(1, Decision::Grant)];
    assert_eq!(resolve(&rule(Risk::Amber, 2), 1, &twice, now), Resolution::Pending);
    let two = [vote(1, Decision::Grant), vote(2, Decision::Grant)];
    assert_eq!(
        resolve(&rule(Risk::Amber, 2), 1, &two, now),
        Resolution::Granted(Mode::People)
    );
}

#[test]
fn the_same_subject_of_another_issuer_is_another_person() {
    let mut namesake = vote(0, Decision::Grant);
    namesake.voter.issuer = "https://other.example".into();
    let resolution = resolve(&rule(Risk::Amber, 1), 1, &[namesake], Moment::from_nanos(20));
    assert_eq!(resolution, Resolution::Granted(Mode::People));
}

#[test]
fn silence_expires_and_late_votes_change_nothing() {
    assert_eq!(resolve(&rule(Risk::Amber, 1), 1, &[], EXPIRE), Resolution::Expired);
    let late = Vote {
        time: EXPIRE,
        ..vote(1, Decision::Grant)
    };
    assert_eq!(resolve(&rule(Risk::Amber, 1), 1, &[late], EXPIRE), Resolution::Expired);
}

proptest! {
    #[test]
    fn a_further_deny_never_grants(votes in prop::collection::vec(any_vote(), 0..6), quorum in 0_u32..4, number in 1_u8..4) {
        let rule = rule(Risk::Amber, quorum);
        let mut more = votes.clone();
        more.push(vote(number, Decision::Deny));
        prop_assert_eq!(resolve(&rule, 1, &more, Moment::from_nanos(20)), Resolution::Denied);
    }

    #[test]
    fn a_further_grant_never_takes_a_grant_back(votes in prop::collection::vec(any_vote(), 0..6), quorum in 0_u32..4, further in any_vote()) {
        let rule = rule(Risk::Amber, quorum);
        let now = Moment::from_nanos(20);
        let before = resolve(&rule, 1, &votes, now);
        let mut more = votes.clone();
        more.push(Vote { decision: Decision::Grant, ..further });
        let after = resolve(&rule, 1, &more, now);
        match before {
            Resolution::Granted(_) => prop_assert!(matches!(after, Resolution::Granted(_))),
            Resolution::Denied => prop_assert_eq!(after, Resolution::Denied),
            Resolution::Pending | Resolution::Expired => {}
        }
    }

    #[test]
    fn one_simulated_vote_makes_a_simulated_grant(votes in prop::collection::vec(any_vote(), 0..6), quorum in 0_u32..4) {
        let rule = rule(Risk::Amber, quorum);
        let mut more = votes;
        more.push(Vote { simulated: true, ..vote(3, Decision::Grant) });
        let resolution = resolve(&rule, 1, &more, Moment::from_nanos(20));
        prop_assert_ne!(resolution, Resolution::Granted(Mode::People));
        prop_assert_ne!(resolution, Resolution::Granted(Mode::Policy));
    }
}

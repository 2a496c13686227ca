//! The protocol holds whatever happens, and each of its guards is needed.

use std::collections::BTreeSet;

use stateright::{Checker, HasDiscoveries, Model};

use e2e::model::{
    Guard, Protocol, State, World,
    properties::{self, Invariant},
};

/// Explores everything; all invariants hold, and everything that should be possible is. Gives the number of states.
fn explore(protocol: Protocol) -> usize {
    let checker = protocol.checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    checker.unique_state_count()
}

/// What happens until the invariant that a guard protects has fallen, if it falls without it.
fn counterexample(guard: Guard) -> Option<Vec<String>> {
    let invariant = guard.protects();
    let found = HasDiscoveries::AllOf(BTreeSet::from([invariant.as_str()]));
    let checker = Protocol::without(guard)
        .checker()
        .threads(2)
        .finish_when(found)
        .spawn_bfs()
        .join();
    let steps = checker.discovery(invariant.as_str())?.into_vec();
    let until = steps
        .iter()
        .position(|(state, _): &(State, _)| !invariant.holds(state))?;
    Some(
        steps
            .iter()
            .take(until)
            .filter_map(|(_, action)| action.map(|it| format!("{it:?}")))
            .collect(),
    )
}

#[test]
fn protocol_holds_in_every_order_of_events() {
    println!("{} states", explore(Protocol::sound(World::Ordinary)));
}

#[test]
fn protocol_holds_even_if_warrants_can_be_forged() {
    println!("{} states", explore(Protocol::sound(World::WarrantKeyStolen)));
}

#[test]
fn each_guard_removed_is_caught() {
    let mut idle = Vec::new();
    for guard in Guard::ALL {
        match counterexample(guard) {
            Some(steps) => {
                let (falls, steps) = (guard.protects().as_str(), steps.join("\n    "));
                println!("without {guard:?}: {falls}\n    {steps}\n");
            }
            None => idle.push(guard),
        }
    }
    assert_eq!(idle, [], "guards whose removal doesn't break what they protect");
}

#[test]
fn second_lines_are_needed_only_once_warrants_can_be_forged() {
    let second_lines = Guard::ALL.into_iter().filter(|guard| guard.world() != World::Ordinary);
    for guard in second_lines {
        explore(Protocol {
            world: World::Ordinary,
            without: Some(guard),
        });
    }
}

#[test]
fn each_invariant_is_checked_and_protected_by_a_guard() {
    let checked: Vec<_> = properties::all().iter().map(|property| property.name).collect();
    for invariant in Invariant::ALL {
        assert!(checked.contains(&invariant.as_str()), "{invariant:?} is not checked");
        let protected = Guard::ALL.iter().any(|guard| guard.protects() == invariant);
        assert!(protected, "nothing protects {invariant:?}");
    }
}

#[test]
fn docs_list_each_guard_with_what_falls_without_it() {
    let docs = include_str!("../../../docs/invariants.md");
    for guard in Guard::ALL {
        let mark = if guard.world() == World::Ordinary { "" } else { "²" };
        let (ids, _) = guard.protects().as_str().split_once(':').unwrap();
        let (start, end) = (format!("| `{guard:?}`{mark} |"), format!("| {ids} |"));
        let listed = docs.lines().any(|row| row.starts_with(&start) && row.ends_with(&end));
        assert!(listed, "docs/invariants.md has no row `{start} … {end}`");
        for id in ids.split(", ") {
            let defined = docs.contains(&format!("| **{id}** |"));
            assert!(defined, "docs/invariants.md doesn't define {id}");
        }
    }
}

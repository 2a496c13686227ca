//! A model of the protocol between the parts, for a model checker: one approval from its creation to its end.
//!
//! What stands against it in every order: two executors that crash anywhere, approval-svc and trace-svc that crash and
//! lose what they had not made durable, an orchestrator that presents any action with any warrant at any time, messages
//! that are lost, late or delivered twice, people who may not vote, and the clock. What it leaves out: how long things
//! take (time only passes certain points), renewal of leases, the parts' own credentials, and several approvals at once.
//!
//! A protocol is safe if its [`properties`] hold in every reachable state. Each [`Guard`] names one check that the parts
//! make; a protocol without it must break the property that the guard is there for, or the guard (or the model) is idle.

#![expect(clippy::indexing_slicing, reason = "an action names an executor that exists")]

pub mod actions;
pub mod deciding;
pub mod executing;
pub mod guard;
pub mod properties;
pub mod state;

use stateright::{Model, Property};

pub use self::{
    actions::Action,
    guard::Guard,
    state::{State, World},
};

/// The protocol with all its guards, or without one of them.
#[derive(Clone, Copy, Debug)]
pub struct Protocol {
    /// What the attacker has.
    pub world: World,
    /// The guard that is missing, if any.
    pub without: Option<Guard>,
}

// === impl Protocol ===

impl Protocol {
    /// The protocol as it is meant to be.
    pub const fn sound(world: World) -> Self {
        Self { world, without: None }
    }

    /// The protocol without one guard, in the world that the guard is there for.
    pub const fn without(guard: Guard) -> Self {
        Self {
            world: guard.world(),
            without: Some(guard),
        }
    }

    /// Whether the parts make a check.
    pub fn has(self, guard: Guard) -> bool {
        self.without != Some(guard)
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        state::Risk::ALL.map(State::new).to_vec()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.enabled(state, actions);
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut after = before.clone();
        self.apply(&mut after, action);
        after.note_end();
        // Which executor is which makes no difference.
        after.executors.sort_unstable();
        (after != *before).then_some(after)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }

    fn within_boundary(&self, state: &State) -> bool {
        state.effects.len() <= 2 && state.fence <= state::MAX_CLAIMS
    }
}

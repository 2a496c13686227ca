//! What comes next: the pure core of the orchestrator.
//!
//! Both halves are functions from a state and an event to the next state and what to do; they call nobody, know no
//! time, and keep nothing. [`submission`] takes a request up to its committed approval; [`following`] takes a run
//! from there to its outcome.

pub(crate) mod following;
pub(crate) mod submission;

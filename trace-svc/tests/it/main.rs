//! The trace service from outside: its process, its layers, and its death.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first thing that is wrong"
)]

mod kill;
mod process;
mod service;

//! The chassis, driven through a part of its own: who is let in, how errors look, how it ends.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first thing that is wrong"
)]

mod auth;
mod authority;
mod errors;
mod fixture;
mod limits;
mod rights;
mod shutdown;

//! The service through its contract: real tokens, all layers, a trace-svc that can be told to fail.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod approvals;
mod authority;
mod fixture;
mod listing;
mod trace;
mod warrants;
mod watch;

//! The cross-service tests, as one program. A module is a theme.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests stop at the first thing that is wrong, as tests do"
)]

mod attacks;
mod bad_input;
mod chain;
mod clients;
mod clocks;
mod crashes;
mod deployment;
mod export;
mod gateway_faults;
mod history;
mod model;
mod parts_down;
mod raw;
mod real_gateway;
mod requests;
mod rights;
mod scenario;
mod shipped;
mod support;

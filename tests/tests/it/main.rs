//! The cross-service tests, as one program. A module is a theme.

mod chain;
mod model;
mod requests;

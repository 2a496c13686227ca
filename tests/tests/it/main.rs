//! The cross-service tests, as one program. A module is a theme.

mod attacks;
mod chain;
mod model;
mod raw;
mod requests;
mod rights;
mod shipped;
mod support;

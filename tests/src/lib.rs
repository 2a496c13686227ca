//! What the end-to-end tests share, and a model of the protocol for a model checker.

pub mod model;

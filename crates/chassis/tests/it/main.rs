//! The chassis, driven through a part of its own: who is let in, how errors look, how it ends.

mod auth;
mod authority;
mod errors;
mod fixture;
mod rights;
mod shutdown;

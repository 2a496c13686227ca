//! Each promise of the chain, attacked: nothing reaches the gateway, and the refusal says exactly why.

mod borders;
mod credentials;
mod deciders;
mod forgery;
mod race;
mod withdrawn;

//! What every part of Countersign stands on: boot, configuration, logs, credentials and rights, health, reflection,
//! limits, deadlines, errors, and an orderly end.
//!
//! A service's `main` is one call of [`run()`]; its `build` puts a [`Part`] together on the [`Node`] that it is given. A
//! part can be served on a socket ([`Part::serve`]) or called in the same process ([`Node::local`]); every call passes the
//! same layers either way.
//!
//! - who is calling: [`auth`]; whose signatures hold: [`pinned`]; what travels along: [`context`]; how parts call each other: [`link`]
//! - what is recorded: [`events`], in the names of [`semconv`]
//! - errors: [`fault`], [`violations`]; lists: [`page`], [`filter`]
//! - time and randomness: [`clock`], [`ids`]

pub mod agents;
pub mod auth;
pub mod clock;
pub mod config;
pub mod context;
pub mod convert;
mod corked;
pub mod events;
pub mod fault;
pub mod filter;
pub mod group_commit;
pub mod ids;
mod layers;
pub mod link;
pub mod node;
pub mod page;
pub mod part;
pub mod pinned;
pub mod run;
pub mod secret;
pub mod semconv;
pub mod server;
pub mod telemetry;
pub mod time;
pub mod violations;

pub use agents::{AllowedAgent, AllowedAgents, InvalidAllowedAgent};
pub use auth::{Caller, Person, Principal};
pub use clock::{Clock, ManualClock, SystemClock};
pub use config::{HasNodeConfig, NodeConfig};
pub use context::CallContext;
pub use fault::{Code, Fault};
pub use group_commit::{Commit, GroupCommit};
pub use ids::{Ids, SequentialIds, SystemIds};
pub use layers::PartService;
pub use link::Link;
pub use node::Node;
pub use part::PartName;
pub use pinned::{KeySetError, PinnedVerifier};
pub use run::{Exit, run};
pub use server::{Part, PartBuilder};
pub use violations::Violations;

/// The allocator of every program. A call allocates and frees some hundred small objects: what this one needs to know of
/// them lies close together, and a part that wakes for one call has lost most of its caches.
pub use tikv_jemallocator::Jemalloc as Allocator;

/// Any error, at the edges.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

//! The orchestrator: takes requests for agents through the whole chain and lets their callers follow them.
//!
//! It keeps nothing and may do nothing by itself: it signs no verdict and no warrant, writes no event, and what it
//! knows of a run it reads from the run's approval and trace. Any number of replicas can run side by side, and each
//! can be killed at any time.
//!
//! - `pipeline` decides what comes next; it is pure.
//! - `dispatch` brings granted approvals to the executor, `live` passes on what the agent answers meanwhile.
//! - `follow` tells a caller what becomes of a run.

mod api;
mod backoff;
mod clients;
mod config;
mod convert;
mod dispatch;
mod error;
mod follow;
mod live;
mod pipeline;

use std::{ffi::OsString, time::Duration};

use chassis::{BoxError, Exit, Node, Part, PartName};
use proto::governance::v1::governance_service_server::GovernanceServiceServer;

use tokio_util::sync::CancellationToken;

use crate::{api::GovernanceApi, clients::Clients, dispatch::Dispatcher, follow::Ending, live::LiveRuns};
pub use crate::{clients::Links, config::Config};

/// How long before the end of the grace period followers are told that this replica shuts down.
const PARTING_TIME: Duration = Duration::from_secs(2);

/// The service as a process: from its command line, the program's name first, to its end.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    chassis::run(
        PartName::Orchestrator,
        arguments,
        |config: Config, node: Node| async move {
            let links = Links::connect(&config, &node)?;
            build(&config, &node, links)
        },
    )
}

/// Builds the orchestrator: its API, and the loop that dispatches what was granted.
pub fn build(config: &Config, node: &Node, links: Links) -> Result<Part, BoxError> {
    config.check()?;
    let clients = Clients::new(links);
    let live = LiveRuns::default();
    let dispatcher = Dispatcher::new(
        clients.clone(),
        live.clone(),
        node.tasks().clone(),
        config.dispatch_concurrency,
    );
    let ending = Ending {
        closing: node.closing(),
        parting: CancellationToken::new(),
    };
    let api = GovernanceApi::new(config, clients.clone(), live, dispatcher.clone(), ending.clone());
    let (shutdown, closing) = (node.shutdown(), node.closing());
    let last_words = config.node.grace_period.saturating_sub(PARTING_TIME);
    Part::builder(node)
        .grpc(GovernanceServiceServer::new(api))
        .ready_when(move || {
            let clients = clients.clone();
            async move { clients.all_serving().await }
        })
        .background("dispatch", move |_| dispatcher.run(shutdown, closing))
        .background("parting", move |over| async move {
            ending.closing.cancelled().await;
            over.run_until_cancelled(tokio::time::sleep(last_words)).await;
            ending.parting.cancel();
        })
        .build()
}

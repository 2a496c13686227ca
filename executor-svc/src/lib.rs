//! Carries out approved actions on an OpenClaw Gateway: only under a warrant, at most once, and on the record.
//!
//! It takes nobody's word. Before anything is claimed, `permit` checks both signatures and recomputes the digest from
//! the action that will be sent; `execution` is the procedure from the claim to the end. `gateway` is what is needed of
//! a gateway; `gateway::openclaw` is the only code that knows OpenClaw.
//!
//! The service keeps no state: any number of them can run beside each other.

use std::{ffi::OsString, sync::Arc, time::Duration};

use chassis::{BoxError, Exit, Link, Node, Part, PartName, secret};
use proto::execution::v1::execution_service_server::ExecutionServiceServer;

use crate::{
    api::ExecutionApi,
    clients::{ApprovalClient, TraceClient},
    execution::{Executor, Limits},
    gateway::{Gateway, health::GatewayHealth, openclaw::OpenClawGateway},
    permit::Gatekeeper,
};

mod api;
mod clients;
mod config;
mod convert;
mod error;
mod execution;
pub mod gateway;
mod permit;

#[cfg(test)]
mod fixtures;

pub use crate::{
    config::{Config, ConfigError},
    error::ExecutionError,
};

/// The health name of the gateway.
pub const GATEWAY_HEALTH: &str = "openclaw-gateway";

/// Time kept back of the grace period, half to record what was given up, half to complete it.
const PARTING_TIME: Duration = Duration::from_secs(5);

/// The service as a process: from its command line, the program's name first, to its end.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    chassis::run(PartName::Executor, arguments, |config: Config, node: Node| async move {
        let approval = node.connect(PartName::Approval, &config.approval_url)?;
        let trace = node.connect(PartName::Trace, &config.trace_url)?;
        build(&config, &node, approval, trace)
    })
}

/// Puts the service together, on links to approval-svc and trace-svc.
pub fn build(config: &Config, node: &Node, approval: Link, trace: Link) -> Result<Part, BoxError> {
    let clock = node.clock();
    let token = secret::read(&config.gateway_token_file)?;
    let gateway: Arc<dyn Gateway> = Arc::new(OpenClawGateway::new(
        &config.gateway_url,
        &token,
        config.gateway_limits()?,
    )?);
    let health = Arc::new(GatewayHealth::new(Arc::clone(&gateway), Arc::clone(&clock)));
    let grace_period = config.node.grace_period;
    let limits = Limits {
        start_patience: config.start_record_timeout,
        record_patience: config.end_record_timeout,
        grace: grace_period.saturating_sub(PARTING_TIME),
        parting: grace_period.min(PARTING_TIME) / 2,
    };
    let (claims, log) = (Arc::new(ApprovalClient(approval)), Arc::new(TraceClient::new(trace)));
    let executor = Arc::new(Executor::new(node, gateway, claims, log, limits));
    let gatekeeper = Gatekeeper::open(config, &clock)?.knowing(&node.signatures());
    let (serving, watched) = (health.subscribe(), Arc::clone(&health));
    Part::builder(node)
        .grpc(ExecutionServiceServer::new(ExecutionApi {
            gatekeeper,
            health,
            executor,
        }))
        .health_of(GATEWAY_HEALTH, serving)
        .background("gateway-health", move |over| async move {
            watched.watch(over).await;
        })
        .build()
}

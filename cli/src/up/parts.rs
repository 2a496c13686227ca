//! Builds the five parts on top of each other, serves them, and ends them in the opposite order.

use std::{io, sync::Arc, time::Duration};

use chassis::{BoxError, Node, NodeConfig, Part, PartName};
use orchestrator::Links;
use tokio::{net::TcpListener, task::JoinHandle, time::sleep};
use tokio_util::sync::CancellationToken;
use warrant::KnownSignatures;

use super::{keys::SERVICES_ISSUER, listeners::Listeners};
use crate::{
    args::UpArgs,
    error::CliError,
    paths::{self, DataDir},
};

/// Longest wait for calls and executions under way when stopping, for each part.
const GRACE_PERIOD: Duration = Duration::from_secs(10);
/// Longest wait for a part to be ready.
const READY_WITHIN: Duration = Duration::from_secs(30);
const READY_POLL: Duration = Duration::from_millis(5);
/// How long the simulated approver leaves an approval to people.
const SIMULATED_AFTER: Duration = Duration::from_secs(1);
/// Nothing listens there: every look at the gateway's health says that there is none.
const NO_GATEWAY: &str = "http://127.0.0.1:9";

/// The parts that run, those that others need first.
#[derive(Debug, Default)]
pub(super) struct Deployment {
    running: Vec<Running>,
    ended: CancellationToken,
}

/// A part that waits for being served.
struct Built {
    node: Node,
    part: Part,
    listener: TcpListener,
}

#[derive(Debug)]
struct Running {
    node: Node,
    task: JoinHandle<io::Result<()>>,
}

// === impl Deployment ===

impl Deployment {
    /// Builds and serves the parts, each when those that it needs are ready.
    pub(super) async fn start(&mut self, args: &UpArgs, data: &DataDir, listeners: Listeners) -> Result<(), BoxError> {
        for part in build(args, data, listeners).await? {
            self.serve(part).await?;
        }
        Ok(())
    }

    /// Ends when a part has ended that was not asked to.
    pub(super) async fn any_ended(&self) {
        self.ended.cancelled().await;
    }

    /// Ends the parts, those that need others first, each within its bound; says which failed.
    pub(super) async fn drain(self) -> Result<(), CliError> {
        let mut failures = Vec::new();
        for Running { node, task } in self.running.into_iter().rev() {
            node.shutdown().cancel();
            let result = task.await.unwrap_or_else(|error| Err(io::Error::other(error)));
            if let Err(error) = result {
                failures.push(format!("{}: {error}", node.part()));
            }
        }
        if failures.is_empty() {
            return Ok(());
        }
        Err(CliError::new(format!("stopped by a failure of {}", failures.join("; "))).hint("see the log above"))
    }

    /// Serves a part and waits until it is ready.
    async fn serve(&mut self, built: Built) -> Result<(), BoxError> {
        let Built { node, part, listener } = built;
        let (name, link, ended) = (part.name(), node.local(&part), self.ended.clone().drop_guard());
        let task = tokio::spawn(async move {
            let _ended = ended;
            part.serve(listener).await
        });
        self.running.push(Running { node, task });
        let ready = async {
            while !link.is_ready().await {
                sleep(READY_POLL).await;
            }
        };
        tokio::select! {
            () = ready => Ok(()),
            () = self.any_ended() => Err("a part stopped".into()),
            () = sleep(READY_WITHIN) => Err(format!("{name} does not get ready").into()),
        }
    }
}

/// The five parts, those that others need first.
async fn build(args: &UpArgs, data: &DataDir, listeners: Listeners) -> Result<Vec<Built>, BoxError> {
    let signatures = Arc::default();
    let open = |part| open(part, args, data, &signatures);

    let (config, node) = open(PartName::Trace)?;
    let part = trace_svc::build(&trace_svc::Config::new(config, data.store(PartName::Trace)), &node)?;
    let trace = Built {
        node,
        part,
        listener: listeners.trace,
    };

    let (config, node) = open(PartName::Approval)?;
    let part = approval_svc::build(&approval_config(config, args, data), &node, node.local(&trace.part)).await?;
    let approval = Built {
        node,
        part,
        listener: listeners.approval,
    };

    let (config, node) = open(PartName::Classifier)?;
    let part = classifier_svc::build(&classifier_config(config, args, data), &node)?;
    let classifier = Built {
        node,
        part,
        listener: listeners.classifier,
    };

    let (config, node) = open(PartName::Executor)?;
    let config = executor_config(config, args, data)?;
    let part = executor_svc::build(&config, &node, node.local(&approval.part), node.local(&trace.part))?;
    let executor = Built {
        node,
        part,
        listener: listeners.executor,
    };

    let (config, node) = open(PartName::Orchestrator)?;
    let links = Links {
        classifier: node.local(&classifier.part),
        approval: node.local(&approval.part),
        executor: node.local(&executor.part),
        trace: node.local(&trace.part),
    };
    let part = orchestrator::build(&orchestrator_config(config, args), &node, links)?;
    let orchestrator = Built {
        node,
        part,
        listener: listeners.orchestrator,
    };

    Ok(vec![trace, approval, classifier, executor, orchestrator])
}

/// A part's node, with its own credential and the deployment's trust.
fn open(
    part: PartName,
    args: &UpArgs,
    data: &DataDir,
    signatures: &Arc<KnownSignatures>,
) -> Result<(NodeConfig, Node), BoxError> {
    let config = NodeConfig {
        trust_file: Some(data.trust()),
        credential_key_file: Some(data.service_key(part)),
        services_issuer: SERVICES_ISSUER.to_owned(),
        grace_period: GRACE_PERIOD,
        worker_threads: args.worker_threads,
        log_format: args.log_format,
        log: args.log.clone(),
        ..NodeConfig::default()
    };
    let node = Node::with_signatures(part, config.clone(), Arc::clone(signatures))?;
    Ok((config, node))
}

fn approval_config(node: NodeConfig, args: &UpArgs, data: &DataDir) -> approval_svc::Config {
    let store = data.store(PartName::Approval);
    approval_svc::Config {
        simulated_approver: args.simulated_approver,
        simulated_approver_after: args.simulated_approver.then_some(SIMULATED_AFTER),
        ..approval_svc::Config::new(node, store, data.warrant_key(), data.verdict_key_set())
    }
}

fn classifier_config(node: NodeConfig, args: &UpArgs, data: &DataDir) -> classifier_svc::Config {
    classifier_svc::Config {
        policy_file: args.policy_file.clone(),
        bundles: args.bundles.clone(),
        opinion: args.opinion.clone(),
        ..classifier_svc::Config::new(node, data.verdict_key())
    }
}

fn orchestrator_config(node: NodeConfig, args: &UpArgs) -> orchestrator::Config {
    orchestrator::Config {
        allowed_agents: args.allowed_agents.clone(),
        ..orchestrator::Config::new(node)
    }
}

fn executor_config(node: NodeConfig, args: &UpArgs, data: &DataDir) -> Result<executor_svc::Config, BoxError> {
    let token_file = if let Some(path) = &args.gateway_token_file {
        path.clone()
    } else {
        paths::write_private(&data.no_gateway_token(), b"there is no gateway\n")?;
        data.no_gateway_token()
    };
    Ok(executor_svc::Config {
        node,
        gateway_url: args.gateway_url.clone().unwrap_or_else(|| NO_GATEWAY.to_owned()),
        allowed_agents: args.allowed_agents.clone(),
        accept_simulated: args.simulated_approver,
        ..executor_svc::Config::new(token_file, data.warrant_key_set(), data.verdict_key_set())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_that_fails_before_it_is_ready_is_not_waited_for() {
        let node = Node::open(PartName::Trace, NodeConfig::default()).unwrap();
        let failing = node.clone();
        let part = Part::builder(&node)
            .ready_when(move || {
                failing.fail("told to");
                async { false }
            })
            .build()
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut deployment = Deployment::default();
        let served = deployment.serve(Built { node, part, listener });
        let served = tokio::time::timeout(READY_WITHIN / 2, served).await;
        assert!(served.unwrap().is_err());
        let error = deployment.drain().await.unwrap_err().to_string();
        assert_eq!(error, "stopped by a failure of trace-svc: told to");
    }
}

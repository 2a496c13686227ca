//! A deployment in the test's own process: the same five parts, calling each other without a socket in between.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use chassis::{BoxError, Clock, Node, NodeConfig, Part, PartName, SystemClock, SystemIds};
use orchestrator::Links;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::{
    authority::{Authority, Identity},
    clients::{Channels, Person, Service},
    fleet::GatewayAddress,
};

/// Where nobody listens.
const NOBODY: &str = "http://127.0.0.1:1";

/// How a sandbox is to differ from the usual.
#[derive(Debug, Default)]
pub struct SandboxOptions {
    /// The clock of all parts; the machine's own unless given.
    pub clock: Option<Arc<dyn Clock>>,
    /// A part whose clock is ahead of the others', and how far.
    pub ahead: Option<(PartName, Duration)>,
    /// Changes approval-svc's configuration.
    pub approval: Option<fn(&mut approval_svc::Config)>,
    /// Changes the executor's configuration.
    pub executor: Option<fn(&mut executor_svc::Config)>,
    /// Changes what every part is configured with.
    pub node: Option<fn(&mut NodeConfig)>,
    /// Leaves the orchestrator out, so that nothing happens but what the test does in its place.
    pub without_orchestrator: bool,
}

/// Five parts in this process and their keys, in a folder of the test's own.
#[derive(Debug)]
pub struct Sandbox {
    folder: TempDir,
    authority: Authority,
    channels: Channels,
    urls: BTreeMap<PartName, String>,
    nodes: Vec<Node>,
}

/// A clock that is ahead of another.
#[derive(Debug)]
struct Ahead {
    clock: Arc<dyn Clock>,
    by: Duration,
}

// === impl Sandbox ===

impl Sandbox {
    /// Starts the five parts against this gateway.
    pub async fn start(gateway: &GatewayAddress) -> Self {
        Self::start_with(gateway, SandboxOptions::default()).await
    }

    /// As [`Sandbox::start`], with options.
    pub async fn start_with(gateway: &GatewayAddress, options: SandboxOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::create(&folder.path().join("keys"));
        let builder = Builder {
            data: folder.path().join("data"),
            authority: &authority,
            gateway,
            options: &options,
        };
        let (parts, nodes) = builder.parts().await.unwrap();
        let mut urls = BTreeMap::new();
        for part in parts {
            if options.without_orchestrator && part.name() == PartName::Orchestrator {
                urls.insert(part.name(), NOBODY.to_owned());
                continue;
            }
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            urls.insert(part.name(), format!("http://{}", listener.local_addr().unwrap()));
            tokio::spawn(part.serve(listener));
        }
        let channels = Channels::connect(|part| urls[&part].clone());
        Self {
            folder,
            authority,
            channels,
            urls,
            nodes,
        }
    }

    /// Where a part listens.
    pub fn url(&self, part: PartName) -> &str {
        &self.urls[&part]
    }

    /// The deployment's keys.
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The folder with a part's data.
    pub fn data(&self, part: PartName) -> PathBuf {
        self.folder.path().join("data").join(part.as_str())
    }

    /// The channels to the parts.
    pub const fn channels(&self) -> &Channels {
        &self.channels
    }

    /// A person who calls this deployment.
    pub fn person(&self, identity: Identity) -> Person {
        self.channels.person(identity)
    }

    /// A part's credential, used by the test.
    pub fn service(&self, part: PartName) -> Service {
        self.channels.service(part)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        for node in &self.nodes {
            node.shutdown().cancel();
        }
    }
}

struct Builder<'a> {
    data: PathBuf,
    authority: &'a Authority,
    gateway: &'a GatewayAddress,
    options: &'a SandboxOptions,
}

// === impl Builder ===

impl Builder<'_> {
    async fn parts(&self) -> Result<(Vec<Part>, Vec<Node>), BoxError> {
        let key = |name: &str| self.authority.path(name);
        let node = self.node(PartName::Trace)?;
        let config = trace_svc::Config::new(NodeConfig::default(), self.data.join("trace-svc"));
        let (trace, mut nodes) = (trace_svc::build(&config, &node)?, vec![node]);

        let node = self.node(PartName::Classifier)?;
        let config = classifier_svc::Config::new(NodeConfig::default(), key("verdict.pem"));
        let classifier = classifier_svc::build(&config, &node)?;
        nodes.push(node);

        let node = self.node(PartName::Approval)?;
        let data = self.data.join("approval-svc");
        let mut config = approval_svc::Config::new(
            NodeConfig::default(),
            data,
            key("warrant.pem"),
            key("verdict.jwks.json"),
        );
        self.options.approval.inspect(|change| change(&mut config));
        let approval = approval_svc::build(&config, &node, node.local(&trace)).await?;
        nodes.push(node);

        let node = self.node(PartName::Executor)?;
        let token = self.gateway.token_file.clone();
        let mut config = executor_svc::Config::new(token, key("warrant.jwks.json"), key("verdict.jwks.json"));
        config.gateway_url.clone_from(&self.gateway.url);
        self.options.executor.inspect(|change| change(&mut config));
        let executor = executor_svc::build(&config, &node, node.local(&approval), node.local(&trace))?;
        nodes.push(node);

        let node = self.node(PartName::Orchestrator)?;
        let links = Links {
            classifier: node.local(&classifier),
            approval: node.local(&approval),
            executor: node.local(&executor),
            trace: node.local(&trace),
        };
        let config = orchestrator::Config::new(NodeConfig::default());
        let orchestrator = orchestrator::build(&config, &node, links)?;
        nodes.push(node);
        Ok((vec![trace, classifier, approval, executor, orchestrator], nodes))
    }

    fn node(&self, part: PartName) -> Result<Node, BoxError> {
        let mut config = NodeConfig {
            trust_file: Some(self.authority.path("trust.yaml")),
            credential_key_file: Some(self.authority.path(&format!("{part}.pem"))),
            grace_period: Duration::from_secs(1),
            ..NodeConfig::default()
        };
        self.options.node.inspect(|change| change(&mut config));
        let clock = self
            .options
            .clock
            .clone()
            .unwrap_or_else(|| Arc::new(SystemClock::default()));
        let clock = match self.options.ahead {
            Some((fast, by)) if fast == part => Arc::new(Ahead { clock, by }),
            _ => clock,
        };
        Ok(Node::with_clock(part, config, clock, Arc::new(SystemIds))?)
    }
}

// === impl Ahead ===

impl Clock for Ahead {
    fn now(&self) -> SystemTime {
        self.clock.now() + self.by
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }
}

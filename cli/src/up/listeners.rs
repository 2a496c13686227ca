//! One port for each part, on loopback.

use std::net::{IpAddr, SocketAddr};

use chassis::part::PartName;
use tokio::net::TcpListener;

use crate::{args::UpArgs, endpoints::Endpoints, error::CliError};

/// The bound ports of the five parts.
#[derive(Debug)]
pub(super) struct Listeners {
    pub(super) orchestrator: TcpListener,
    pub(super) classifier: TcpListener,
    pub(super) approval: TcpListener,
    pub(super) executor: TcpListener,
    pub(super) trace: TcpListener,
}

// === impl Listeners ===

impl Listeners {
    /// Binds the five ports from the base on, or five free ones.
    pub(super) async fn bind(args: &UpArgs) -> Result<Self, CliError> {
        let bind = |offset: u16| {
            bind(
                args.listen_address,
                if args.port_base == 0 {
                    0
                } else {
                    args.port_base + offset
                },
            )
        };
        Ok(Self {
            orchestrator: bind(0).await?,
            classifier: bind(1).await?,
            approval: bind(2).await?,
            executor: bind(3).await?,
            trace: bind(4).await?,
        })
    }

    /// Where they can be reached.
    pub(super) fn endpoints(&self) -> Result<Endpoints, CliError> {
        Ok(Endpoints {
            orchestrator: url(&self.orchestrator)?,
            classifier: url(&self.classifier)?,
            approval: url(&self.approval)?,
            executor: url(&self.executor)?,
            trace: url(&self.trace)?,
        })
    }
}

async fn bind(address: IpAddr, port: u16) -> Result<TcpListener, CliError> {
    let address = SocketAddr::new(address, port);
    TcpListener::bind(address).await.map_err(|error| {
        CliError::io(format!("listen on {address}"), error)
            .hint("choose other ports with --port-base; 0 takes free ones")
    })
}

fn url(listener: &TcpListener) -> Result<String, CliError> {
    let address = listener
        .local_addr()
        .map_err(|error| CliError::io("read the port", error))?;
    Ok(format!("http://{address}"))
}

/// The parts in the order of their ports.
pub(super) const PORT_ORDER: [PartName; 5] = [
    PartName::Orchestrator,
    PartName::Classifier,
    PartName::Approval,
    PartName::Executor,
    PartName::Trace,
];

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command};

    fn args(port_base: u16) -> UpArgs {
        let cli = Cli::parse_from(["countersign", "up", "--port-base", &port_base.to_string()]);
        let Command::Up(args) = cli.command else {
            panic!("not `up`")
        };
        args
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = taken.local_addr().unwrap().port().min(u16::MAX - 4);
        let error = Listeners::bind(&args(port)).await.unwrap_err();
        assert!(error.to_string().starts_with("can't listen on 127.0.0.1:"), "{error}");
    }

    #[tokio::test]
    async fn free_ports_are_all_different() {
        let endpoints = Listeners::bind(&args(0)).await.unwrap().endpoints().unwrap();
        let urls: std::collections::BTreeSet<_> = PORT_ORDER
            .iter()
            .map(|part| endpoints.of(*part).unwrap().to_owned())
            .collect();
        assert_eq!(urls.len(), 5);
    }
}

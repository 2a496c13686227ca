//! The approval service: decides actions by policy or by people, mints warrants, and lets each be spent once.
//!
//! The domain is pure: [`approval`] is the state machine, [`resolve`] turns votes into a decision, [`event`] turns facts
//! into bytes. [`store`] runs it inside transactions; [`outbox`] brings the events to trace-svc, and no warrant exists
//! before their receipt. [`api`] is what others see of it.

pub mod access;
pub mod api;
pub mod approval;
pub mod config;
pub mod convert;
pub mod error;
pub mod event;
#[cfg(test)]
mod fixture;
pub mod mint;
pub mod moment;
pub mod outbox;
pub mod resolve;
pub mod simulated;
pub mod store;
pub mod sweeper;
pub mod verdicts;
pub mod watch;

use std::{ffi::OsString, sync::Arc};

use chassis::{BoxError, Exit, Link, Node, Part, PartName, secret};
use proto::approval::v1::{
    approval_service_server::ApprovalServiceServer, warrant_service_server::WarrantServiceServer,
};
use secrecy::ExposeSecret as _;
use warrant::SigningKey;

pub use crate::config::Config;
use crate::{
    api::{Shared, approvals::ApprovalApi, warrants::WarrantApi},
    mint::Mint,
    outbox::Relay,
    store::{ApprovalStore as _, sqlite::SqliteStore},
    verdicts::Verdicts,
};

/// The service as a process: from its command line, the program's name first, to its end.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    chassis::run(PartName::Approval, arguments, |config: Config, node: Node| async move {
        let trace = node.connect(PartName::Trace, &config.trace_url)?;
        build(&config, &node, trace).await
    })
}

/// Puts the service together: opens its store, reads its keys. `trace` is where its events go.
pub async fn build(config: &Config, node: &Node, trace: Link) -> Result<Part, BoxError> {
    let pem = secret::read(&config.warrant_key_file)?;
    let key = SigningKey::from_pkcs8_pem(pem.expose_secret())?;
    let clock = node.clock();
    let verdicts =
        Verdicts::open(&config.verdict_issuer, &config.verdict_key_set_file, clock.clone())?.knowing(node.signatures());
    let terms = config.terms();
    let dispatch_lease = terms.dispatch_lease;
    let store = SqliteStore::open(&config.data_dir, terms, clock, node.ids()).await?;
    let store = Arc::new(store);
    let shared = Arc::new(Shared {
        store: store.clone(),
        mint: Mint::new(&config.warrant_issuer, key, node.signatures()),
        verdicts,
        simulation: config.simulated_approver,
        dispatch_lease,
        closing: node.closing(),
    });

    let relay = Relay::new(store.clone(), trace);
    let clock = node.clock();
    let (open, swept, ending) = (store.clone(), store.clone(), node.clone());
    let mut part = Part::builder(node)
        .grpc(ApprovalServiceServer::new(ApprovalApi::new(shared.clone())))
        .grpc(WarrantServiceServer::new(WarrantApi::new(shared)))
        .ready_when(move || std::future::ready(open.is_open() && !sweeper::stands_still(&*open, &*clock)))
        .background("relay", move |over| relay.run(over))
        .background("sweeper", move |over| sweeper::run(swept, ending, over));
    if let Some(after) = config.simulated_approver_after.filter(|_| config.simulated_approver) {
        part = part.background("simulated approver", move |over| simulated::run(store, after, over));
    }
    part.build()
}

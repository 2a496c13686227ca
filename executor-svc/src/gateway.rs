//! What the executor needs of a gateway: a request made before anything is claimed, sent once, answered once.

use std::fmt::Debug;

use futures_util::future::BoxFuture;
use proto::common::v1::Outcome;
use sha2::{Digest, Sha256};
use warrant::{Action, Verdict};

pub mod health;
pub mod openclaw;

const REQUEST_DOMAIN: &str = "countersign/gateway-request/v1";

/// Carries out actions.
pub trait Gateway: Send + Sync + Debug {
    /// The request for this action under this verdict. A pure function: the same two give the same bytes.
    ///
    /// The action must be valid ([`Action::validate`]).
    fn prepare(&self, action: &Action, verdict: &Verdict) -> GatewayRequest;

    /// Whether the gateway takes work now.
    fn ready(&self) -> BoxFuture<'_, bool>;

    /// Sends the request, once, and follows the answer to its end.
    ///
    /// Dropping the future closes the connection; whether that stops the work, the request says
    /// ([`GatewayRequest::stops_on_disconnect`]). What is known by then, `progress` has been told.
    fn send<'a>(&'a self, request: &'a GatewayRequest, progress: &'a mut dyn Progress) -> BoxFuture<'a, Answer>;
}

/// Is told what comes back while it comes.
pub trait Progress: Send {
    /// The gateway's own id of the run.
    fn run_id(&mut self, id: &str);
    /// The next piece of the answer.
    fn output(&mut self, text: &str);
}

/// A request, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayRequest {
    /// The path, from the root of the gateway.
    pub path: &'static str,
    /// The agent's session at the gateway.
    pub session_key: String,
    /// The body's exact bytes.
    pub body: String,
    /// Whether closing the connection makes the gateway stop the work.
    pub stops_on_disconnect: bool,
    /// Media type of the output.
    pub output_media_type: &'static str,
}

/// How an execution ended, as far as the gateway's side goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The outcome.
    pub outcome: Outcome,
    /// One sentence about it, which may quote a piece of the gateway's error.
    pub detail: String,
    /// What the model read and wrote, if the gateway said.
    pub usage: Option<Usage>,
    /// Whether the gateway itself said that it aborted the run.
    pub aborted: bool,
}

/// Tokens that the model read and wrote, over all its calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Read.
    pub input_tokens: u64,
    /// Written.
    pub output_tokens: u64,
}

// === impl GatewayRequest ===

impl GatewayRequest {
    /// SHA-256 of the request, `sha256:<hex>`.
    ///
    /// Hashed are `countersign/gateway-request/v1`, then path, session key and body, each preceded by its length in
    /// bytes (64 bits, big endian). The other headers are the same for all requests, or secret.
    pub fn sha256(&self) -> String {
        let mut hasher = Sha256::new_with_prefix(REQUEST_DOMAIN);
        for part in [self.path, &self.session_key, &self.body] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        format!("sha256:{}", hex::encode(hasher.finalize()))
    }
}

// === impl Answer ===

impl Answer {
    /// An answer of this outcome, and why.
    pub fn new(outcome: Outcome, detail: impl Into<String>) -> Self {
        Self {
            outcome,
            detail: detail.into(),
            usage: None,
            aborted: false,
        }
    }

    /// Sent, and what came of it is not known.
    pub fn unknown(detail: impl Into<String>) -> Self {
        Self::new(Outcome::Unknown, detail)
    }

    /// The same with what the model used.
    #[must_use]
    pub fn with_usage(self, usage: Option<Usage>) -> Self {
        Self { usage, ..self }
    }
}

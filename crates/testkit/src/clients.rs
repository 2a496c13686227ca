//! How a test calls a deployment: with the tokens of whoever it is.

use chassis::{PartName, auth::SUBJECT_HEADER};
use proto::{
    approval::v1::{approval_service_client::ApprovalServiceClient, warrant_service_client::WarrantServiceClient},
    classification::v1::classification_service_client::ClassificationServiceClient,
    execution::v1::execution_service_client::ExecutionServiceClient,
    governance::v1::governance_service_client::GovernanceServiceClient,
    trace::v1::trace_service_client::TraceServiceClient,
};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};

use crate::authority::{Identity, service_token};

/// A channel that presents credentials.
pub type Authorized = InterceptedService<Channel, Tokens>;

/// The channels to a deployment's parts.
#[derive(Debug, Clone)]
pub struct Channels {
    /// To the orchestrator.
    pub orchestrator: Channel,
    /// To classifier-svc.
    pub classifier: Channel,
    /// To approval-svc.
    pub approval: Channel,
    /// To executor-svc.
    pub executor: Channel,
    /// To trace-svc.
    pub trace: Channel,
}

/// Credentials that go along with every call.
#[derive(Debug, Clone)]
pub struct Tokens {
    bearer: Option<MetadataValue<Ascii>>,
    subject: Option<MetadataValue<Ascii>>,
}

/// A person who calls a deployment.
#[derive(Debug, Clone)]
pub struct Person {
    channels: Channels,
    identity: Identity,
}

/// A part's credential in the hands of the test.
#[derive(Debug, Clone)]
pub struct Service {
    channels: Channels,
    part: PartName,
    subject: Option<String>,
}

// === impl Channels ===

impl Channels {
    /// Channels to the parts at these URLs; they connect when first used.
    pub fn connect(url: impl Fn(PartName) -> String) -> Self {
        let channel = |part| {
            Channel::from_shared(url(part))
                .unwrap()
                .tcp_nodelay(true)
                .connect_lazy()
        };
        Self {
            orchestrator: channel(PartName::Orchestrator),
            classifier: channel(PartName::Classifier),
            approval: channel(PartName::Approval),
            executor: channel(PartName::Executor),
            trace: channel(PartName::Trace),
        }
    }

    /// The channel to one part.
    pub fn to(&self, part: PartName) -> Channel {
        match part {
            PartName::Orchestrator => &self.orchestrator,
            PartName::Classifier => &self.classifier,
            PartName::Approval | PartName::SimulatedApprover => &self.approval,
            PartName::Executor => &self.executor,
            PartName::Trace => &self.trace,
        }
        .clone()
    }

    /// A person who calls these parts.
    pub fn person(&self, identity: Identity) -> Person {
        Person {
            channels: self.clone(),
            identity,
        }
    }

    /// A part's credential, used by the test.
    pub fn service(&self, part: PartName) -> Service {
        Service {
            channels: self.clone(),
            part,
            subject: None,
        }
    }
}

// === impl Tokens ===

impl Tokens {
    /// A bearer token.
    pub fn bearer(token: &str) -> Self {
        Self {
            bearer: Some(format!("Bearer {token}").parse().unwrap()),
            subject: None,
        }
    }

    /// A bearer token, and the forwarded token of a person.
    #[must_use]
    pub fn with_subject(mut self, token: &str) -> Self {
        self.subject = Some(token.parse().unwrap());
        self
    }

    /// No credential.
    pub const fn none() -> Self {
        Self {
            bearer: None,
            subject: None,
        }
    }
}

impl Interceptor for Tokens {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        for (name, value) in [("authorization", &self.bearer), (SUBJECT_HEADER, &self.subject)] {
            if let Some(value) = value {
                request.metadata_mut().insert(name, value.clone());
            }
        }
        Ok(request)
    }
}

// === impl Person ===

impl Person {
    /// Who it is.
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// To submit and follow.
    pub fn runs(&self) -> GovernanceServiceClient<Authorized> {
        GovernanceServiceClient::with_interceptor(self.channels.orchestrator.clone(), self.governance())
    }

    /// To classify.
    pub fn classifier(&self) -> ClassificationServiceClient<Authorized> {
        ClassificationServiceClient::with_interceptor(self.channels.classifier.clone(), self.governance())
    }

    /// To decide.
    pub fn approvals(&self) -> ApprovalServiceClient<Authorized> {
        ApprovalServiceClient::with_interceptor(self.channels.approval.clone(), self.approval())
    }

    /// To read and withdraw one's own.
    pub fn own_approvals(&self) -> ApprovalServiceClient<Authorized> {
        ApprovalServiceClient::with_interceptor(self.channels.approval.clone(), self.governance())
    }

    /// To reconcile.
    pub fn warrants(&self) -> WarrantServiceClient<Authorized> {
        WarrantServiceClient::with_interceptor(self.channels.approval.clone(), self.approval())
    }

    /// To read traces.
    pub fn traces(&self) -> TraceServiceClient<Authorized> {
        TraceServiceClient::with_interceptor(self.channels.trace.clone(), self.governance())
    }

    fn governance(&self) -> Tokens {
        Tokens::bearer(&self.identity.governance_token())
    }

    fn approval(&self) -> Tokens {
        Tokens::bearer(&self.identity.approval_token())
    }
}

// === impl Service ===

impl Service {
    /// The same part, forwarding this person's token.
    #[must_use]
    pub fn acting_for(mut self, identity: &Identity) -> Self {
        self.subject = Some(identity.governance_token());
        self
    }

    /// To approval-svc.
    pub fn approvals(&self) -> ApprovalServiceClient<Authorized> {
        ApprovalServiceClient::with_interceptor(self.channels.approval.clone(), self.tokens(PartName::Approval))
    }

    /// To approval-svc's warrants.
    pub fn warrants(&self) -> WarrantServiceClient<Authorized> {
        WarrantServiceClient::with_interceptor(self.channels.approval.clone(), self.tokens(PartName::Approval))
    }

    /// To classifier-svc.
    pub fn classifier(&self) -> ClassificationServiceClient<Authorized> {
        let tokens = self.tokens(PartName::Classifier);
        ClassificationServiceClient::with_interceptor(self.channels.classifier.clone(), tokens)
    }

    /// To executor-svc.
    pub fn executor(&self) -> ExecutionServiceClient<Authorized> {
        ExecutionServiceClient::with_interceptor(self.channels.executor.clone(), self.tokens(PartName::Executor))
    }

    /// To trace-svc.
    pub fn traces(&self) -> TraceServiceClient<Authorized> {
        TraceServiceClient::with_interceptor(self.channels.trace.clone(), self.tokens(PartName::Trace))
    }

    /// The credentials for a call to `target`.
    pub fn tokens(&self, target: PartName) -> Tokens {
        let tokens = Tokens::bearer(&service_token(self.part, target));
        self.subject
            .as_deref()
            .map_or(tokens.clone(), |subject| tokens.with_subject(subject))
    }
}

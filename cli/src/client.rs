//! Calls to the parts: where they are, who is asking, and what an answer that is none means.

use std::{path::Path, time::Duration};

use chassis::{
    auth::Audience,
    clock::SystemClock,
    fault::with_causes,
    ids::{Ids as _, SystemIds},
    part::PartName,
};
use proto::{
    approval::v1::{approval_service_client::ApprovalServiceClient, warrant_service_client::WarrantServiceClient},
    governance::v1::governance_service_client::GovernanceServiceClient,
    trace::v1::trace_service_client::TraceServiceClient,
};
use secrecy::{ExposeSecret as _, SecretString};
use tonic::{
    Request, Status,
    metadata::MetadataValue,
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::{
    args::{ConnectArgs, GlobalArgs},
    endpoints::Endpoints,
    error::CliError,
    exit::Exit,
    identities::{CALL_TTL, Identities, Identity, LocalIssuer},
    paths::DataDir,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const KEEP_ALIVE: Duration = Duration::from_secs(30);
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_MESSAGE_BYTES: usize = 64 * 1024 * 1024;

/// One person's view of one deployment.
#[derive(Debug)]
pub(crate) struct Session {
    who: Who,
    connect: ConnectArgs,
    data: Option<DataDir>,
}

#[derive(Debug)]
enum Who {
    /// Someone whom the local issuer knows.
    Local {
        name: String,
        identity: Identity,
        issuer: LocalIssuer,
    },
    /// Whoever the token says.
    Bearer(SecretString),
}

/// Runs a command that calls the parts.
pub(crate) fn block_on(command: impl Future<Output = Result<Exit, CliError>>) -> Result<Exit, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::io("start the runtime", error))?;
    runtime.block_on(command)
}

/// The id that makes repeating safe: the caller's, or a new one.
pub(crate) fn request_id(given: Option<Uuid>) -> String {
    given.unwrap_or_else(|| SystemIds.uuid()).to_string()
}

/// Whether a status means that the part was not reached or broke off, rather than refused.
pub(crate) fn is_interruption(status: &Status) -> bool {
    use tonic::Code;
    matches!(
        status.code(),
        Code::Unavailable | Code::Cancelled | Code::Unknown | Code::DeadlineExceeded
    )
}

/// When the part says to ask again, if it does: it was reached, and has not refused.
pub(crate) fn told_to_wait(status: &Status) -> Option<Duration> {
    let details = status.get_error_details();
    details.retry_info().and_then(|info| info.retry_delay)
}

/// Whether a stream that ended like this can be taken up again.
pub(crate) fn can_be_taken_up(status: &Status) -> bool {
    is_interruption(status) || told_to_wait(status).is_some()
}

/// Whether a call that ended like this may have taken effect: a part that knows better says so.
pub(crate) fn may_have_happened(status: &Status) -> bool {
    chassis::fault::outcome_unknown(status)
        || chassis::fault::metadata_of(status, "committed").as_deref() == Some("unknown")
}

// === impl Session ===

impl Session {
    /// A session of the person that the options name, else of `default_identity` when there is a local deployment.
    pub(crate) fn open(connect: &ConnectArgs, global: &GlobalArgs, default_identity: &str) -> Result<Self, CliError> {
        let who = match (&connect.identity, &connect.token_file) {
            (Some(name), _) => local(name, global)?,
            (None, Some(path)) => Who::Bearer(read_token(path)?),
            (None, None) => local(default_identity, global)?,
        };
        let data = DataDir::of(global).ok();
        Ok(Self {
            who,
            connect: connect.clone(),
            data,
        })
    }

    /// The name of the local identity; nothing with a token of one's own.
    pub(crate) fn local_name(&self) -> Option<&str> {
        match &self.who {
            Who::Local { name, .. } => Some(name),
            Who::Bearer(_) => None,
        }
    }

    pub(crate) fn governance(&self) -> Result<GovernanceServiceClient<Channel>, CliError> {
        let channel = self.channel(PartName::Orchestrator)?;
        Ok(GovernanceServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES))
    }

    pub(crate) fn approvals(&self) -> Result<ApprovalServiceClient<Channel>, CliError> {
        let channel = self.channel(PartName::Approval)?;
        Ok(ApprovalServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES))
    }

    pub(crate) fn warrants(&self) -> Result<WarrantServiceClient<Channel>, CliError> {
        let channel = self.channel(PartName::Approval)?;
        Ok(WarrantServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES))
    }

    pub(crate) fn traces(&self) -> Result<TraceServiceClient<Channel>, CliError> {
        let channel = self.channel(PartName::Trace)?;
        Ok(TraceServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES))
    }

    /// A call that answers once.
    pub(crate) fn call<M>(&self, audience: Audience, message: M) -> Result<Request<M>, CliError> {
        let mut request = self.stream(audience, message)?;
        request.set_timeout(CALL_TIMEOUT);
        Ok(request)
    }

    /// A call that answers for as long as there is something to say.
    pub(crate) fn stream<M>(&self, audience: Audience, message: M) -> Result<Request<M>, CliError> {
        let token = match &self.who {
            Who::Bearer(token) => token.expose_secret().to_owned(),
            Who::Local { name, identity, issuer } => {
                issuer.token(name, identity, audience, CALL_TTL, &SystemClock::default())?
            }
        };
        let mut header: MetadataValue<_> = format!("Bearer {token}")
            .parse()
            .map_err(|_| CliError::usage("the token contains characters that no token has"))?;
        header.set_sensitive(true);
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", header);
        Ok(request)
    }

    /// What a part's refusal or silence means.
    pub(crate) fn failed(&self, part: PartName, status: &Status) -> CliError {
        let url = self.url(part).unwrap_or_default();
        CliError::status(part.as_str(), &url, status)
    }

    fn channel(&self, part: PartName) -> Result<Channel, CliError> {
        let url = self.url(part)?;
        if !url.starts_with("http://") {
            return Err(CliError::usage(format!("`{url}` is not an http:// URL"))
                .hint("for TLS, connect through a proxy of your own that speaks it"));
        }
        let endpoint = Endpoint::from_shared(url.clone())
            .map_err(|error| CliError::usage(format!("`{url}` is not a URL: {error}")))?;
        let endpoint = endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .tcp_nodelay(true);
        Ok(endpoint.connect_lazy())
    }

    fn url(&self, part: PartName) -> Result<String, CliError> {
        let given = match part {
            PartName::Orchestrator => &self.connect.endpoint_orchestrator,
            PartName::Approval => &self.connect.endpoint_approval,
            PartName::Trace => &self.connect.endpoint_trace,
            PartName::Classifier | PartName::Executor | PartName::SimulatedApprover => &None,
        };
        if let Some(url) = given {
            return Ok(url.clone());
        }
        // Read each time: an instance that was started again may have other ports.
        let endpoints = self.data.as_ref().map(Endpoints::load).transpose()?.flatten();
        let known = endpoints.as_ref().and_then(|endpoints| endpoints.of(part));
        known.map(ToOwned::to_owned).ok_or_else(|| {
            let place = self
                .data
                .as_ref()
                .map_or_else(String::new, |data| format!(" on `{}`", data.path().display()));
            CliError::new(format!("no running instance{place}, and no endpoint of {part} given"))
                .hint("start `countersign up`, give its --data-dir, or give the endpoint")
        })
    }
}

fn local(name: &str, global: &GlobalArgs) -> Result<Who, CliError> {
    let data = DataDir::of(global)?;
    let identity = Identities::load(&data)?.get(name)?.clone();
    let issuer = LocalIssuer::load(&data)?;
    Ok(Who::Local {
        name: name.to_owned(),
        identity,
        issuer,
    })
}

fn read_token(path: &Path) -> Result<SecretString, CliError> {
    chassis::secret::read(path)
        .map_err(|error| CliError::new(format!("can't use the token file: {}", with_causes(&error))))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tonic::Code;
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn only_what_a_part_answers_says_that_nothing_happened() {
        let answered = |code, reason: &str, metadata: &[(&str, &str)]| {
            let metadata: HashMap<_, _> = metadata
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect();
            let details = ErrorDetails::with_error_info(reason, "approval.countersign", metadata);
            may_have_happened(&Status::with_error_details(code, "", details))
        };
        let unknown = [("committed", "unknown")];
        assert!(may_have_happened(&Status::unavailable("connection reset")));
        assert!(answered(Code::Internal, "INTERNAL", &[]));
        assert!(answered(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", &[]));
        assert!(answered(Code::Unavailable, "PART_UNAVAILABLE", &unknown));
        assert!(!answered(Code::Unavailable, "PART_UNAVAILABLE", &[]));
        assert!(!answered(Code::Aborted, "STALE_ETAG", &[]));
        assert!(!may_have_happened(&Status::unimplemented("")));
    }
}

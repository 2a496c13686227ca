//! Names of attributes and event types, so that producers and readers agree.
//!
//! Names follow the `OpenTelemetry` conventions for generative AI where they exist (`gen_ai.*`), else they are ours (`countersign.*`).

/// The tenant of the run.
pub const TENANT: &str = "countersign.tenant";
/// Issuer of the requester's token.
pub const ISSUER: &str = "countersign.issuer";
/// Subject of the requester's token.
pub const REQUESTER: &str = "countersign.requester";
/// The approval, `approvals/{uuid}`.
pub const APPROVAL: &str = "countersign.approval";
/// Revision that was decided on.
pub const REVISION: &str = "countersign.revision";
/// Id of the warrant.
pub const WARRANT_JTI: &str = "countersign.warrant.jti";
/// Mode of the warrant: `policy`, `people`, `simulated`, `break_glass`.
pub const MODE: &str = "countersign.mode";
/// Execution attempt, from 1.
pub const ATTEMPT: &str = "countersign.attempt";
/// Digest of the policy that classified the action.
pub const POLICY_DIGEST: &str = "countersign.policy.digest";
/// Rules that led to the risk, comma separated.
pub const RULES: &str = "countersign.rules";
/// The classifier's signed verdict.
pub const VERDICT_JWS: &str = "countersign.verdict_jws";
/// The warrant.
pub const WARRANT_JWS: &str = "countersign.warrant_jws";
/// SHA-256 of the request that goes to the gateway.
pub const GATEWAY_REQUEST_SHA256: &str = "countersign.gateway_request_sha256";
/// How the execution ended.
pub const OUTCOME: &str = "countersign.outcome";
/// A person's or policy's reason.
pub const REASON: &str = "countersign.reason";
/// Number of events in the trace before its `trace.closed`.
pub const EVENT_COUNT: &str = "countersign.event_count";
/// Whether the event came after its trace had been closed.
pub const LATE: &str = "countersign.late";
/// The caller's own `traceparent`, kept as a link.
pub const LINK_TRACEPARENT: &str = "countersign.link.traceparent";
/// The agent.
pub const AGENT: &str = "gen_ai.agent.name";
/// The conversation.
pub const CONVERSATION: &str = "gen_ai.conversation.id";
/// The gateway's own id of the run.
pub const RESPONSE_ID: &str = "gen_ai.response.id";
/// The tool of a tool call.
pub const TOOL: &str = "gen_ai.tool.name";
/// The kind of operation: `invoke_agent` or `execute_tool`.
pub const OPERATION: &str = "gen_ai.operation.name";
/// Tokens that the model read.
pub const INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
/// Tokens that the model wrote.
pub const OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";

/// Types of events.
pub mod event {
    /// A request was received.
    pub const REQUEST_RECEIVED: &str = "request.received";
    /// The classifier's verdict on it.
    pub const REQUEST_CLASSIFIED: &str = "request.classified";
    /// Its approval was created.
    pub const APPROVAL_REQUESTED: &str = "approval.requested";
    /// A person voted.
    pub const APPROVAL_VOTED: &str = "approval.voted";
    /// It may be executed.
    pub const APPROVAL_GRANTED: &str = "approval.granted";
    /// It was refused.
    pub const APPROVAL_DENIED: &str = "approval.denied";
    /// Its time ran out.
    pub const APPROVAL_EXPIRED: &str = "approval.expired";
    /// Its requester withdrew it.
    pub const APPROVAL_CANCELLED: &str = "approval.cancelled";
    /// Its grant was taken back.
    pub const APPROVAL_REVOKED: &str = "approval.revoked";
    /// What came of its execution is not known.
    pub const EXECUTION_UNKNOWN: &str = "execution.unknown";
    /// It reached a terminal state.
    pub const APPROVAL_CLOSED: &str = "approval.closed";
    /// Its execution begins.
    pub const EXECUTION_STARTED: &str = "execution.started";
    /// Its execution ended with an answer.
    pub const EXECUTION_FINISHED: &str = "execution.finished";
    /// Its execution ended without one.
    pub const EXECUTION_FAILED: &str = "execution.failed";
    /// The agent asks for a tool.
    pub const TOOL_REQUESTED: &str = "tool.requested";
    /// The tool call was decided.
    pub const TOOL_DECIDED: &str = "tool.decided";
    /// All events of the trace are recorded.
    pub const TRACE_CLOSED: &str = "trace.closed";
    /// The log was repaired at start.
    pub const LOG_RECOVERED: &str = "log.recovered";
}

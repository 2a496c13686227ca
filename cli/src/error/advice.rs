//! What to do about each reason that a part can give.

use proto::common::v1::ErrorReason;

/// What to do about each reason, in one line.
pub(super) const fn advice(reason: ErrorReason) -> &'static str {
    match reason {
        ErrorReason::InvalidFields => "correct the fields named above",
        ErrorReason::InvalidPageToken => "list again from the first page",
        ErrorReason::RequestIdReused => {
            "use a new --request-id for another request, or repeat the old one unchanged (a decision with its --etag)"
        }
        ErrorReason::Overloaded | ErrorReason::ShuttingDown => "wait a moment and try again",
        ErrorReason::MessageTooLarge => "shorten the request",
        ErrorReason::DeadlineExceeded | ErrorReason::PartUnavailable => {
            "check that all parts are running, then repeat with the same --request-id"
        }
        ErrorReason::TokenMissing => "name an identity with --as, or give --token-file",
        ErrorReason::TokenInvalid => {
            "get a token of an issuer that this deployment trusts (`countersign token create` for a local one)"
        }
        ErrorReason::TokenExpired => "get a fresh token",
        ErrorReason::WrongAudience => {
            "runs and traces need a token of audience `countersign/governance`, decisions one of `countersign/approval`"
        }
        ErrorReason::NotPermitted => "use an identity with the right to do this; deciding needs the group `approvers`",
        ErrorReason::ForwardedCredential => "call approval-svc directly with the decider's own token",
        ErrorReason::RequesterMismatch => "ask with the token of the person who requests",
        ErrorReason::SubjectMissing => "forward the requester's token",
        ErrorReason::PolicyNotFound => "ask for `policies/live`, or for `policies/shadow` if there is one",
        ErrorReason::PolicyRefused => "correct the policy; `countersign policy lint` says all that is wrong with it",
        ErrorReason::RunNotFound => "check the name with the identity that submitted the run",
        ErrorReason::AgentNotAllowed => {
            "choose an agent that the executor allows (`--allowed-agents`), or have this one allowed"
        }
        ErrorReason::ApprovalNotFound => "see `countersign approvals list` for what there is",
        ErrorReason::WrongState => {
            "look at it again with `countersign approvals show`; its state no longer allows this"
        }
        ErrorReason::StaleEtag => {
            "it changed since it was read: look again with `countersign approvals show`, then decide"
        }
        ErrorReason::DigestMismatch => "this is not the action you saw: look again with `countersign approvals show`",
        ErrorReason::SelfApproval => "ask another approver: nobody decides on their own request",
        ErrorReason::ApprovalExpired => "submit the request again",
        ErrorReason::SimulationDisabled => "start with --simulated-approver to try without people",
        ErrorReason::AlreadyDecided => "see `countersign approvals show` for the votes",
        ErrorReason::TooManyPending => "have pending requests decided or cancel some (`countersign approvals list`)",
        ErrorReason::ReceiptPending => "wait until trace-svc answers again",
        ErrorReason::GatewayUnavailable => "check that the OpenClaw Gateway is running and that --gateway-url is right",
        ErrorReason::TraceNotFound => "check the name; requesters see their own traces, auditors those of their tenant",
        ErrorReason::LogUnavailable => "check the disk of trace-svc",
        ErrorReason::ClockSkew => "synchronise the clocks of the machines",
        ErrorReason::UnknownMethod => "use a client of the same version as the server",
        ErrorReason::Unspecified
        | ErrorReason::Internal
        | ErrorReason::VerdictRejected
        | ErrorReason::WarrantRejected
        | ErrorReason::WarrantSpent
        | ErrorReason::SimulatedWarrant
        | ErrorReason::ClaimLost
        | ErrorReason::LeaseTooShort
        | ErrorReason::EventConflict
        | ErrorReason::EventTypeNotAllowed
        | ErrorReason::TraceMismatch => "see the service's log under the request id",
    }
}

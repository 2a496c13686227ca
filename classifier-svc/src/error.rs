//! What can go wrong with a classification, and how it looks on the wire.

use chassis::{
    fault::{Code, Fault},
    part::PartName,
};
use proto::common::v1::ErrorReason;

use crate::policy::PolicyError;

/// Domain of this service's errors.
pub const DOMAIN: &str = PartName::Classifier.domain();

/// Why an action isn't classified.
#[derive(Debug, thiserror::Error)]
pub enum ClassifyError {
    /// No person is asking.
    #[error("actions are classified for a person, and no person's credential was presented")]
    SubjectMissing,
    /// The action names somebody else.
    #[error("the action's {field} is not the one of the credential")]
    RequesterMismatch {
        /// The field that differs.
        field: &'static str,
    },
    /// No such policy is at work.
    #[error("no policy `{name}` is at work")]
    PolicyNotFound {
        /// The name that was asked for.
        name: String,
    },
    /// A policy that was sent is none.
    #[error("the policy is refused: {0}")]
    PolicyRefused(PolicyError),
    /// The verdict can't be signed.
    #[error("the verdict can't be signed")]
    Unsigned(#[from] warrant::TokenError),
}

// === impl ClassifyError ===

impl Fault for ClassifyError {
    fn domain(&self) -> &'static str {
        DOMAIN
    }

    fn code(&self) -> Code {
        match self {
            Self::SubjectMissing => Code::Unauthenticated,
            Self::RequesterMismatch { .. } => Code::PermissionDenied,
            Self::PolicyNotFound { .. } => Code::NotFound,
            Self::PolicyRefused(_) => Code::InvalidArgument,
            Self::Unsigned(_) => Code::Internal,
        }
    }

    fn reason(&self) -> ErrorReason {
        match self {
            Self::SubjectMissing => ErrorReason::SubjectMissing,
            Self::RequesterMismatch { .. } => ErrorReason::RequesterMismatch,
            Self::PolicyNotFound { .. } => ErrorReason::PolicyNotFound,
            Self::PolicyRefused(_) => ErrorReason::PolicyRefused,
            Self::Unsigned(_) => ErrorReason::Internal,
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::RequesterMismatch { field } => vec![("field", (*field).to_owned())],
            Self::PolicyNotFound { name } => vec![("name", name.clone())],
            Self::SubjectMissing | Self::PolicyRefused(_) | Self::Unsigned(_) => Vec::new(),
        }
    }
}

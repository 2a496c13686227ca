//! What can go wrong with a classification, and how it looks on the wire.

use chassis::{
    fault::{Code, Fault},
    part::PartName,
};
use proto::common::v1::ErrorReason;

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
            Self::Unsigned(_) => Code::Internal,
        }
    }

    fn reason(&self) -> ErrorReason {
        match self {
            Self::SubjectMissing => ErrorReason::SubjectMissing,
            Self::RequesterMismatch { .. } => ErrorReason::RequesterMismatch,
            Self::Unsigned(_) => ErrorReason::Internal,
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::RequesterMismatch { field } => vec![("field", (*field).to_owned())],
            Self::SubjectMissing | Self::Unsigned(_) => Vec::new(),
        }
    }
}

//! Why a call was refused before it reached its handler.

use proto::common::v1::ErrorReason;

use crate::fault::{Code, Fault};

/// A call that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("no bearer token in `authorization`")]
    Missing,
    #[error("the token is malformed, of an unknown issuer or key, or wrongly signed")]
    Invalid(&'static str),
    #[error("the token has expired or is not valid yet")]
    Expired,
    #[error("the token is for another audience")]
    WrongAudience,
    #[error("no right to call this")]
    NotPermitted,
    #[error("there is no such method")]
    UnknownMethod,
    #[error("decisions and direct calls can't be made with a forwarded token")]
    Forwarded,
    #[error("a part must forward the token of the person it acts for")]
    SubjectMissing,
}

// === impl Refusal ===

impl Refusal {
    /// What is wrong with a token, for the log only: strangers learn nothing of what would be right.
    pub(crate) const fn detail(&self) -> Option<&'static str> {
        match self {
            Self::Invalid(detail) => Some(detail),
            _ => None,
        }
    }
}

impl Fault for Refusal {
    fn domain(&self) -> &'static str {
        "countersign"
    }

    fn code(&self) -> Code {
        match self {
            Self::Missing | Self::Invalid(_) | Self::Expired | Self::WrongAudience | Self::SubjectMissing => {
                Code::Unauthenticated
            }
            Self::NotPermitted | Self::Forwarded => Code::PermissionDenied,
            Self::UnknownMethod => Code::Unimplemented,
        }
    }

    fn reason(&self) -> ErrorReason {
        match self {
            Self::Missing => ErrorReason::TokenMissing,
            Self::Invalid(_) => ErrorReason::TokenInvalid,
            Self::Expired => ErrorReason::TokenExpired,
            Self::WrongAudience => ErrorReason::WrongAudience,
            Self::NotPermitted => ErrorReason::NotPermitted,
            Self::UnknownMethod => ErrorReason::UnknownMethod,
            Self::Forwarded => ErrorReason::ForwardedCredential,
            Self::SubjectMissing => ErrorReason::SubjectMissing,
        }
    }
}

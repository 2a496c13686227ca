//! Who is calling, and what they may call.
//!
//! Identity comes from credentials alone. `authorization: Bearer …` authenticates the direct caller: a person, or another
//! part of Countersign. A part that acts for a person forwards that person's token in `x-countersign-subject`. What a
//! caller may do is one table, [`Rights`]; what isn't in it is refused.

use std::collections::BTreeSet;

use proto::common::v1::ErrorReason;
use tonic::Status;

use crate::{
    fault::{self, Code},
    part::PartName,
};

mod claims;
mod credential;
mod refusal;
mod rights;
mod trust;
mod verifier;

pub use credential::{Credential, CredentialError};
pub(crate) use refusal::Refusal;
pub use rights::{Grant, PeopleAudience, Rights, RightsError};
pub use trust::{IssuerKind, Trust, TrustError, TrustedIssuer};
pub use verifier::Verifier;

/// The header in which a part forwards the token of the person it acts for.
pub const SUBJECT_HEADER: &str = "x-countersign-subject";

/// What a person's token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Audience {
    /// `countersign/governance`: to ask, and to read.
    Governance,
    /// `countersign/approval`: to decide; never forwarded.
    Approval,
}

/// A person or platform, as their token describes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Who issued the token.
    pub issuer: String,
    /// The person's id with that issuer.
    pub subject: String,
    /// The tenant they belong to.
    pub tenant: String,
    /// The groups they are in.
    pub groups: BTreeSet<String>,
    /// What the token is for.
    pub audience: Audience,
}

/// Who called directly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// A person or platform.
    Person(Person),
    /// A part of Countersign.
    Service(PartName),
}

/// Who is calling: set on every request that reaches a handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who called directly.
    pub principal: Principal,
    /// The person for whom a part acts.
    pub subject: Option<Person>,
}

// === impl Audience ===

impl Audience {
    /// The value of `aud`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Governance => "countersign/governance",
            Self::Approval => "countersign/approval",
        }
    }

    /// The audience that `aud` names.
    pub fn from_aud(aud: &str) -> Option<Self> {
        [Self::Governance, Self::Approval]
            .into_iter()
            .find(|audience| audience.as_str() == aud)
    }
}

// === impl Person ===

impl Person {
    /// `issuer#subject`: the one name of this person in records.
    pub fn id(&self) -> String {
        format!("{}#{}", self.issuer, self.subject)
    }

    /// Whether the person is in `group`.
    pub fn in_group(&self, group: &str) -> bool {
        self.groups.contains(group)
    }

    /// Whether this is the person with that issuer and subject.
    pub fn is(&self, issuer: &str, subject: &str) -> bool {
        self.issuer == issuer && self.subject == subject
    }
}

// === impl Caller ===

impl Caller {
    /// The caller of `request`.
    pub fn of<T>(request: &tonic::Request<T>) -> Result<&Self, Status> {
        request.extensions().get::<Self>().ok_or_else(|| {
            fault::status(
                "countersign",
                Code::Unauthenticated,
                ErrorReason::TokenMissing,
                "no credential was presented",
            )
        })
    }

    /// The person who is asking: directly, or through a part.
    pub const fn person(&self) -> Option<&Person> {
        match &self.principal {
            Principal::Person(person) => Some(person),
            Principal::Service(_) => self.subject.as_ref(),
        }
    }

    /// The person who called directly.
    pub const fn direct_person(&self) -> Option<&Person> {
        match &self.principal {
            Principal::Person(person) => Some(person),
            Principal::Service(_) => None,
        }
    }

    /// The part that called directly.
    pub const fn service(&self) -> Option<PartName> {
        match &self.principal {
            Principal::Person(_) => None,
            Principal::Service(part) => Some(*part),
        }
    }
}

//! The rights table: which RPC may be called by whom. Default deny.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{Audience, Caller, Person, Principal, Refusal};
use crate::part::PartName;

const TABLE: &str = include_str!("../../rights.yaml");

/// Services that anyone may call: health checks and reflection say nothing about anybody's data.
const OPEN: [&str; 3] = [
    "/grpc.health.v1.Health/",
    "/grpc.reflection.v1.ServerReflection/",
    "/grpc.reflection.v1alpha.ServerReflection/",
];

/// The rights table: RPC (`package.Service/Method`) to those who may call it.
#[derive(Debug, Clone)]
pub struct Rights(BTreeMap<String, Vec<Grant>>);

/// One way to be allowed to call an RPC.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Grant {
    /// A part of Countersign.
    Service(ServiceGrant),
    /// A person or platform, calling directly.
    People(PeopleGrant),
    /// Whoever can be authenticated.
    Anyone(AnyoneGrant),
}

/// A part of Countersign may call.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceGrant {
    /// The part, by name.
    pub service: String,
    /// Whether it must forward the token of the person it acts for, and of which audience.
    pub subject: Option<PeopleAudience>,
}

/// People may call.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeopleGrant {
    /// The audience that their token must have.
    pub people: PeopleAudience,
    /// Groups, of which they must be in one; none asked for when empty.
    #[serde(default)]
    pub groups: BTreeSet<String>,
}

/// Whoever can be authenticated may call.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnyoneGrant {
    /// Always true.
    pub anyone: bool,
}

/// Which audience a person's token must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PeopleAudience {
    /// `countersign/governance`.
    Governance,
    /// `countersign/approval`.
    Approval,
    /// Either.
    Any,
}

/// The rights table is malformed.
#[derive(Debug, thiserror::Error)]
#[error("rights table: {0}")]
pub struct RightsError(String);

// === impl Rights ===

impl Rights {
    /// The table that Countersign ships.
    pub fn shipped() -> Result<Self, RightsError> {
        Self::parse(TABLE)
    }

    /// Reads a table.
    pub fn parse(text: &str) -> Result<Self, RightsError> {
        let table: BTreeMap<String, Vec<Grant>> =
            serde_saphyr::from_str(text).map_err(|error| RightsError(error.to_string()))?;
        if table
            .values()
            .flatten()
            .any(|grant| matches!(grant, Grant::Anyone(AnyoneGrant { anyone: false })))
        {
            return Err(RightsError("`anyone` is true, or it isn't there".to_owned()));
        }
        let unknown = table.values().flatten().find_map(|grant| match grant {
            Grant::Service(grant) => grant.service.parse::<PartName>().err(),
            Grant::People(_) | Grant::Anyone(_) => None,
        });
        unknown.map_or(Ok(Self(table)), |error| Err(RightsError(error.to_string())))
    }

    /// Every RPC with those who may call it.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[Grant])> {
        self.0.iter().map(|(rpc, grants)| (rpc.as_str(), grants.as_slice()))
    }

    /// Whether `path` (`/package.Service/Method`) needs no credential.
    pub(crate) fn is_open(path: &str) -> bool {
        OPEN.iter().any(|prefix| path.starts_with(prefix))
    }

    /// Whether `caller` may call `path`; else why not, as closely as the caller may know.
    pub(crate) fn check(&self, path: &str, caller: &Caller) -> Result<(), Refusal> {
        let grants = self.0.get(path.trim_start_matches('/')).ok_or(Refusal::UnknownMethod)?;
        let mut closest = Refusal::NotPermitted;
        for grant in grants {
            match grant.check(caller) {
                Ok(()) => return Ok(()),
                Err(Refusal::NotPermitted) => {}
                Err(closer) => closest = closer,
            }
        }
        let people_may = grants.iter().any(|grant| matches!(grant, Grant::People(_)));
        let nobody_forwards = !grants.iter().any(Grant::takes_subject);
        if people_may && nobody_forwards && caller.subject.is_some() {
            return Err(Refusal::Forwarded);
        }
        Err(closest)
    }
}

// === impl Grant ===

impl Grant {
    fn check(&self, caller: &Caller) -> Result<(), Refusal> {
        match (self, &caller.principal) {
            (Self::Anyone(_), _) => Ok(()),
            (Self::People(grant), Principal::Person(person)) => grant.check(person),
            (Self::Service(grant), Principal::Service(part)) if grant.service == part.as_str() => {
                grant.check_subject(caller.subject.as_ref())
            }
            _ => Err(Refusal::NotPermitted),
        }
    }

    /// Whether a part may call for a person whose token it forwards.
    const fn takes_subject(&self) -> bool {
        matches!(self, Self::Service(ServiceGrant { subject: Some(_), .. }))
    }
}

// === impl ServiceGrant ===

impl ServiceGrant {
    fn check_subject(&self, subject: Option<&Person>) -> Result<(), Refusal> {
        match (self.subject, subject) {
            (None, None) => Ok(()),
            (None, Some(_)) => Err(Refusal::Forwarded),
            (Some(_), None) => Err(Refusal::SubjectMissing),
            (Some(audience), Some(person)) if audience.admits(person.audience) => Ok(()),
            (Some(_), Some(_)) => Err(Refusal::WrongAudience),
        }
    }
}

// === impl PeopleGrant ===

impl PeopleGrant {
    fn check(&self, person: &Person) -> Result<(), Refusal> {
        if !self.people.admits(person.audience) {
            return Err(Refusal::WrongAudience);
        }
        let in_a_group = self.groups.is_empty() || self.groups.iter().any(|group| person.in_group(group));
        if in_a_group { Ok(()) } else { Err(Refusal::NotPermitted) }
    }
}

// === impl PeopleAudience ===

impl PeopleAudience {
    fn admits(self, audience: Audience) -> bool {
        match self {
            Self::Governance => audience == Audience::Governance,
            Self::Approval => audience == Audience::Approval,
            Self::Any => true,
        }
    }
}

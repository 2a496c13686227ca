//! What a token says: read, verified under a key, and understood as a person's or a part's.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jsonwebtoken::Validation;
use serde::Deserialize;
use warrant::{CLOCK_LEEWAY, identifier_fault};

use super::{
    Audience, Person, Refusal,
    trust::{Issuer, Key},
};
use crate::part::PartName;

const MAX_SERVICE_LIFETIME: Duration = Duration::from_mins(5);

/// The claims that count. Times are seconds since 1970, as in RFC 7519.
#[derive(Deserialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    sub: String,
    aud: Audiences,
    exp: u64,
    #[serde(default)]
    nbf: Option<u64>,
    #[serde(default)]
    iat: Option<u64>,
    #[serde(default)]
    tenant: Option<String>,
    #[serde(default)]
    groups: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audiences {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct IssuerOnly {
    iss: String,
}

/// Which key a token names.
pub(super) fn key_id(token: &str) -> Result<String, Refusal> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| Refusal::Invalid("its header can't be read"))?;
    // Whoever doesn't know what is critical must refuse it (RFC 7515, section 4.1.11); no extension is known here.
    if header.crit.is_some() {
        return Err(Refusal::Invalid("its header has `crit`"));
    }
    header.kid.ok_or(Refusal::Invalid("its header has no `kid`"))
}

/// Which issuer a token names; nothing of it is verified yet.
pub(super) fn unverified_issuer(token: &str) -> Result<String, Refusal> {
    let named: Result<IssuerOnly, _> = jsonwebtoken::dangerous::insecure_decode_claims(token);
    named
        .map(|claims| claims.iss)
        .map_err(|_| Refusal::Invalid("its claims can't be read, or name no `iss`"))
}

fn shows_itself(name: &str) -> bool {
    !name.trim().is_empty() && identifier_fault(name).is_none()
}

// === impl Claims ===

impl Claims {
    /// The claims of a token that this key has signed.
    pub(super) fn signed(token: &str, key: &Key) -> Result<Self, Refusal> {
        use jsonwebtoken::errors::ErrorKind;
        let mut validation = Validation::new(key.algorithm);
        // Times are checked against the part's own clock, audiences by the kind of issuer.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        let decoded = jsonwebtoken::decode::<Self>(token, &key.decoding, &validation);
        decoded.map(|data| data.claims).map_err(|error| match error.kind() {
            ErrorKind::InvalidAlgorithm => Refusal::Invalid("its `alg` is not the one of its key"),
            ErrorKind::Json(_) | ErrorKind::MissingRequiredClaim(_) => Refusal::Invalid(
                "a claim is missing or of another form: `sub` is a text, `aud` one or a list, `exp`, `iat` and `nbf` \
                 whole seconds, `groups` a list",
            ),
            _ => Refusal::Invalid("its signature doesn't verify"),
        })
    }

    /// When the token expires; no leeway on `exp`.
    pub(super) fn check_times(&self, now: SystemTime) -> Result<SystemTime, Refusal> {
        let at = |seconds: u64| {
            UNIX_EPOCH
                .checked_add(Duration::from_secs(seconds))
                .ok_or(Refusal::Invalid("a time lies beyond all clocks"))
        };
        let expires = at(self.exp)?;
        let starts = at(self.nbf.max(self.iat).unwrap_or_default())?;
        if now >= expires || now + CLOCK_LEEWAY < starts {
            return Err(Refusal::Expired);
        }
        Ok(expires)
    }

    /// The person whom an issuer of people names.
    pub(super) fn person(self, issuer: &Issuer) -> Result<Person, Refusal> {
        let audience = self.aud.audience().ok_or(Refusal::WrongAudience)?;
        let tenant = self.tenant.ok_or(Refusal::Invalid("it has no `tenant`"))?;
        if !issuer.tenants.is_empty() && !issuer.tenants.contains(&tenant) {
            return Err(Refusal::Invalid("its issuer may not speak for its `tenant`"));
        }
        // A name that hides something, or breaks a line, would look like another one in records.
        if !shows_itself(&self.sub) {
            return Err(Refusal::Invalid("its `sub` is empty or has characters that don't show"));
        }
        if !shows_itself(&tenant) {
            return Err(Refusal::Invalid(
                "its `tenant` is empty or has characters that don't show",
            ));
        }
        Ok(Person {
            issuer: self.iss,
            subject: self.sub,
            tenant,
            groups: self.groups,
            audience,
        })
    }

    /// The part that a service token stands for: its key must be pinned to it, and the token meant for `target`.
    pub(super) fn service(&self, key_id: &str, target: PartName) -> Result<PartName, Refusal> {
        let part = self.sub.parse();
        let part: PartName = part.map_err(|_| Refusal::Invalid("its `sub` is no part"))?;
        let pinned = key_id.split_once('/').is_some_and(|(owner, _)| owner == part.as_str());
        if !pinned {
            return Err(Refusal::Invalid("its key is not pinned to its `sub`"));
        }
        let issued = self.iat.ok_or(Refusal::Invalid("a service token needs `iat`"))?;
        if self.exp.saturating_sub(issued) > MAX_SERVICE_LIFETIME.as_secs() {
            return Err(Refusal::Invalid("a service token lives five minutes at most"));
        }
        match &self.aud {
            Audiences::One(aud) if aud == target.as_str() => Ok(part),
            _ => Err(Refusal::WrongAudience),
        }
    }
}

// === impl Audiences ===

impl Audiences {
    /// The one Countersign audience among them: a token that could both ask and decide is for neither.
    fn audience(&self) -> Option<Audience> {
        let names = match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => names.as_slice(),
        };
        let mut ours = names.iter().filter_map(|name| Audience::from_aud(name));
        ours.next().filter(|_| ours.next().is_none())
    }
}

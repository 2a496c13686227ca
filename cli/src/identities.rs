//! The local issuer: who it knows, and the tokens it signs for them.
//!
//! `countersign up` makes it for one machine, in place of an identity provider. Its private key lies in the data
//! directory; whoever can read that can be anyone of its tenant.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use chassis::{auth::Audience, clock::Clock, fault::with_causes};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use warrant::SigningKey;

use crate::{
    error::CliError,
    paths::{self, DataDir},
};

/// The `iss` of the local issuer's tokens.
pub(crate) const LOCAL_ISSUER: &str = "countersign/local";

/// Tenant of the identities that are there from the start.
pub(crate) const LOCAL_TENANT: &str = "acme";

/// How long a token lives that a command makes for its own calls.
pub(crate) const CALL_TTL: Duration = Duration::from_mins(5);

/// The people that the local issuer knows, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identities {
    pub(crate) identities: BTreeMap<String, Identity>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    pub(crate) tenant: String,
    #[serde(default)]
    pub(crate) groups: BTreeSet<String>,
}

/// Signs tokens in the name of the local issuer.
pub(crate) struct LocalIssuer {
    key: EncodingKey,
    key_id: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'static str,
    sub: &'a str,
    tenant: &'a str,
    groups: &'a BTreeSet<String>,
    aud: &'static str,
    iat: u64,
    exp: u64,
}

// === impl Identities ===

impl Identities {
    /// Those that are there from the start.
    pub(crate) fn initial() -> Self {
        let groups: [(&str, &[&str]); 5] = [
            ("alice", &[]),
            ("bob", &["approvers"]),
            ("carol", &["auditors"]),
            ("dave", &["approvers"]),
            ("olga", &["operators"]),
        ];
        let identities = groups.into_iter().map(|(name, groups)| {
            let groups = groups.iter().map(ToString::to_string).collect();
            (
                name.to_owned(),
                Identity {
                    tenant: LOCAL_TENANT.to_owned(),
                    groups,
                },
            )
        });
        Self {
            identities: identities.collect(),
        }
    }

    /// Those of a data directory.
    pub(crate) fn load(data: &DataDir) -> Result<Self, CliError> {
        if !data.exists() {
            return Err(
                CliError::new(format!("no local identities in `{}`", data.path().display()))
                    .hint("start `countersign up` once, give its --data-dir, or use --token-file"),
            );
        }
        let path = data.identities();
        serde_json::from_str(&paths::read(&path)?)
            .map_err(|error| CliError::new(format!("malformed `{}`: {error}", path.display())))
    }

    /// Writes them to a data directory, where they may be edited.
    pub(crate) fn store(&self, data: &DataDir) -> Result<(), CliError> {
        let text = serde_json::to_string_pretty(self).map_err(|error| CliError::new(error.to_string()))?;
        paths::write_private(&data.identities(), format!("{text}\n").as_bytes())
    }

    /// The one of this name.
    pub(crate) fn get(&self, name: &str) -> Result<&Identity, CliError> {
        self.identities.get(name).ok_or_else(|| {
            let known: Vec<_> = self.identities.keys().map(String::as_str).collect();
            CliError::usage(format!("the local issuer knows no `{name}`"))
                .hint(format!("use one of {}", known.join(", ")))
        })
    }
}

// === impl LocalIssuer ===

impl LocalIssuer {
    /// The issuer of a data directory.
    pub(crate) fn load(data: &DataDir) -> Result<Self, CliError> {
        let path = data.people_key();
        let unusable = |detail: String| CliError::new(format!("can't use the local issuer's key: {detail}"));
        let pem = chassis::secret::read(&path).map_err(|error| {
            unusable(with_causes(&error)).hint("start `countersign up` once, give its --data-dir, or use --token-file")
        })?;
        let public = SigningKey::from_pkcs8_pem(pem.expose_secret()).map_err(|error| unusable(error.to_string()))?;
        let key =
            EncodingKey::from_ed_pem(pem.expose_secret().as_bytes()).map_err(|error| unusable(error.to_string()))?;
        Ok(Self {
            key,
            key_id: public.key_id().to_owned(),
        })
    }

    /// A token for one person and one audience, valid from now on.
    pub(crate) fn token(
        &self,
        subject: &str,
        identity: &Identity,
        audience: Audience,
        ttl: Duration,
        clock: &dyn Clock,
    ) -> Result<String, CliError> {
        let iat = seconds_of(clock.now());
        let claims = Claims {
            iss: LOCAL_ISSUER,
            sub: subject,
            tenant: &identity.tenant,
            groups: &identity.groups,
            aud: audience.as_str(),
            iat,
            exp: iat + ttl.as_secs(),
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.key_id.clone());
        jsonwebtoken::encode(&header, &claims, &self.key)
            .map_err(|error| CliError::new(format!("can't sign a token: {error}")))
    }
}

impl std::fmt::Debug for LocalIssuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalIssuer")
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

fn seconds_of(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_round_trip_and_an_unknown_name_lists_those_there_are() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::at(folder.path());
        assert!(
            Identities::load(&data)
                .unwrap_err()
                .render(crate::Palette::new(false))
                .contains("countersign up")
        );
        Identities::initial().store(&data).unwrap();
        let identities = Identities::load(&data).unwrap();
        assert_eq!(identities, Identities::initial());
        assert!(identities.get("bob").unwrap().groups.contains("approvers"));
        let error = identities
            .get("mallory")
            .unwrap_err()
            .render(crate::Palette::new(false));
        assert!(error.contains("use one of alice, bob, carol, dave, olga"), "{error}");
    }
}

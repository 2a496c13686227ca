//! The keys of a deployment in a folder of the test's own, tokens of everybody in it, and forgeries.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use chassis::{PartName, auth::Credential};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use warrant::{KeySet, Signer, SigningKey};

/// Issuer of people's tokens.
pub const PEOPLE: &str = "https://people.example";
/// Another issuer of people's tokens, for the same tenants.
pub const PARTNERS: &str = "https://partners.example";
/// Issuer of services' tokens.
pub const SERVICES: &str = "countersign/services";
/// Issuer of verdicts.
pub const VERDICTS: &str = "classifier-svc";
/// Issuer of warrants.
pub const WARRANTS: &str = "approval-svc";
/// The tenant of everybody in a test, unless it says otherwise.
pub const TENANT: &str = "acme";

/// The keys of one deployment.
#[derive(Debug)]
pub struct Authority {
    folder: PathBuf,
}

/// A person with the groups they are in.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Issuer of their tokens.
    pub issuer: &'static str,
    /// Subject of their tokens.
    pub subject: String,
    /// Their groups.
    pub groups: Vec<String>,
    /// Their tenant.
    pub tenant: String,
}

// === impl Authority ===

impl Authority {
    /// Makes the keys, key sets and trust file of a deployment in `folder`.
    pub fn create(folder: &Path) -> Self {
        let authority = Self {
            folder: folder.to_owned(),
        };
        fs::create_dir_all(folder).unwrap();
        for name in ["people", "partners", "verdict", "warrant"]
            .into_iter()
            .chain(PartName::ALL.map(PartName::as_str))
        {
            let pem = key(name).to_pkcs8_pem().unwrap();
            fs::write(authority.path(&format!("{name}.pem")), pem.as_bytes()).unwrap();
        }
        for name in ["people", "partners", "verdict", "warrant"] {
            let keys = KeySet::from(key(name).public().clone());
            fs::write(authority.path(&format!("{name}.jwks.json")), keys.to_json()).unwrap();
        }
        let services: Vec<Value> = PartName::ALL.into_iter().map(service_jwk).collect();
        fs::write(
            authority.path("services.jwks.json"),
            json!({ "keys": services }).to_string(),
        )
        .unwrap();
        let issuers = json!({ "issuers": [
            { "issuer": PEOPLE, "kind": "people", "key_set_file": "people.jwks.json" },
            { "issuer": PARTNERS, "kind": "people", "key_set_file": "partners.jwks.json" },
            { "issuer": SERVICES, "kind": "services", "key_set_file": "services.jwks.json" },
        ]});
        fs::write(authority.path("trust.yaml"), issuers.to_string()).unwrap();
        authority
    }

    /// A file of the deployment: `trust.yaml`, `verdict.pem`, `warrant.jwks.json`, `<part>.pem` …
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Signs verdicts as the classifier does.
    pub fn verdict_signer(&self) -> Signer {
        Signer::new(VERDICTS, key("verdict"))
    }

    /// Signs warrants as approval-svc does.
    pub fn warrant_signer(&self) -> Signer {
        Signer::new(WARRANTS, key("warrant"))
    }
}

// === impl Identity ===

impl Identity {
    /// Somebody in no group.
    pub fn named(subject: &str) -> Self {
        Self {
            issuer: PEOPLE,
            subject: subject.to_owned(),
            groups: Vec::new(),
            tenant: TENANT.to_owned(),
        }
    }

    /// Asks for things.
    pub fn alice() -> Self {
        Self::named("alice")
    }

    /// Decides.
    pub fn bob() -> Self {
        Self::named("bob").in_groups(&["approvers"])
    }

    /// Reads everything of the tenant.
    pub fn carol() -> Self {
        Self::named("carol").in_groups(&["auditors"])
    }

    /// The same person in these groups.
    #[must_use]
    pub fn in_groups(mut self, groups: &[&str]) -> Self {
        self.groups = groups.iter().map(ToString::to_string).collect();
        self
    }

    /// The same person in another tenant.
    #[must_use]
    pub fn of_tenant(mut self, tenant: &str) -> Self {
        tenant.clone_into(&mut self.tenant);
        self
    }

    /// Whoever has the same subject with the other issuer.
    #[must_use]
    pub const fn of_partners(mut self) -> Self {
        self.issuer = PARTNERS;
        self
    }

    /// A token to ask and to read.
    pub fn governance_token(&self) -> String {
        token(&self.claims("countersign/governance"), self.signed_by())
    }

    /// A token to decide.
    pub fn approval_token(&self) -> String {
        token(&self.claims("countersign/approval"), self.signed_by())
    }

    fn signed_by(&self) -> &'static str {
        if self.issuer == PARTNERS { "partners" } else { "people" }
    }

    /// Their claims for an audience, valid for an hour.
    pub fn claims(&self, audience: &str) -> Value {
        json!({
            "iss": self.issuer, "sub": self.subject, "tenant": self.tenant, "groups": self.groups, "aud": audience,
            "iat": now(), "exp": now() + 3600,
        })
    }
}

/// A part's token for another part, as its credential would make it.
pub fn service_token(part: PartName, audience: PartName) -> String {
    let claims = json!({
        "iss": SERVICES, "sub": part.as_str(), "aud": audience.as_str(), "iat": now(), "exp": now() + 300,
    });
    token(&claims, part.as_str())
}

/// `claims`, signed with the key of that name under its own key id.
pub fn token(claims: &Value, signed_by: &str) -> String {
    let key = key(signed_by);
    let id = signed_by
        .parse::<PartName>()
        .map_or_else(|_| key.key_id().to_owned(), |part| Credential::key_id(part, &key));
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some(id);
    let pem = key.to_pkcs8_pem().unwrap();
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_ed_pem(pem.as_bytes()).unwrap()).unwrap()
}

/// The key of that name: the same in every test. `foreign` is one that nobody trusts.
pub fn key(name: &str) -> SigningKey {
    let mut seed = [0_u8; 32];
    for (place, byte) in seed.iter_mut().zip(name.bytes().cycle()) {
        *place = byte;
    }
    SigningKey::from_seed(&seed)
}

/// Seconds since 1970, by the machine's clock.
#[expect(
    clippy::disallowed_methods,
    reason = "tokens are checked against the real clock here"
)]
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn service_jwk(part: PartName) -> Value {
    let key = key(part.as_str());
    let set: Value = serde_json::from_str(&KeySet::from(key.public().clone()).to_json()).unwrap();
    let mut jwk = set["keys"][0].clone();
    jwk["kid"] = json!(Credential::key_id(part, &key));
    jwk
}

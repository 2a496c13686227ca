//! Keys, a trust file and tokens, true and forged, in a folder of the test's own.

use std::{
    fs,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    encoding::AsDer as _,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{EcdsaKeyPair, RsaKeyPair},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chassis::{NodeConfig, PartName, auth::Credential};
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use serde_json::{Value, json};
use tempfile::TempDir;
use warrant::SigningKey;

pub(crate) const PEOPLE: &str = "https://people.example";
pub(crate) const SERVICES: &str = "countersign/services";

/// The keys that a deployment trusts, and one that it doesn't.
pub(crate) struct Authority {
    folder: TempDir,
}

// === impl Authority ===

impl Authority {
    pub(crate) fn new() -> Self {
        let authority = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for name in ["people", "orchestrator", "executor-svc", "trace-svc", "foreign"] {
            let pem = key(name).to_pkcs8_pem().unwrap();
            fs::write(authority.path(&format!("{name}.pem")), pem.as_bytes()).unwrap();
        }
        authority.trust_people(&["people"]);
        let services = [PartName::Orchestrator, PartName::Executor, PartName::Trace]
            .map(|part| jwk(&key(part.as_str()), &Credential::key_id(part, &key(part.as_str()))));
        fs::write(
            authority.path("services.jwks.json"),
            json!({ "keys": services }).to_string(),
        )
        .unwrap();
        let trust = format!(
            "issuers:\n  - {{issuer: {PEOPLE}, kind: people, key_set_file: people.jwks.json}}\n  - {{issuer: {SERVICES}, kind: services, key_set_file: services.jwks.json}}\n"
        );
        fs::write(authority.path("trust.yaml"), trust).unwrap();
        authority
    }

    /// Makes the people's issuer sign with the keys of these names.
    pub(crate) fn trust_people(&self, names: &[&str]) {
        let keys: Vec<Value> = names.iter().map(|name| jwk(&key(name), key(name).key_id())).collect();
        self.trust_jwks(&keys);
    }

    /// Makes the people's issuer sign with these keys, given as they stand in a key set.
    pub(crate) fn trust_jwks(&self, keys: &[Value]) {
        fs::write(self.path("people.jwks.json"), json!({ "keys": keys }).to_string()).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The configuration of a part whose credential is the key of that name.
    pub(crate) fn config(&self, credential: &str) -> NodeConfig {
        NodeConfig {
            trust_file: Some(self.path("trust.yaml")),
            credential_key_file: Some(self.path(&format!("{credential}.pem"))),
            ..NodeConfig::default()
        }
    }
}

/// A person's claims, valid for an hour.
pub(crate) fn person(subject: &str, groups: &[&str], audience: &str) -> Value {
    json!({
        "iss": PEOPLE, "sub": subject, "tenant": "acme", "groups": groups, "aud": audience,
        "iat": now(), "exp": now() + 3600,
    })
}

/// A part's claims, valid for a minute.
pub(crate) fn service(subject: &str, audience: &str) -> Value {
    json!({ "iss": SERVICES, "sub": subject, "aud": audience, "iat": now(), "exp": now() + 60 })
}

/// `claims`, signed with the key of that name under its own key id.
pub(crate) fn token(claims: &Value, signed_by: &str) -> String {
    let id = signed_by.parse::<PartName>().map_or_else(
        |_| key(signed_by).key_id().to_owned(),
        |part| Credential::key_id(part, &key(signed_by)),
    );
    token_with(claims, signed_by, &id)
}

/// `claims`, signed with the key of that name under another key's id.
pub(crate) fn token_with(claims: &Value, signed_by: &str, key_id: &str) -> String {
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some(key_id.to_owned());
    let pem = key(signed_by).to_pkcs8_pem().unwrap();
    let encoding = EncodingKey::from_ed_pem(pem.as_bytes()).unwrap();
    jsonwebtoken::encode(&header, claims, &encoding).unwrap()
}

/// The key of that name: always the same.
pub(crate) fn key(name: &str) -> SigningKey {
    let mut seed = [0_u8; 32];
    for (place, byte) in seed.iter_mut().zip(name.bytes().cycle()) {
        *place = byte;
    }
    SigningKey::from_seed(&seed)
}

pub(crate) fn now() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "tokens are checked against the real clock here"
    )]
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// An RSA or P-256 key as identity providers have them, made from its PKCS#8 document: as it stands in a key set, and to
/// sign with.
pub(crate) fn provider_key(algorithm: Algorithm, key_id: &str) -> (Value, EncodingKey) {
    let pkcs8 = match algorithm {
        Algorithm::ES256 => {
            let curve = &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
            let random = SystemRandom::new();
            let document = EcdsaKeyPair::generate_pkcs8(curve, &random).unwrap();
            document.as_ref().to_vec()
        }
        _ => RsaKeyPair::generate(KeySize::Rsa2048)
            .unwrap()
            .as_der()
            .unwrap()
            .as_ref()
            .to_vec(),
    };
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(pkcs8)
    );
    let encoding = match algorithm {
        Algorithm::ES256 => EncodingKey::from_ec_pem(pem.as_bytes()),
        _ => EncodingKey::from_rsa_pem(pem.as_bytes()),
    };
    let encoding = encoding.unwrap();
    let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&encoding, algorithm).unwrap()).unwrap();
    jwk["kid"] = json!(key_id);
    (jwk, encoding)
}

fn jwk(key: &SigningKey, id: &str) -> Value {
    let set: Value = serde_json::from_str(&warrant::KeySet::from(key.public().clone()).to_json()).unwrap();
    let mut jwk = set["keys"][0].clone();
    jwk["kid"] = json!(id);
    jwk
}

//! Keys, a trust file and tokens, in a folder of the test's own.

use std::{fs, path::Path};

use chassis::{NodeConfig, PartName, auth::Credential};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use warrant::{KeySet, SigningKey};

pub(crate) const PEOPLE: &str = "https://people.example";
/// The time of every test, in seconds since the epoch.
pub(crate) const NOW: u64 = 1_790_000_000;

const SERVICES: &str = "countersign/services";

/// Makes the keys, key sets and trust file of a deployment.
pub(crate) fn found(folder: &Path) {
    for name in ["people", "classifier", "warrant"]
        .into_iter()
        .chain(PartName::ALL.map(PartName::as_str))
    {
        let pem = key(name).to_pkcs8_pem().unwrap();
        fs::write(folder.join(format!("{name}.pem")), pem.as_bytes()).unwrap();
    }
    let write = |name: &str, text: String| fs::write(folder.join(name), text).unwrap();
    let people = json!({ "keys": [jwk(&key("people"), key("people").key_id())] });
    write("people.jwks.json", people.to_string());
    write(
        "classifier.jwks.json",
        KeySet::from(key("classifier").public().clone()).to_json(),
    );
    let services = PartName::ALL.map(|part| {
        let key = key(part.as_str());
        jwk(&key, &Credential::key_id(part, &key))
    });
    write("services.jwks.json", json!({ "keys": services }).to_string());
    let trust = json!({ "issuers": [
        { "issuer": PEOPLE, "kind": "people", "key_set_file": "people.jwks.json" },
        { "issuer": SERVICES, "kind": "services", "key_set_file": "services.jwks.json" },
    ]});
    write("trust.yaml", trust.to_string());
}

/// The configuration of `part` in that deployment.
pub(crate) fn config(folder: &Path, part: PartName) -> NodeConfig {
    NodeConfig {
        trust_file: Some(folder.join("trust.yaml")),
        credential_key_file: Some(folder.join(format!("{part}.pem"))),
        ..NodeConfig::default()
    }
}

/// The token of a person: `governance` or `approval`.
pub(crate) fn token(subject: &str, tenant: &str, groups: &[&str], audience: &str) -> String {
    let claims = json!({
        "iss": PEOPLE, "sub": subject, "tenant": tenant, "groups": groups,
        "aud": format!("countersign/{audience}"), "iat": NOW, "exp": NOW + 1_000_000,
    });
    let key = key("people");
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some(key.key_id().to_owned());
    let pem = key.to_pkcs8_pem().unwrap();
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_pem(pem.as_bytes()).unwrap()).unwrap()
}

/// The key of that name: the same at every call.
pub(crate) fn key(name: &str) -> SigningKey {
    let mut seed = [0; 32];
    for (to, from) in seed.iter_mut().zip(name.bytes().cycle()) {
        *to = from;
    }
    SigningKey::from_seed(&seed)
}

fn jwk(key: &SigningKey, id: &str) -> Value {
    let set: Value = serde_json::from_str(&KeySet::from(key.public().clone()).to_json()).unwrap();
    let mut jwk = set["keys"][0].clone();
    jwk["kid"] = json!(id);
    jwk
}

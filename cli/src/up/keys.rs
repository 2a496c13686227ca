//! Makes what a local deployment needs to believe itself: keys, key sets, the trust file, identities. Once.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chassis::{
    auth::{Credential, IssuerKind, TrustedIssuer},
    part::PartName,
};
use serde_json::{Value, json};
use warrant::{KeySet, PublicKey, SigningKey};

use crate::{
    error::CliError,
    identities::{Identities, LOCAL_ISSUER},
    paths::{self, DataDir},
};

/// The `iss` of the parts' own tokens.
pub(crate) const SERVICES_ISSUER: &str = "countersign/services";

/// Makes what is missing and leaves what is there. Public files are written anew each time, from the private keys.
pub(super) fn ensure(data: &DataDir) -> Result<(), CliError> {
    data.create()?;
    let people = ensure_key(&data.people_key())?;
    let verdict = ensure_key(&data.verdict_key())?;
    let warrant = ensure_key(&data.warrant_key())?;
    let mut services = Vec::new();
    for part in PartName::ALL {
        let key = ensure_key(&data.service_key(part))?;
        services.push(jwk(key.public(), &Credential::key_id(part, &key)));
    }
    write_json(
        &data.people_key_set(),
        &json!({"keys": [jwk(people.public(), people.key_id())]}),
    )?;
    write_json(&data.services_key_set(), &json!({"keys": services}))?;
    write_key_set(&data.verdict_key_set(), &verdict)?;
    write_key_set(&data.warrant_key_set(), &warrant)?;
    write_json(&data.trust(), &trust())?;
    // Last: its presence says that the deployment is whole.
    if !data.exists() {
        Identities::initial().store(data)?;
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "keys are never predictable, not in tests either"
)]
fn ensure_key(path: &std::path::Path) -> Result<SigningKey, CliError> {
    let unusable = |error: warrant::KeyError| CliError::new(format!("can't use key `{}`: {error}", path.display()));
    if path.exists() {
        return SigningKey::from_pkcs8_pem(&paths::read(path)?).map_err(unusable);
    }
    let key = SigningKey::from_seed(&rand::random());
    let pem = key.to_pkcs8_pem().map_err(unusable)?;
    paths::write_private(path, pem.as_bytes())?;
    Ok(key)
}

/// Key sets lie beside the trust file.
fn trust() -> Value {
    let issuer = |name: &str, kind, file: &str| TrustedIssuer {
        issuer: name.to_owned(),
        kind,
        key_set_file: file.into(),
        tenants: Vec::new(),
    };
    json!({"issuers": [
        issuer(LOCAL_ISSUER, IssuerKind::People, "people.jwks.json"),
        issuer(SERVICES_ISSUER, IssuerKind::Services, "services.jwks.json"),
    ]})
}

fn jwk(key: &PublicKey, key_id: &str) -> Value {
    json!({
        "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
        "kid": key_id, "x": URL_SAFE_NO_PAD.encode(key.as_bytes()),
    })
}

fn write_key_set(path: &std::path::Path, key: &SigningKey) -> Result<(), CliError> {
    let mut set = KeySet::default();
    set.insert(key.public().clone());
    paths::write_private(path, set.to_json().as_bytes())
}

fn write_json(path: &std::path::Path, value: &Value) -> Result<(), CliError> {
    paths::write_private(path, format!("{value:#}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use chassis::{
        auth::{Audience, Trust},
        clock::SystemClock,
    };

    use super::*;
    use crate::identities::LocalIssuer;

    #[test]
    fn keys_are_made_once_and_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::at(folder.path());
        ensure(&data).unwrap();
        let first = paths::read(&data.people_key()).unwrap();
        ensure(&data).unwrap();
        assert_eq!(paths::read(&data.people_key()).unwrap(), first);
        let trust = format!("{:?}", Trust::load(&data.trust()).unwrap());
        assert!(
            trust.contains(LOCAL_ISSUER) && trust.contains(SERVICES_ISSUER),
            "{trust}"
        );
        for (path, key) in [
            (data.verdict_key_set(), data.verdict_key()),
            (data.warrant_key_set(), data.warrant_key()),
        ] {
            let set = KeySet::from_json(&paths::read(&path).unwrap()).unwrap();
            assert!(
                set.contains(
                    SigningKey::from_pkcs8_pem(&paths::read(&key).unwrap())
                        .unwrap()
                        .key_id()
                )
            );
        }
    }

    #[test]
    fn every_part_and_person_can_sign() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::at(folder.path());
        ensure(&data).unwrap();
        for part in PartName::ALL {
            let pem = chassis::secret::read(&data.service_key(part)).unwrap();
            let credential = Credential::new(part, SERVICES_ISSUER, &pem, Arc::new(SystemClock::default())).unwrap();
            assert!(credential.authorization(PartName::Trace).is_ok());
        }
        let issuer = LocalIssuer::load(&data).unwrap();
        let identities = Identities::load(&data).unwrap();
        let bob = identities.get("bob").unwrap();
        let token = issuer
            .token(
                "bob",
                bob,
                Audience::Approval,
                Duration::from_mins(1),
                &SystemClock::default(),
            )
            .unwrap();
        assert_eq!(token.split('.').count(), 3);
    }
}

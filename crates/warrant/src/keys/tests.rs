//! Keys by the examples of RFC 8037, and key sets that try to smuggle something in.

use super::*;
use crate::fixtures::key;

/// The key of RFC 8037, appendix A, as `openssl` writes it.
const PEM: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
";
const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const KEY_ID: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

fn jwks() -> String {
    format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{X}","kid":"{KEY_ID}","alg":"EdDSA","use":"sig"}}]}}"#)
}

#[test]
fn key_and_thumbprint_are_those_of_rfc_8037() {
    let key = SigningKey::from_pkcs8_pem(PEM).unwrap();
    assert_eq!(URL_SAFE_NO_PAD.encode(key.public().as_bytes()), X);
    assert_eq!(key.key_id(), KEY_ID);
    assert_eq!(key.to_pkcs8_pem().unwrap().as_str(), PEM);
    assert_eq!(KeySet::from(key.public().clone()).to_json(), jwks());
}

#[test]
fn signature_is_that_of_rfc_8037() {
    let key = SigningKey::from_pkcs8_pem(PEM).unwrap();
    let message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature = key.sign(message);
    assert_eq!(
        URL_SAFE_NO_PAD.encode(signature),
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    );
    assert!(key.public().verifies(message, &signature));
    assert!(!key.public().verifies(b"another", &signature));
}

#[test]
fn other_private_keys_are_refused() {
    let other_algorithm = PEM.replace("K2Vw", "K2Vu");
    let labelled = PEM.replace("PRIVATE KEY", "PUBLIC KEY");
    for wrong in ["", "MC4CAQ", &other_algorithm, &labelled, PEM.split_at(60).0] {
        assert_eq!(
            SigningKey::from_pkcs8_pem(wrong).unwrap_err(),
            KeyError::InvalidPrivateKey,
            "{wrong}"
        );
    }
}

#[test]
fn debug_shows_no_secret() {
    let shown = format!("{:?}", SigningKey::from_pkcs8_pem(PEM).unwrap());
    assert_eq!(shown, format!(r#"SigningKey {{ key_id: "{KEY_ID}", .. }}"#));
}

#[test]
fn weak_public_keys_are_refused() {
    let mut identity = [0; 32];
    identity[0] = 1;
    // Zero is a point of order 4; 0x02 is no point at all; p + 1 is the identity, spelled otherwise.
    let mut no_point = [0; 32];
    no_point[0] = 2;
    let mut spelled_otherwise = [0xFF; 32];
    (spelled_otherwise[0], spelled_otherwise[31]) = (0xEE, 0x7F);
    for wrong in [[0; 32], identity, no_point, spelled_otherwise] {
        assert_eq!(
            PublicKey::from_bytes(&wrong),
            Err(KeyError::InvalidPublicKey),
            "{wrong:?}"
        );
    }
}

#[test]
fn key_sets_round_trip_and_merge() {
    let one = KeySet::from(key(1).public().clone());
    let mut both = one.clone();
    both.merge(&KeySet::from(key(2).public().clone()));
    both.merge(&one);
    assert_eq!(both.len(), 2);
    assert_eq!(KeySet::from_json(&both.to_json()), Ok(both.clone()));
    assert_eq!(both.get(key(1).key_id()), Some(key(1).public()));
    assert!(!both.contains(key(3).key_id()));
    assert_eq!(both.iter().count(), 2);
    assert_eq!(KeySet::from_json(r#"{"keys":[]}"#), Ok(KeySet::default()));
    assert!(KeySet::default().is_empty());
    serde_json::from_str::<serde_json::Value>(&both.to_json()).unwrap();
}

#[test]
fn unknown_members_of_a_key_are_ignored() {
    let text = jwks().replace(r#""use":"sig""#, r#""use":"sig","key_ops":["verify"]"#);
    assert_eq!(KeySet::from_json(&text).unwrap().len(), 1);
}

#[test]
fn strange_key_sets_are_refused() {
    let entry = jwks().replace(r#"{"keys":["#, "").replace("]}", "");
    let twice = format!(r#"{{"keys":[{entry},{entry}]}}"#);
    let with = |from: &str, to: &str| KeySet::from_json(&jwks().replace(from, to)).unwrap_err();
    assert_eq!(
        KeySet::from_json(&twice),
        Err(KeyError::DuplicateKey { kid: KEY_ID.into() })
    );
    assert_eq!(with(r#""use""#, r#""d":"AAAA","use""#), KeyError::PrivateKey);
    assert_eq!(with("OKP", "EC"), KeyError::ForeignKey);
    assert_eq!(with("Ed25519", "X25519"), KeyError::ForeignKey);
    assert_eq!(with("EdDSA", "HS256"), KeyError::ForeignKey);
    assert_eq!(with(r#""sig""#, r#""enc""#), KeyError::ForeignKey);
    assert_eq!(with(KEY_ID, "mine"), KeyError::WrongKeyId { kid: "mine".into() });
    for x in [
        "",
        "AAAA",
        "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURp",
        &format!("{X}="),
    ] {
        assert_eq!(with(X, x), KeyError::InvalidPublicKey, "{x}");
    }
    assert!(matches!(
        with(r#""alg""#, r#""kid":"x","alg""#),
        KeyError::MalformedKeySet(_)
    ));
    assert!(matches!(with(r#""alg":"EdDSA","#, ""), KeyError::MalformedKeySet(_)));
    assert!(matches!(with(r#""keys""#, r#""Keys""#), KeyError::MalformedKeySet(_)));
}

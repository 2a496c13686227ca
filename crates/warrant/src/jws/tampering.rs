//! Whatever is altered in a signed token, it is refused: byte by byte and claim by claim.

use super::*;
use crate::fixtures::{
    after, altered_claims, approvals, classifier, forge, header, key, verdict, verdict_verifier, warrant,
    warrant_verifier,
};

fn payload(claims: &impl Serialize) -> String {
    serde_json::to_string(claims).unwrap()
}

/// The token with its payload replaced and its signature kept.
fn with_payload(token: &str, payload: &str) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(payload), parts[2])
}

#[test]
fn every_altered_byte_is_refused() {
    let tokens = [
        classifier().sign(&verdict()).unwrap(),
        approvals().sign(&warrant()).unwrap(),
    ];
    for (index, token) in tokens.iter().enumerate() {
        for position in 0..token.len() {
            for replacement in [b'A', b'B', b'_', b'.', b'=', b' ', token.as_bytes()[position] ^ 1] {
                let mut altered = token.clone().into_bytes();
                if altered[position] == replacement {
                    continue;
                }
                altered[position] = replacement;
                let altered = String::from_utf8(altered).unwrap();
                let refused = match index {
                    0 => verdict_verifier().verify_ignoring_expiry(&altered, after(1)).is_err(),
                    _ => warrant_verifier().verify_ignoring_expiry(&altered, after(1)).is_err(),
                };
                assert!(refused, "byte {position} as {:?}", char::from(replacement));
            }
        }
    }
}

#[test]
fn every_shortened_or_extended_token_is_refused() {
    let token = approvals().sign(&warrant()).unwrap();
    for end in 0..token.len() {
        assert!(
            warrant_verifier().verify(token.split_at(end).0, after(1)).is_err(),
            "cut at {end}"
        );
    }
    for extended in [
        format!("{token}A"),
        format!("{token}="),
        format!("{token}\n"),
        format!(" {token}"),
        format!("{token}."),
    ] {
        assert!(warrant_verifier().verify(&extended, after(1)).is_err());
    }
}

/// Each claim altered: under the old signature, under another key, and under another key that
/// pretends to be the pinned one.
fn assert_altered_claims_are_refused<C: Claims>(signer: &Signer, claims: &C, verifier: &Verifier<C>) {
    let token = signer.sign(claims).unwrap();
    let foreign = key(9);
    for (name, altered) in altered_claims(claims) {
        let altered = altered.to_string();
        assert_ne!(altered, payload(claims), "{name} was altered");
        let verify = |token: &str| verifier.verify_ignoring_expiry(token, after(1)).map(|_| ());
        assert_eq!(
            verify(&with_payload(&token, &altered)),
            Err(TokenError::BadSignature),
            "{name}"
        );
        let honest = forge(&foreign, &header(C::TYPE, foreign.key_id()), &altered);
        assert_eq!(
            verify(&honest),
            Err(TokenError::UnknownKey {
                kid: foreign.key_id().into()
            }),
            "{name}"
        );
        let pretending = forge(&foreign, &header(C::TYPE, signer.key_id()), &altered);
        assert_eq!(verify(&pretending), Err(TokenError::BadSignature), "{name}");
    }
}

#[test]
fn every_altered_claim_is_refused() {
    assert_altered_claims_are_refused(&classifier(), &verdict(), &verdict_verifier());
    assert_altered_claims_are_refused(&approvals(), &warrant(), &warrant_verifier());
}

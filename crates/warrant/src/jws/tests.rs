//! What verification demands of form, names and time.

use serde_json::json;

use super::*;
use crate::{
    Verdict, Warrant,
    fixtures::{
        ISSUED, after, approvals, classifier, forge, header, key, verdict, verdict_verifier, warrant, warrant_verifier,
    },
};

fn payload(claims: &impl Serialize) -> String {
    serde_json::to_string(claims).unwrap()
}

fn warrant_header() -> String {
    header(Warrant::TYPE, approvals().key_id())
}

#[test]
fn signed_claims_come_back_unchanged() {
    let token = classifier().sign(&verdict()).unwrap();
    assert_eq!(verdict_verifier().verify(&token, after(1)), Ok(verdict()));
    let token = approvals().sign(&warrant()).unwrap();
    assert_eq!(warrant_verifier().verify(&token, after(1)), Ok(warrant()));
}

#[test]
fn header_is_exactly_what_it_must_be() {
    let kid = approvals().key_id().to_owned();
    let malformed = TokenError::Malformed("header is not exactly `alg`, `typ`, `kid`");
    let table = [
        (r#"{"typ":"warrant+jwt","kid":"K","alg":"EdDSA"}"#, None),
        (
            r#"{"alg":"none","typ":"warrant+jwt","kid":"K"}"#,
            Some(TokenError::WrongAlgorithm),
        ),
        (
            r#"{"alg":"HS256","typ":"warrant+jwt","kid":"K"}"#,
            Some(TokenError::WrongAlgorithm),
        ),
        (
            r#"{"alg":"eddsa","typ":"warrant+jwt","kid":"K"}"#,
            Some(TokenError::WrongAlgorithm),
        ),
        (
            r#"{"alg":"EdDSA","typ":"verdict+jwt","kid":"K"}"#,
            Some(TokenError::WrongType),
        ),
        (
            r#"{"alg":"EdDSA","typ":"WARRANT+JWT","kid":"K"}"#,
            Some(TokenError::WrongType),
        ),
        (
            r#"{"alg":"EdDSA","typ":"warrant+jwt","kid":"other"}"#,
            Some(TokenError::UnknownKey { kid: "other".into() }),
        ),
        (r#"{"alg":"EdDSA","kid":"K"}"#, Some(malformed.clone())),
        (r#"{"alg":"EdDSA","typ":"warrant+jwt"}"#, Some(malformed.clone())),
        (
            r#"{"alg":"EdDSA","typ":"warrant+jwt","kid":"K","crit":["x"]}"#,
            Some(malformed.clone()),
        ),
        (
            r#"{"alg":"EdDSA","typ":"warrant+jwt","kid":"K","jwk":{}}"#,
            Some(malformed.clone()),
        ),
        (
            r#"{"alg":"EdDSA","alg":"EdDSA","typ":"warrant+jwt","kid":"K"}"#,
            Some(malformed.clone()),
        ),
        (r#"["EdDSA","warrant+jwt","K"]"#, Some(malformed.clone())),
        ("", Some(malformed)),
    ];
    for (header, expected) in table {
        let token = forge(
            &key(2),
            &header.replace("\"K\"", &format!("\"{kid}\"")),
            &payload(&warrant()),
        );
        assert_eq!(warrant_verifier().verify(&token, after(1)).err(), expected, "{header}");
    }
}

#[test]
fn claims_are_exactly_those_of_the_type() {
    let good = payload(&warrant());
    let with = |from: &str, to: &str| {
        let changed = good.replacen(from, to, 1);
        assert_ne!(changed, good, "{from}");
        changed
    };
    let payloads = [
        with("{", r#"{"extra":1,"#),
        with("{", r#"{"jti":"jti-1","#),
        with("{", r#"{"\u006ati":"jti-1","#),
        with(r#""jti":"jti-1","#, ""),
        with(&format!(r#""iat":{ISSUED}"#), &format!(r#""iat":{ISSUED}.5"#)),
        with(&format!(r#""iat":{ISSUED}"#), r#""iat":-1"#),
        with(&format!(r#""iat":{ISSUED}"#), &format!(r#""iat":"{ISSUED}""#)),
        with(r#""aud":"executor-svc""#, r#""aud":["executor-svc"]"#),
        with(r#""risk":"GREEN""#, r#""risk":"green""#),
        with(r#""mode":"policy""#, r#""mode":"auto""#),
        with("sha256:", "sha1:"),
        with("}", "}{}"),
        "[]".into(),
        "{}".into(),
        String::new(),
        payload(&verdict()),
    ];
    for payload in payloads {
        let token = forge(&key(2), &warrant_header(), &payload);
        let error = warrant_verifier().verify(&token, after(1)).unwrap_err();
        assert!(matches!(error, TokenError::InvalidClaims(_)), "{payload}: {error}");
    }
}

#[test]
fn encodings_have_one_spelling() {
    let token = approvals().sign(&warrant()).unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    // 64 bytes fill 85 characters and a half: the last one has 4 bits that must be zero.
    let last = parts[2].bytes().last().unwrap();
    assert!(b"AQgw".contains(&last));
    let loose = format!("{}{}", token.split_at(token.len() - 1).0, char::from(last + 1));
    let joined = |parts: &[&str]| parts.join(".");
    let forms = [
        loose,
        format!("{token}=="),
        joined(&parts[..2]),
        joined(&[parts[0], parts[1], ""]),
        joined(&[parts[0], "", parts[2]]),
        joined(&[parts[0], parts[1], parts[2], parts[2]]),
        joined(&["", parts[0], parts[1], parts[2]]),
        String::new(),
        "..".into(),
        "\u{1F600}.a.b".into(),
    ];
    for form in forms {
        let error = warrant_verifier().verify(&form, after(1)).unwrap_err();
        assert!(
            matches!(error, TokenError::Malformed(_) | TokenError::BadSignature),
            "{form}: {error}"
        );
    }
    let not_text = forge(&key(2), &warrant_header(), "").replacen("..", ".__8.", 1);
    assert!(warrant_verifier().verify(&not_text, after(1)).is_err());
}

#[test]
fn length_is_capped_on_both_sides() {
    let rules = |count: usize| Verdict {
        rules: vec!["r".repeat(100); count],
        ..verdict()
    };
    let fitting = classifier().sign(&rules(100)).unwrap();
    assert!(verdict_verifier().verify(&fitting, after(1)).is_ok());
    assert_eq!(classifier().sign(&rules(200)), Err(TokenError::TooLong));
    let long = forge(
        &key(1),
        &header(Verdict::TYPE, classifier().key_id()),
        &payload(&rules(200)),
    );
    assert_eq!(verdict_verifier().verify(&long, after(1)), Err(TokenError::TooLong));
}

#[test]
fn issuer_and_audience_are_exact() {
    let wrong = |change: fn(&mut Warrant)| {
        let mut claims = warrant();
        change(&mut claims);
        let token = forge(&key(2), &warrant_header(), &payload(&claims));
        warrant_verifier().verify(&token, after(1)).unwrap_err()
    };
    assert_eq!(wrong(|w| w.iss = "approval-svc ".into()), TokenError::WrongIssuer);
    assert_eq!(wrong(|w| w.iss = "classifier-svc".into()), TokenError::WrongIssuer);
    assert_eq!(wrong(|w| w.aud = "Executor-svc".into()), TokenError::WrongAudience);
    assert_eq!(wrong(|w| w.aud = "executor-svc-2".into()), TokenError::WrongAudience);
    let token = Signer::new("another", key(2)).sign(&warrant());
    assert_eq!(token, Err(TokenError::WrongIssuer));
}

#[test]
fn time_is_checked_to_the_second() {
    let claims = Warrant {
        nbf: ISSUED + 40,
        ..warrant()
    };
    let token = approvals().sign(&claims).unwrap();
    let at = |offset: f64| {
        let now = after(0) - Duration::from_secs(1_000) + Duration::from_secs_f64(1_000.0 + offset);
        warrant_verifier().verify(&token, now).err()
    };
    assert_eq!(at(-10.0), Some(TokenError::NotYetValid));
    assert_eq!(at(9.9), Some(TokenError::NotYetValid));
    assert_eq!(at(10.0), None);
    assert_eq!(at(119.9), None);
    assert_eq!(at(120.0), Some(TokenError::Expired));
    assert_eq!(at(1e6), Some(TokenError::Expired));
    assert_eq!(
        warrant_verifier().verify(&token, UNIX_EPOCH).err(),
        Some(TokenError::NotYetValid)
    );
    let before_epoch = UNIX_EPOCH - Duration::from_secs(1);
    assert_eq!(
        warrant_verifier().verify(&token, before_epoch).err(),
        Some(TokenError::NotYetValid)
    );
}

#[test]
fn issued_in_the_future_is_refused() {
    let token = classifier().sign(&verdict()).unwrap();
    let at = |early: u64| {
        verdict_verifier()
            .verify(&token, after(0) - Duration::from_secs(early))
            .err()
    };
    assert_eq!(at(30), None);
    assert_eq!(at(31), Some(TokenError::NotYetValid));
}

#[test]
fn expired_evidence_is_still_verified_otherwise() {
    let token = classifier().sign(&verdict()).unwrap();
    let year = Duration::from_hours(24 * 365);
    assert_eq!(verdict_verifier().verify(&token, after(60)), Err(TokenError::Expired));
    assert_eq!(
        verdict_verifier().verify_ignoring_expiry(&token, after(60) + year),
        Ok(verdict())
    );
    let early = verdict_verifier().verify_ignoring_expiry(&token, after(0) - year);
    assert_eq!(early, Err(TokenError::NotYetValid));
    let retired = verdict_verifier().with_keys(KeySet::default());
    assert!(matches!(
        retired.verify_ignoring_expiry(&token, after(1)),
        Err(TokenError::UnknownKey { .. })
    ));
}

#[test]
fn impossible_claims_are_neither_signed_nor_accepted() {
    let malformed = |change: fn(&mut Warrant)| {
        let mut claims = warrant();
        change(&mut claims);
        let signed = approvals().sign(&claims).unwrap_err();
        let token = forge(&key(2), &warrant_header(), &payload(&claims));
        assert_eq!(
            warrant_verifier().verify_ignoring_expiry(&token, after(1)),
            Err(signed.clone())
        );
        signed
    };
    assert_eq!(malformed(|w| w.exp = w.iat + 121), TokenError::LifetimeTooLong);
    assert_eq!(malformed(|w| w.exp = u64::MAX), TokenError::LifetimeTooLong);
    let changes: [fn(&mut Warrant); 12] = [
        |w| w.exp = w.iat,
        |w| w.exp = w.iat - 1,
        |w| w.nbf = w.exp,
        |w| w.sub.clear(),
        |w| w.act.clear(),
        |w| w.tenant.clear(),
        |w| w.jti.clear(),
        |w| w.policy.clear(),
        |w| w.idem.clear(),
        |w| w.verdict = "A".repeat(64),
        |w| w.verdict = "a".repeat(63),
        |w| w.attempt = 0,
    ];
    for change in changes {
        assert!(matches!(malformed(change), TokenError::Malformed(_)));
    }
    let long = Verdict {
        exp: ISSUED + 61,
        ..verdict()
    };
    assert_eq!(classifier().sign(&long), Err(TokenError::LifetimeTooLong));
}

#[test]
fn one_kind_never_passes_as_the_other() {
    // The same key and names for both, so that nothing but the type tells them apart.
    let signer = Signer::new("classifier-svc", key(1));
    let warrants = Verifier::<Warrant>::new("classifier-svc", "approval-svc", signer.key_set());
    let token = signer.sign(&verdict()).unwrap();
    assert_eq!(warrants.verify(&token, after(1)), Err(TokenError::WrongType));
    let disguised = forge(&key(1), &header(Warrant::TYPE, signer.key_id()), &payload(&verdict()));
    assert!(matches!(
        warrants.verify(&disguised, after(1)),
        Err(TokenError::InvalidClaims(_))
    ));
}

#[test]
fn claims_are_named_as_documented() {
    let names = |claims: serde_json::Value| {
        claims
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        names(json!(warrant())),
        "act act_digest approval attempt aud exp iat idem iss jti mode nbf policy revision risk run sub tenant verdict"
    );
    assert_eq!(
        names(json!(verdict())),
        "act_digest aud ctx disposition exp iat iss issuer policy policy_version reason_digest requester risk rules run tenant"
    );
}

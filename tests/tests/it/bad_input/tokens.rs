//! Tokens that are missing, malformed, out of time, or of nobody who is trusted; at every part.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use proto::common::v1::ErrorReason;
use serde_json::{Value, json};
use testkit::{
    authority::{Identity, key, now, token},
    clients::Tokens,
    gateway::FakeGatewayAndToken,
    sandbox::Sandbox,
};
use tonic::Code;

use crate::{raw, support::assert_refused};

fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut claims = Identity::alice().claims("countersign/governance");
    change(&mut claims);
    claims
}

fn without(name: &str) -> Value {
    changed(|claims| {
        claims.as_object_mut().unwrap().remove(name);
    })
}

/// Signed by nobody, with a header that says so.
fn unsigned(claims: &Value) -> String {
    let header = json!({ "alg": "none", "typ": "JWT", "kid": key("people").key_id() });
    let [header, claims] = [&header, claims].map(|json| URL_SAFE_NO_PAD.encode(json.to_string()));
    format!("{header}.{claims}.")
}

fn tampered() -> String {
    let token = Identity::alice().governance_token();
    let pieces: Vec<&str> = token.split('.').collect();
    let claims = changed(|claims| claims["groups"] = json!(["approvers"]));
    format!(
        "{}.{}.{}",
        pieces[0],
        URL_SAFE_NO_PAD.encode(claims.to_string()),
        pieces[2]
    )
}

fn tokens() -> Vec<(&'static str, Tokens, ErrorReason)> {
    let of = |claims: &Value, key: &str| Tokens::bearer(&token(claims, key));
    let (invalid, expired) = (ErrorReason::TokenInvalid, ErrorReason::TokenExpired);
    let own = changed(|_| ());
    vec![
        ("none", Tokens::none(), ErrorReason::TokenMissing),
        ("no token at all", Tokens::bearer("x"), invalid),
        ("longer than any token", Tokens::bearer(&"x".repeat(17 * 1024)), invalid),
        ("of a foreign key", of(&own, "foreign"), invalid),
        ("of the warrants' key", of(&own, "warrant"), invalid),
        ("of the other issuer's key", of(&own, "partners"), invalid),
        ("of a part's key", of(&own, "orchestrator"), invalid),
        (
            "of an issuer that is not known",
            of(&changed(|it| it["iss"] = json!("https://evil.example")), "people"),
            invalid,
        ),
        ("unsigned", Tokens::bearer(&unsigned(&own)), invalid),
        ("tampered with", Tokens::bearer(&tampered()), invalid),
        ("of nobody", of(&changed(|it| it["sub"] = json!("")), "people"), invalid),
        ("of no tenant", of(&without("tenant"), "people"), invalid),
        (
            "of an empty tenant",
            of(&changed(|it| it["tenant"] = json!("")), "people"),
            invalid,
        ),
        ("without an end", of(&without("exp"), "people"), invalid),
        (
            "expired just now",
            of(&changed(|it| it["exp"] = json!(now())), "people"),
            expired,
        ),
        (
            "expired long ago",
            of(&changed(|it| it["exp"] = json!(1)), "people"),
            expired,
        ),
        (
            "not valid yet",
            of(&changed(|it| it["nbf"] = json!(now() + 60)), "people"),
            expired,
        ),
        ("for nobody", of(&without("aud"), "people"), invalid),
        (
            "for another audience",
            of(&changed(|it| it["aud"] = json!("somewhere/else")), "people"),
            ErrorReason::WrongAudience,
        ),
        (
            "for a part",
            of(&changed(|it| it["aud"] = json!("approval-svc")), "people"),
            ErrorReason::WrongAudience,
        ),
    ]
}

#[tokio::test]
async fn nobody_comes_in_without_a_good_token() {
    let gateway = FakeGatewayAndToken::start().await;
    let sandbox = Sandbox::start(&gateway.address()).await;
    let tokens = tokens();
    for rpc in raw::rpcs() {
        for (what, bearer, reason) in &tokens {
            let refusal = raw::call(sandbox.channels(), &rpc, bearer).await;
            assert_refused(
                &format!("{what}: {}", rpc.name),
                refusal,
                Code::Unauthenticated,
                *reason,
            );
        }
    }
    assert_eq!(gateway.gateway.requests(), []);
}

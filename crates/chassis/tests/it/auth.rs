//! Who is let in.

use chassis::{Link, Node, PartName, auth::SUBJECT_HEADER, fault::reason_of};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use proto::{
    classification::v1::{
        ClassifyActionRequest, GetKeySetRequest, classification_service_client::ClassificationServiceClient,
    },
    common::v1::ErrorReason,
};
use serde_json::json;
use tonic::{Code, Request, Status};

use crate::{
    authority::{Authority, key, now, person, provider_key, service, token, token_with},
    fixture::classifier,
};

/// A part to call, and a link to it that adds no credential.
struct Door {
    authority: Authority,
    link: Link,
    _node: Node,
}

impl Door {
    fn new() -> Self {
        let authority = Authority::new();
        let (node, part) = classifier(&authority);
        let nobody = Node::open(PartName::Orchestrator, chassis::NodeConfig::default()).unwrap();
        Self {
            link: nobody.local(&part),
            authority,
            _node: node,
        }
    }

    async fn who(&self, bearer: Option<&str>, subject: Option<&str>) -> Result<String, Status> {
        let request = with_tokens(GetKeySetRequest {}, bearer, subject);
        let response = ClassificationServiceClient::new(self.link.clone())
            .get_key_set(request)
            .await?;
        Ok(response.into_inner().key_set.unwrap().issuer)
    }

    async fn classify(&self, bearer: &str, subject: Option<&str>) -> Result<(), Status> {
        let request = with_tokens(ClassifyActionRequest::default(), Some(bearer), subject);
        ClassificationServiceClient::new(self.link.clone())
            .classify_action(request)
            .await
            .map(|_| ())
    }
}

fn with_tokens<M>(message: M, bearer: Option<&str>, subject: Option<&str>) -> Request<M> {
    let mut request = Request::new(message);
    if let Some(bearer) = bearer {
        request
            .metadata_mut()
            .insert("authorization", format!("Bearer {bearer}").parse().unwrap());
    }
    if let Some(subject) = subject {
        request.metadata_mut().insert(SUBJECT_HEADER, subject.parse().unwrap());
    }
    request
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(result: Result<T, Status>, code: Code, reason: ErrorReason) {
    let status = result.unwrap_err();
    assert_eq!((status.code(), reason_of(&status)), (code, Some(reason)), "{status:?}");
}

#[tokio::test]
async fn a_person_is_known_by_their_token() {
    let door = Door::new();
    let bearer = token(&person("alice", &["staff"], "countersign/governance"), "people");
    for _ in 0..2 {
        let who = door.who(Some(&bearer), None).await.unwrap();
        assert!(
            who.contains("\"alice\"") && who.contains("\"acme\"") && who.contains("staff"),
            "{who}"
        );
        assert!(who.contains("has_subject: true"), "a person's token goes along: {who}");
    }
}

#[tokio::test]
async fn credentials_that_prove_nothing_are_refused() {
    let door = Door::new();
    let claims = person("alice", &[], "countersign/governance");
    let with = |field: &str, value: serde_json::Value| {
        let mut changed = claims.clone();
        changed[field] = value;
        token(&changed, "people")
    };
    let own_id = key("people").key_id().to_owned();
    assert_refused(
        door.who(None, None).await,
        Code::Unauthenticated,
        ErrorReason::TokenMissing,
    );
    let invalid = [
        "nonsense".to_owned(),
        token(&claims, "foreign"),
        token_with(&claims, "foreign", &own_id),
        with("iss", json!("https://elsewhere.example")),
        with("tenant", json!("")),
        with("tenant", json!("ac\u{200B}me")),
        with("sub", json!("")),
        with("sub", json!(" ")),
        with("sub", json!("ali\nce")),
        with("sub", json!("ali\u{200B}ce")),
        with("sub", json!("\u{202E}ecila")),
        // A people's issuer never yields a service.
        token(&service("executor-svc", "classifier-svc"), "people"),
        token_with(&service("executor-svc", "classifier-svc"), "people", &own_id),
        // A part's key is pinned to that part.
        token(&service("executor-svc", "classifier-svc"), "orchestrator"),
        // A key of the services' issuer does not sign for people.
        token(&claims, "orchestrator"),
        "x".repeat(20_000),
    ];
    for bearer in &invalid {
        assert_refused(
            door.who(Some(bearer), None).await,
            Code::Unauthenticated,
            ErrorReason::TokenInvalid,
        );
    }
    let algorithm_none = format!("{}.{}.", b64(r#"{"alg":"none","kid":"x"}"#), b64(&claims.to_string()));
    assert_refused(
        door.who(Some(&algorithm_none), None).await,
        Code::Unauthenticated,
        ErrorReason::TokenInvalid,
    );
    let mut not_yet = claims.clone();
    not_yet["nbf"] = json!(0);
    not_yet["iat"] = json!(now() + 60);
    let times = [
        with("exp", json!(now() - 1)),
        with("nbf", json!(now() + 60)),
        token(&not_yet, "people"),
    ];
    for bearer in times {
        assert_refused(
            door.who(Some(&bearer), None).await,
            Code::Unauthenticated,
            ErrorReason::TokenExpired,
        );
    }
    for audience in [
        json!("elsewhere"),
        json!(["countersign/governance", "countersign/approval"]),
    ] {
        let bearer = with("aud", audience);
        assert_refused(
            door.who(Some(&bearer), None).await,
            Code::Unauthenticated,
            ErrorReason::WrongAudience,
        );
    }
}

#[tokio::test]
async fn a_service_token_can_not_be_sent_on() {
    let door = Door::new();
    let for_us = token(&service("orchestrator", "classifier-svc"), "orchestrator");
    assert!(door.who(Some(&for_us), None).await.unwrap().contains("Orchestrator"));
    let for_another = token(&service("orchestrator", "approval-svc"), "orchestrator");
    assert_refused(
        door.who(Some(&for_another), None).await,
        Code::Unauthenticated,
        ErrorReason::WrongAudience,
    );
    let mut long = service("orchestrator", "classifier-svc");
    long["exp"] = json!(now() + 3600);
    let long = token(&long, "orchestrator");
    assert_refused(
        door.who(Some(&long), None).await,
        Code::Unauthenticated,
        ErrorReason::TokenInvalid,
    );
}

#[tokio::test]
async fn a_part_acts_for_a_person_only_with_that_persons_token() {
    let door = Door::new();
    let orchestrator = token(&service("orchestrator", "classifier-svc"), "orchestrator");
    let executor = token(&service("executor-svc", "classifier-svc"), "executor-svc");
    let alice = token(&person("alice", &[], "countersign/governance"), "people");
    let decider = token(&person("bob", &["approvers"], "countersign/approval"), "people");
    door.classify(&orchestrator, Some(&alice)).await.unwrap();
    let refused = |subject, reason| (subject, Code::Unauthenticated, reason);
    for (subject, code, reason) in [
        refused(None, ErrorReason::SubjectMissing),
        refused(Some(decider.as_str()), ErrorReason::WrongAudience),
        refused(Some(orchestrator.as_str()), ErrorReason::TokenInvalid),
        refused(Some("nonsense"), ErrorReason::TokenInvalid),
    ] {
        assert_refused(door.classify(&orchestrator, subject).await, code, reason);
    }
    assert_refused(
        door.classify(&executor, Some(&alice)).await,
        Code::PermissionDenied,
        ErrorReason::NotPermitted,
    );
    assert_refused(
        door.classify(&alice, Some(&alice)).await,
        Code::PermissionDenied,
        ErrorReason::ForwardedCredential,
    );
}

#[tokio::test]
async fn keys_rotate_without_a_restart() {
    let authority = Authority::new();
    let clock = std::sync::Arc::new(chassis::ManualClock::new(
        std::time::UNIX_EPOCH + std::time::Duration::from_secs(now()),
    ));
    let config = authority.config("trace-svc");
    let node = Node::with_clock(
        PartName::Classifier,
        config,
        clock.clone(),
        std::sync::Arc::new(chassis::SystemIds),
    )
    .unwrap();
    let part = crate::fixture::part(&node).unwrap();
    let link = Node::open(PartName::Orchestrator, chassis::NodeConfig::default())
        .unwrap()
        .local(&part);
    let door = Door {
        link,
        authority,
        _node: node,
    };
    let old = token(&person("alice", &[], "countersign/governance"), "people");
    let new = token(&person("alice", &[], "countersign/governance"), "foreign");
    door.who(Some(&old), None).await.unwrap();
    door.authority.trust_people(&["foreign"]);
    // Refetching is rate-limited: nobody can make a part read its files at will.
    assert_refused(
        door.who(Some(&new), None).await,
        Code::Unauthenticated,
        ErrorReason::TokenInvalid,
    );
    clock.advance(std::time::Duration::from_secs(11));
    door.who(Some(&new), None).await.unwrap();
    assert_refused(
        door.who(Some(&old), None).await,
        Code::Unauthenticated,
        ErrorReason::TokenInvalid,
    );
}

fn b64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}

#[tokio::test]
async fn keys_of_identity_providers_verify_and_others_in_their_sets_are_left_out() {
    let door = Door::new();
    let (p256, p256_signs) = provider_key(Algorithm::ES256, "p256");
    let (rsa, rsa_signs) = provider_key(Algorithm::RS256, "rsa");
    let with = |mut jwk: serde_json::Value, changes: serde_json::Value| {
        let changes = changes.as_object().unwrap().clone();
        jwk.as_object_mut().unwrap().extend(changes);
        jwk
    };
    let unusable = [
        json!({"kty": "AKP", "alg": "ML-DSA-44", "kid": "tomorrow", "pub": "AAAA"}),
        json!({"kty": "EC", "crv": "P-384", "kid": "p384", "x": "AAAA", "y": "AAAA"}),
        json!({"kty": "RSA", "kid": "short", "n": "A".repeat(171), "e": "AQAB"}),
        with(rsa.clone(), json!({"kid": "enc", "use": "enc", "alg": "RSA-OAEP"})),
        with(rsa.clone(), json!({"kid": "pss", "alg": "PS256"})),
        with(rsa.clone(), json!({"kid": null})),
    ];
    door.authority.trust_jwks(&[&unusable[..], &[p256, rsa]].concat());
    let node = Node::open(PartName::Classifier, door.authority.config("trace-svc")).unwrap();
    let part = crate::fixture::part(&node).unwrap();
    let door = Door {
        link: Node::open(PartName::Orchestrator, chassis::NodeConfig::default())
            .unwrap()
            .local(&part),
        _node: node,
        ..door
    };
    let claims = person("alice", &[], "countersign/governance");
    let signed = |algorithm, key_id: &str, key| {
        let mut header = Header::new(algorithm);
        header.kid = Some(key_id.to_owned());
        jsonwebtoken::encode(&header, &claims, key).unwrap()
    };
    let es256 = signed(Algorithm::ES256, "p256", &p256_signs);
    let rs256 = signed(Algorithm::RS256, "rsa", &rsa_signs);
    for good in [es256, rs256] {
        door.who(Some(&good), None).await.unwrap();
    }
    for key_id in ["enc", "pss"] {
        let bad = signed(Algorithm::RS256, key_id, &rsa_signs);
        assert_refused(
            door.who(Some(&bad), None).await,
            Code::Unauthenticated,
            ErrorReason::TokenInvalid,
        );
    }
    let other_algorithm = signed(Algorithm::PS256, "rsa", &rsa_signs);
    let refused = door.who(Some(&other_algorithm), None).await;
    assert_refused(refused, Code::Unauthenticated, ErrorReason::TokenInvalid);

    door.authority.trust_jwks(&unusable);
    let error = Node::open(PartName::Classifier, door.authority.config("trace-svc")).unwrap_err();
    let error = chassis::fault::with_causes(&error);
    assert!(error.contains("no usable key"), "{error}");
}

#[tokio::test]
async fn an_empty_key_set_is_meant_and_nobody_of_its_issuer_is_let_in() {
    let door = Door::new();
    door.authority.trust_jwks(&[]);
    let node = Node::open(PartName::Classifier, door.authority.config("trace-svc")).unwrap();
    let part = crate::fixture::part(&node).unwrap();
    let nobody = Node::open(PartName::Orchestrator, chassis::NodeConfig::default()).unwrap();
    let door = Door {
        link: nobody.local(&part),
        _node: node,
        ..door
    };
    let bearer = token(&person("alice", &[], "countersign/governance"), "people");
    let refused = door.who(Some(&bearer), None).await;
    assert_refused(refused, Code::Unauthenticated, ErrorReason::TokenInvalid);
}

#[tokio::test]
async fn a_token_with_a_critical_header_is_refused() {
    let door = Door::new();
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some(key("people").key_id().to_owned());
    let pem = key("people").to_pkcs8_pem().unwrap();
    let signs = EncodingKey::from_ed_pem(pem.as_bytes()).unwrap();
    let claims = person("alice", &[], "countersign/governance");
    let token = |header: &Header| jsonwebtoken::encode(header, &claims, &signs).unwrap();
    door.who(Some(&token(&header)), None).await.unwrap();
    header.crit = Some(vec!["b64".to_owned()]);
    let refused = door.who(Some(&token(&header)), None).await;
    assert_refused(refused, Code::Unauthenticated, ErrorReason::TokenInvalid);
}

//! Warrants, verdicts and actions that are not what was signed.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chassis::convert::action_to_proto;
use proto::{
    classification::v1::Classification,
    common::v1::{self as common, ErrorReason},
    execution::v1::ExecuteActionRequest,
};
use serde_json::{Value, json};
use testkit::authority::{Identity, VERDICTS, WARRANTS, key, now};
use tonic::Code;
use warrant::{
    Action, Disposition, Mode, Risk, Signer, VERDICT_AUDIENCE, Verdict, Warrant, approval_id, reason_digest, token_hash,
};

use crate::support::{AMBER, Asked, Deployment, GREEN, RED, assert_refused, instruction, nothing_but};

/// Alters one field of an action.
type Alter = fn(&mut common::Action);

/// The claims in a token.
pub(super) fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// The token with other claims, under the signature that it had.
fn with_claims(token: &str, claims: &Value) -> String {
    let mut pieces: Vec<&str> = token.split('.').collect();
    let payload = URL_SAFE_NO_PAD.encode(claims.to_string());
    pieces[1] = &payload;
    pieces.join(".")
}

/// Another value of the same kind.
fn other(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_u64().unwrap() + 1),
        Value::String(text) if text.parse::<Mode>().is_ok() => json!("people"),
        Value::String(text) if text.parse::<Risk>().is_ok() => json!("AMBER"),
        Value::String(text) => {
            let mut text = text.clone();
            let last = if text.pop() == Some('0') { '1' } else { '0' };
            text.push(last);
            json!(text)
        }
        _ => json!("something else"),
    }
}

/// The claims of a warrant as approval-svc would put them, for whoever stole its key.
pub(super) fn warrant_for(action: &Action, verdict_jws: &str, risk: Risk, mode: Mode) -> Warrant {
    let verdict = claims(verdict_jws);
    Warrant {
        iss: WARRANTS.to_owned(),
        aud: "executor-svc".to_owned(),
        sub: action.agent.clone(),
        act: action.requester.clone(),
        tenant: action.tenant.clone(),
        jti: "00112233445566778899aabbccddeeff".to_owned(),
        iat: now(),
        nbf: now(),
        exp: now() + 60,
        act_digest: action.digest(),
        approval: approval_id(&action.run),
        revision: 1,
        risk,
        policy: verdict["policy"].as_str().unwrap().to_owned(),
        mode,
        run: action.run,
        attempt: 1,
        idem: format!("cs-{}", action.run),
        verdict: token_hash(verdict_jws),
    }
}

/// The claims of a verdict as the classifier would put them, for whoever stole its key.
fn verdict_for(action: &Action, risk: Risk, disposition: Disposition) -> Verdict {
    Verdict {
        iss: VERDICTS.to_owned(),
        aud: VERDICT_AUDIENCE.to_owned(),
        act_digest: action.digest(),
        run: action.run,
        tenant: action.tenant.clone(),
        issuer: action.issuer.clone(),
        requester: action.requester.clone(),
        ctx: "sha256:00".to_owned(),
        risk,
        disposition,
        rules: vec!["forged".to_owned()],
        reason_digest: reason_digest("", ""),
        policy: "sha256:00".to_owned(),
        policy_version: "1".to_owned(),
        iat: now(),
        exp: now() + 60,
    }
}

#[tokio::test]
async fn an_action_altered_in_any_field_is_not_executed() {
    let deployment = Deployment::start().await;
    let permitted = deployment.permitted(&Identity::alice()).await;
    let alterations: [(&str, Alter); 9] = [
        ("run_id", |action| {
            action.run_id = "0123456789abcdef0123456789abcdef".to_owned();
        }),
        ("tenant", |action| action.tenant.push('x')),
        ("issuer", |action| action.issuer.push('x')),
        ("requester", |action| action.requester = "bob".to_owned()),
        ("agent", |action| action.agent = "ops".to_owned()),
        ("session", |action| action.session = "another".to_owned()),
        ("instruction", |action| action.operation = Some(instruction(AMBER))),
        ("a space", |action| {
            action.operation = Some(instruction(&format!("{GREEN} ")));
        }),
        ("kind", |action| {
            action.operation = Some(common::action::Operation::ToolCall(common::ToolCall {
                tool: "sessions_list".to_owned(),
                arguments_json: "{}".to_owned(),
            }));
        }),
    ];
    for (field, alter) in alterations {
        let mut altered = permitted.clone();
        alter(altered.action.as_mut().unwrap());
        deployment
            .refuses(field, altered, Code::PermissionDenied, ErrorReason::WarrantRejected)
            .await;
    }
    deployment.execute(permitted).await.unwrap();
    assert_eq!(
        deployment.effects(),
        1,
        "the warrant was not spent by any of the attempts"
    );
}

#[tokio::test]
async fn a_warrant_altered_in_any_claim_is_not_accepted() {
    let deployment = Deployment::start().await;
    let permitted = deployment.permitted(&Identity::alice()).await;
    let whole = claims(&permitted.warrant_jws);
    let names: Vec<String> = whole.as_object().unwrap().keys().cloned().collect();
    assert_eq!(names.len(), 19, "{names:?}");
    for name in names {
        let mut altered = whole.clone();
        altered[&name] = other(&altered[&name]);
        assert_ne!(altered, whole, "{name}");
        let warrant_jws = with_claims(&permitted.warrant_jws, &altered);
        let request = ExecuteActionRequest {
            warrant_jws,
            ..permitted.clone()
        };
        deployment
            .refuses(&name, request, Code::PermissionDenied, ErrorReason::WarrantRejected)
            .await;
    }
}

#[tokio::test]
async fn only_a_warrant_of_the_right_key_type_issuer_and_audience_counts() {
    let deployment = Deployment::start().await;
    let permitted = deployment.permitted(&Identity::alice()).await;
    let warrant: Warrant = serde_json::from_value(claims(&permitted.warrant_jws)).unwrap();
    let approval_key = deployment.sandbox.authority().warrant_signer();
    let sign = |signer: &Signer, change: fn(&mut Warrant)| {
        let mut changed = warrant.clone();
        change(&mut changed);
        signer.sign(&changed).unwrap()
    };
    let stripped = permitted.warrant_jws.rsplit_once('.').unwrap().0;
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"warrant+jwt","kid":""}"#);
    let payload = permitted.warrant_jws.split('.').nth(1).unwrap();
    let forgeries = [
        ("foreign key", sign(&Signer::new(WARRANTS, key("foreign")), |_| ())),
        (
            "the classifier's key",
            sign(&Signer::new(WARRANTS, key("verdict")), |_| ()),
        ),
        ("people's key", sign(&Signer::new(WARRANTS, key("people")), |_| ())),
        (
            "another audience",
            sign(&approval_key, |it| it.aud = "trace-svc".to_owned()),
        ),
        (
            "another tenant",
            sign(&approval_key, |it| it.tenant = "umbrella".to_owned()),
        ),
        ("another requester", sign(&approval_key, |it| it.act = "bob".to_owned())),
        ("another agent", sign(&approval_key, |it| it.sub = "ops".to_owned())),
        ("another risk", sign(&approval_key, |it| it.risk = Risk::Amber)),
        (
            "another policy",
            sign(&approval_key, |it| it.policy = "sha256:00".to_owned()),
        ),
        ("emergency", sign(&approval_key, |it| it.mode = Mode::BreakGlass)),
        (
            "expired",
            sign(&approval_key, |it| {
                (it.iat, it.nbf, it.exp) = (now() - 90, now() - 90, now() - 1);
            }),
        ),
        ("not valid yet", sign(&approval_key, |it| it.nbf = it.exp - 1)),
        ("no signature", format!("{stripped}.")),
        ("no algorithm", format!("{none}.{payload}.")),
        ("the verdict", permitted.verdict_jws.clone()),
        ("no token at all", "warrant".to_owned()),
    ];
    for (what, warrant_jws) in forgeries {
        let request = ExecuteActionRequest {
            warrant_jws,
            ..permitted.clone()
        };
        deployment
            .refuses(what, request, Code::PermissionDenied, ErrorReason::WarrantRejected)
            .await;
    }
    // Even the right key makes no second warrant: the claim knows the one that was issued.
    let stolen = [
        ("another id", sign(&approval_key, |it| it.jti = "0123".to_owned())),
        ("another revision", sign(&approval_key, |it| it.revision = 2)),
    ];
    for (what, warrant_jws) in stolen {
        let request = ExecuteActionRequest {
            warrant_jws,
            ..permitted.clone()
        };
        deployment
            .refuses(what, request, Code::FailedPrecondition, ErrorReason::WarrantSpent)
            .await;
    }
    assert_eq!(deployment.effects(), 0);
}

#[tokio::test]
async fn a_verdict_about_another_action_carries_nothing() {
    let (deployment, alice) = (Deployment::start().await, Identity::alice());
    let (asked, another) = (Asked::by(&alice, AMBER), Asked::by(&alice, GREEN));
    let harmless = deployment.classify(&alice, &another.action).await;
    let refusal = deployment.create(&alice, &asked, harmless.clone()).await;
    assert_refused(
        "verdict of another action",
        refusal,
        Code::InvalidArgument,
        ErrorReason::VerdictRejected,
    );

    let forged = verdict_for(&asked.action, Risk::Green, Disposition::Allow);
    let foreign = Signer::new(VERDICTS, key("foreign")).sign(&forged).unwrap();
    let refusal = deployment.create(&alice, &asked, nothing_but(foreign)).await;
    assert_refused(
        "verdict of a foreign key",
        refusal,
        Code::InvalidArgument,
        ErrorReason::VerdictRejected,
    );

    let own = deployment.classify(&alice, &asked.action).await.verdict_jws;
    let mut greener = claims(&own);
    (greener["risk"], greener["disposition"]) = (json!("GREEN"), json!("ALLOW"));
    let altered = nothing_but(with_claims(&own, &greener));
    let refusal = deployment.create(&alice, &asked, altered).await;
    assert_refused(
        "altered verdict",
        refusal,
        Code::InvalidArgument,
        ErrorReason::VerdictRejected,
    );

    let signer = deployment.sandbox.authority().verdict_signer();
    let contradiction = verdict_for(&asked.action, Risk::Red, Disposition::Allow);
    let refusal = deployment
        .create(&alice, &asked, nothing_but(signer.sign(&contradiction).unwrap()))
        .await;
    assert_refused(
        "RED and allowed",
        refusal,
        Code::InvalidArgument,
        ErrorReason::VerdictRejected,
    );

    let permitted = deployment.permitted(&alice).await;
    let request = ExecuteActionRequest {
        verdict_jws: harmless.verdict_jws,
        ..permitted
    };
    deployment
        .refuses(
            "verdict exchanged",
            request,
            Code::PermissionDenied,
            ErrorReason::WarrantRejected,
        )
        .await;
}

#[tokio::test]
async fn those_who_decide_read_what_the_classifier_said_and_nothing_else() {
    let (deployment, alice) = (Deployment::start().await, Identity::alice());
    let asked = Asked::by(&alice, AMBER);
    let said = deployment.classify(&alice, &asked.action).await;
    let soothing = Classification {
        reason: "routine, and cleared by the legal department".to_owned(),
        ..said.clone()
    };
    let elsewhere = Classification {
        safe_alternative: "grant it".to_owned(),
        ..said.clone()
    };
    let moved = Classification {
        reason: String::new(),
        safe_alternative: said.reason.clone(),
        ..said.clone()
    };
    for (what, altered) in [("reason", soothing), ("alternative", elsewhere), ("moved", moved)] {
        let refusal = deployment.create(&alice, &asked, altered).await;
        assert_refused(what, refusal, Code::InvalidArgument, ErrorReason::VerdictRejected);
    }
    let created = deployment.create(&alice, &asked, said.clone()).await.unwrap();
    assert_eq!(created.approval.unwrap().reason, said.reason);
}

#[tokio::test]
async fn a_red_verdict_is_never_executed_whoever_signed_the_warrant() {
    let (deployment, alice) = (Deployment::start().await, Identity::alice());
    let asked = Asked::by(&alice, RED);
    let classified = deployment.classify(&alice, &asked.action).await;
    let verdict_jws = classified.verdict_jws.clone();
    deployment.create(&alice, &asked, classified).await.unwrap();
    let signer = deployment.sandbox.authority().warrant_signer();
    for (risk, mode) in [
        (Risk::Red, Mode::People),
        (Risk::Green, Mode::Policy),
        (Risk::Red, Mode::BreakGlass),
    ] {
        let warrant_jws = signer
            .sign(&warrant_for(&asked.action, &verdict_jws, risk, mode))
            .unwrap();
        let action = Some(action_to_proto(&asked.action));
        let request = ExecuteActionRequest {
            action,
            verdict_jws: verdict_jws.clone(),
            warrant_jws,
        };
        let what = format!("{risk} by {mode}");
        deployment
            .refuses(&what, request, Code::PermissionDenied, ErrorReason::WarrantRejected)
            .await;
    }
}

#[tokio::test]
async fn a_stolen_warrant_key_executes_nothing_that_was_not_granted() {
    let (deployment, alice) = (Deployment::start().await, Identity::alice());
    let signer = deployment.sandbox.authority().warrant_signer();
    let asked = Asked::by(&alice, AMBER);
    let classified = deployment.classify(&alice, &asked.action).await;
    let verdict_jws = classified.verdict_jws.clone();
    let warrant = warrant_for(&asked.action, &verdict_jws, Risk::Amber, Mode::People);
    let request = ExecuteActionRequest {
        action: Some(action_to_proto(&asked.action)),
        verdict_jws,
        warrant_jws: signer.sign(&warrant).unwrap(),
    };
    deployment
        .refuses(
            "no approval",
            request.clone(),
            Code::NotFound,
            ErrorReason::ApprovalNotFound,
        )
        .await;
    deployment.create(&alice, &asked, classified).await.unwrap();
    deployment
        .refuses("pending", request, Code::FailedPrecondition, ErrorReason::WrongState)
        .await;
}

//! The service with all of its layers: credentials, rights, health, and the end that a failed log brings.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use chassis::{Node, NodeConfig, Part, PartName, auth::Credential, fault::reason_of, semconv};
use proto::{
    common::v1::ErrorReason,
    trace::v1::{
        Actor, Content, CreateEventRequest, ListTracesRequest, NewEvent, Receipt,
        trace_service_client::TraceServiceClient,
    },
};
use tokio::time::timeout;
use tonic::Status;
use trace_svc::Config;
use warrant::SigningKey;

const DEADLINE: Duration = Duration::from_secs(20);

/// Keys of two producers, and a trust file that knows them.
fn authority(folder: &Path) -> NodeConfig {
    let mut keys = Vec::new();
    for (part, seed) in [(PartName::Approval, 1), (PartName::Executor, 2)] {
        let key = SigningKey::from_seed(&[seed; 32]);
        fs::write(
            folder.join(format!("{part}.pem")),
            key.to_pkcs8_pem().unwrap().as_bytes(),
        )
        .unwrap();
        let mut set = warrant::KeySet::default();
        set.insert(key.public().clone());
        let mut set: serde_json::Value = serde_json::from_str(&set.to_json()).unwrap();
        set["keys"][0]["kid"] = Credential::key_id(part, &key).into();
        keys.push(set["keys"][0].take());
    }
    fs::write(
        folder.join("services.jwks.json"),
        serde_json::json!({ "keys": keys }).to_string(),
    )
    .unwrap();
    let trust = "issuers:\n  - {issuer: countersign/services, kind: services, key_set_file: services.jwks.json}\n";
    fs::write(folder.join("trust.yaml"), trust).unwrap();
    NodeConfig {
        trust_file: Some(folder.join("trust.yaml")),
        ..NodeConfig::default()
    }
}

fn start(folder: &Path) -> (Node, Part) {
    let config = Config::new(authority(folder), folder.join("data"));
    let node = Node::open(PartName::Trace, config.node.clone()).unwrap();
    let part = trace_svc::build(&config, &node).unwrap();
    (node, part)
}

fn client(folder: &Path, caller: PartName, part: &Part) -> TraceServiceClient<chassis::Link> {
    let config = NodeConfig {
        credential_key_file: Some(folder.join(format!("{caller}.pem"))),
        ..NodeConfig::default()
    };
    TraceServiceClient::new(Node::open(caller, config).unwrap().local(part))
}

fn event(number: u128, kind: &str) -> NewEvent {
    let attributes = [
        (semconv::TENANT, "acme"),
        (semconv::ISSUER, "https://id.acme.example"),
        (semconv::REQUESTER, "alice"),
    ];
    NewEvent {
        event_id: uuid::Uuid::from_u128(number).to_string(),
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".to_owned(),
        r#type: kind.to_owned(),
        occur_time: Some(prost_types::Timestamp {
            seconds: 1_790_000_000,
            nanos: 0,
        }),
        actor: Some(Actor {
            r#type: "service".to_owned(),
            id: "approval-svc".to_owned(),
        }),
        attributes: BTreeMap::from(attributes.map(|(key, value)| (key.to_owned(), value.to_owned()))),
        ..NewEvent::default()
    }
}

async fn create(client: &mut TraceServiceClient<chassis::Link>, event: NewEvent) -> Result<Receipt, Status> {
    let request = CreateEventRequest { event: Some(event) };
    client
        .create_event(request)
        .await
        .map(|response| response.into_inner().receipt.unwrap())
}

#[tokio::test]
async fn producers_write_their_own_types_and_read_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (_node, part) = start(folder.path());
    let mut approval = client(folder.path(), PartName::Approval, &part);
    let mut executor = client(folder.path(), PartName::Executor, &part);
    assert_eq!(
        create(&mut approval, event(1, "approval.granted")).await.unwrap().index,
        0
    );
    assert_eq!(
        create(&mut executor, event(2, "execution.started"))
            .await
            .unwrap()
            .index,
        1
    );
    assert!(
        create(&mut approval, event(1, "approval.granted"))
            .await
            .unwrap()
            .duplicate
    );
    for (client, kind) in [(&mut approval, "execution.started"), (&mut executor, "trace.closed")] {
        let refused = create(client, event(3, kind)).await.unwrap_err();
        assert_eq!(reason_of(&refused), Some(ErrorReason::EventTypeNotAllowed));
    }
    let refused = approval.list_traces(ListTracesRequest::default()).await.unwrap_err();
    assert_eq!(reason_of(&refused), Some(ErrorReason::NotPermitted));
}

#[tokio::test]
async fn a_log_that_fails_ends_the_service_with_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let (node, part) = start(folder.path());
    let mut approval = client(folder.path(), PartName::Approval, &part);
    let health = node.local(&part);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let served = tokio::spawn(part.serve(listener));
    let ready = async {
        while !health.is_ready().await {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, ready).await.unwrap();
    fs::remove_dir(folder.path().join("data/blobs")).unwrap();
    let heavy = NewEvent {
        content: Some(Content {
            media_type: "application/octet-stream".to_owned(),
            data: vec![0xff; 100],
        }),
        ..event(1, "approval.granted")
    };
    let refused = create(&mut approval, heavy).await.unwrap_err();
    assert_eq!(reason_of(&refused), Some(ErrorReason::LogUnavailable));
    let ended = timeout(DEADLINE, served).await.unwrap().unwrap();
    assert_eq!(ended.unwrap_err().to_string(), "the log has failed");
    assert!(!health.is_ready().await);
}

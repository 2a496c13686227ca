//! Fields that are missing or malformed.

use std::collections::BTreeMap;

use chassis::PartName;
use prost::Message;
use proto::{
    approval::v1::{ClaimWarrantRequest, CompleteWarrantRequest, GrantApprovalRequest, ListApprovalsRequest},
    common::v1::{Action, ErrorReason, ToolCall},
    execution::v1::ExecuteActionRequest,
    governance::v1::{CreateRunRequest, ListRunsRequest, create_run_request::Operation},
    trace::v1::{BatchCreateEventsRequest, ListEventsRequest, ListTracesRequest, NewEvent},
};
use testkit::{
    authority::{Identity, service_token},
    clients::Tokens,
    gateway::FakeGatewayAndToken,
    sandbox::Sandbox,
};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::{
    raw::{self, Rpc},
    support::assert_refused,
};

/// What an empty message lacks, for each RPC; `-` when it lacks nothing.
const EMPTY: &str = "
GovernanceService/CreateRun          request_id operation
GovernanceService/StreamRun          request_id operation
GovernanceService/GetRun             name
GovernanceService/ListRuns           -
GovernanceService/WatchRun           name
GovernanceService/CancelRun          name request_id

ClassificationService/ClassifyAction action
ClassificationService/BatchClassifyActions actions
ClassificationService/GetPolicy      name
ClassificationService/ListPolicies   -
ClassificationService/ValidatePolicy files
ClassificationService/ReplayPolicy   candidate cases
ClassificationService/GetKeySet      -

ApprovalService/CreateApproval       request_id action verdict_jws
ApprovalService/GetApproval          name
ApprovalService/ListApprovals        -
ApprovalService/WatchApprovals       -
ApprovalService/GrantApproval        name etag action_digest request_id
ApprovalService/DenyApproval         name etag action_digest request_id reason
ApprovalService/CancelApproval       name request_id
ApprovalService/RevokeApproval       name etag action_digest request_id reason
ApprovalService/AcquireApprovals     -

WarrantService/ClaimWarrant          request_id warrant_jws action_digest executor_instance
WarrantService/RenewClaim            approval fencing_token
WarrantService/CompleteWarrant       approval fencing_token request_id outcome
WarrantService/ReconcileWarrant      approval etag reason request_id outcome
WarrantService/GetKeySet             -

ExecutionService/ExecuteAction       action verdict_jws warrant_jws

TraceService/CreateEvent             event
TraceService/BatchCreateEvents       events
TraceService/GetTrace                name
TraceService/ListTraces              -
TraceService/ListEvents              parent
TraceService/ExportEvents            parent format
";

/// Somebody who may call this.
pub(super) fn allowed(rpc: &Rpc) -> Tokens {
    let service = |part| Tokens::bearer(&service_token(part, rpc.part()));
    let asks = Tokens::bearer(&Identity::alice().governance_token());
    let decides = Tokens::bearer(&Identity::bob().approval_token());
    let operates = Tokens::bearer(&Identity::named("olga").in_groups(&["operators"]).governance_token());
    match rpc.name.split_once('/').unwrap() {
        ("ApprovalService", "CreateApproval") => {
            service(PartName::Orchestrator).with_subject(&Identity::alice().governance_token())
        }
        ("ClassificationService", "GetPolicy" | "ListPolicies" | "ValidatePolicy" | "ReplayPolicy") => operates,
        ("ApprovalService", "AcquireApprovals") | ("ExecutionService", _) => service(PartName::Orchestrator),
        ("ApprovalService", "GrantApproval" | "DenyApproval" | "RevokeApproval")
        | ("WarrantService", "ReconcileWarrant") => decides,
        ("WarrantService", "ClaimWarrant" | "RenewClaim" | "CompleteWarrant")
        | ("TraceService", "CreateEvent" | "BatchCreateEvents") => service(PartName::Executor),
        _ => asks,
    }
}

/// The fields that a refusal names, in its order.
pub(super) fn fields(status: &Status) -> Vec<String> {
    let found = status.get_details_bad_request().unwrap().field_violations;
    assert!(found.iter().all(|violation| !violation.description.is_empty()));
    found.into_iter().map(|violation| violation.field).collect()
}

pub(super) async fn nothing_is_stored(sandbox: &Sandbox, gateway: &FakeGatewayAndToken) {
    let (carol, bob) = (sandbox.person(Identity::carol()), sandbox.person(Identity::bob()));
    let approvals = bob
        .approvals()
        .list_approvals(ListApprovalsRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(approvals.approvals, []);
    let traces = carol
        .traces()
        .list_traces(ListTracesRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(traces.traces, []);
    assert_eq!(gateway.gateway.requests(), []);
}

#[tokio::test]
async fn an_empty_message_is_told_everything_that_it_lacks() {
    let gateway = FakeGatewayAndToken::start().await;
    let sandbox = Sandbox::start(&gateway.address()).await;
    let rows = EMPTY.lines().filter(|line| line.contains('/'));
    let rows: BTreeMap<&str, Vec<&str>> = rows
        .map(|line| {
            let mut words = line.split_whitespace();
            (words.next().unwrap(), words.filter(|word| *word != "-").collect())
        })
        .collect();
    for rpc in raw::rpcs() {
        let lacks = rows
            .get(rpc.name.as_str())
            .unwrap_or_else(|| panic!("{} is not in the table", rpc.name));
        let answer = raw::call(sandbox.channels(), &rpc, &allowed(&rpc)).await;
        if lacks.is_empty() {
            answer.unwrap_or_else(|status| panic!("{}: {status:?}", rpc.name));
            continue;
        }
        let status = assert_refused(&rpc.name, answer, Code::InvalidArgument, ErrorReason::InvalidFields);
        let mut named = fields(&status);
        named.dedup();
        assert_eq!(named, *lacks, "{}", rpc.name);
    }
    nothing_is_stored(&sandbox, &gateway).await;
}

/// A message in which everything is wrong.
struct Malformed {
    rpc: &'static str,
    message: Vec<u8>,
    /// The fields that must be named.
    fields: &'static str,
}

impl Malformed {
    fn new(rpc: &'static str, message: &impl Message, fields: &'static str) -> Self {
        Self {
            rpc,
            message: message.encode_to_vec(),
            fields,
        }
    }
}

fn nonsense() -> String {
    "nonsense".to_owned()
}

fn malformed_submissions() -> [Malformed; 3] {
    let operation = Operation::ToolCall(ToolCall {
        tool: String::new(),
        arguments_json: r#"{"a":1,"a":2}"#.to_owned(),
    });
    let run = CreateRunRequest {
        request_id: nonsense(),
        agent: "Not An Agent".to_owned(),
        session: "a\u{202e}b".to_owned(),
        operation: Some(operation),
    };
    let action = Action {
        run_id: nonsense(),
        ..Default::default()
    };
    let execute = ExecuteActionRequest {
        action: Some(action),
        ..Default::default()
    };
    let list = ListRunsRequest {
        page_size: -1,
        filter: "state = NONSENSE AND colour = red".to_owned(),
        ..Default::default()
    };
    [
        Malformed::new(
            "GovernanceService/CreateRun",
            &run,
            "request_id agent session tool_call.tool tool_call.arguments_json",
        ),
        Malformed::new("GovernanceService/ListRuns", &list, "page_size filter"),
        Malformed::new(
            "ExecutionService/ExecuteAction",
            &execute,
            "action.run_id action.operation verdict_jws warrant_jws",
        ),
    ]
}

fn malformed_decisions() -> [Malformed; 4] {
    let grant = GrantApprovalRequest {
        name: "runs/1".to_owned(),
        etag: String::new(),
        action_digest: "sha256:AB".to_owned(),
        request_id: "00000000-0000-0000-0000-000000000000".to_owned(),
        reason: "\u{1b}[2J".to_owned(),
    };
    let claim = ClaimWarrantRequest {
        request_id: nonsense(),
        action_digest: nonsense(),
        executor_instance: "a\nb\0".to_owned(),
        ..Default::default()
    };
    let complete = CompleteWarrantRequest {
        approval: "approvals/".to_owned(),
        outcome: 99,
        request_id: nonsense(),
        detail: "x".repeat(64 * 1024),
        ..Default::default()
    };
    let list = ListApprovalsRequest {
        page_size: -1,
        filter: "run_id = 1 AND colour = red".to_owned(),
        ..Default::default()
    };
    [
        Malformed::new(
            "ApprovalService/GrantApproval",
            &grant,
            "name etag action_digest request_id reason",
        ),
        Malformed::new("ApprovalService/ListApprovals", &list, "page_size filter"),
        Malformed::new(
            "WarrantService/ClaimWarrant",
            &claim,
            "request_id warrant_jws action_digest executor_instance",
        ),
        Malformed::new(
            "WarrantService/CompleteWarrant",
            &complete,
            "approval fencing_token request_id detail outcome",
        ),
    ]
}

fn malformed_records() -> [Malformed; 2] {
    let events = BatchCreateEventsRequest {
        events: vec![NewEvent::default(), NewEvent::default()],
    };
    let list = ListEventsRequest {
        parent: "traces/1".to_owned(),
        page_size: -5,
        filter: "type = nonsense".to_owned(),
        ..Default::default()
    };
    [
        Malformed::new("TraceService/ListEvents", &list, "page_size parent filter"),
        Malformed::new(
            "TraceService/BatchCreateEvents",
            &events,
            "events[0].event_id events[0].trace_id events[0].type events[0].occur_time events[0].actor \
             events[1].event_id events[1].trace_id events[1].type events[1].occur_time events[1].actor",
        ),
    ]
}

#[tokio::test]
async fn everything_that_is_wrong_is_said_at_once() {
    let gateway = FakeGatewayAndToken::start().await;
    let sandbox = Sandbox::start(&gateway.address()).await;
    let everything = malformed_submissions()
        .into_iter()
        .chain(malformed_decisions())
        .chain(malformed_records());
    for Malformed {
        rpc: name,
        message,
        fields: expected,
    } in everything
    {
        let rpc = raw::rpc(name);
        let refusal = raw::send(sandbox.channels(), &rpc, &allowed(&rpc), message).await;
        let status = assert_refused(name, refusal, Code::InvalidArgument, ErrorReason::InvalidFields);
        let named = fields(&status);
        for field in expected.split_whitespace() {
            assert!(
                named.iter().any(|found| found == field),
                "{name}: {field} is not among {named:?}"
            );
        }
    }
    nothing_is_stored(&sandbox, &gateway).await;
}

#[tokio::test]
async fn bytes_that_are_no_message_are_refused() {
    let gateway = FakeGatewayAndToken::start().await;
    let sandbox = Sandbox::start(&gateway.address()).await;
    // Field 1, a string of one byte that is no UTF-8; and a field that ends before it has begun.
    for message in [vec![0x0a, 0x01, 0xff], vec![0x0a, 0x7f]] {
        for rpc in raw::rpcs() {
            let answer = raw::send(sandbox.channels(), &rpc, &allowed(&rpc), message.clone()).await;
            let takes_nothing = rpc.name.ends_with("GetKeySet") && message.last() == Some(&0xff);
            if takes_nothing {
                answer.unwrap();
            } else {
                assert_refused(&rpc.name, answer, Code::InvalidArgument, ErrorReason::InvalidFields);
            }
        }
    }
    nothing_is_stored(&sandbox, &gateway).await;
}

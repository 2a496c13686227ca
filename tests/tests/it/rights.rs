//! Who may call what: every RPC, called as everybody, against the running parts.

use std::collections::BTreeMap;

use chassis::{PartName, fault::reason_of};
use proto::common::v1::ErrorReason;
use testkit::{
    authority::{Identity, service_token},
    clients::Tokens,
    gateway::FakeGatewayAndToken,
    sandbox::Sandbox,
};
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{
    raw::{self, Rpc},
    support::assert_refused,
};

/// Who is let in (`x`) and who is not (`.`), one column for each caller:
///
/// - nobody, without any credential
/// - people with a token to ask (`countersign/governance`) or to decide (`countersign/approval`):
///   in no group, approvers, operators, auditors
/// - parts: by themselves, forwarding a person's token to ask, forwarding one to decide
const MATRIX: &str = "
                                         people who     people who
                                 nobody  ask            decide         orchestr.   classifier  approval    executor    trace       simulated
                                 -       none ap op au  none ap op au  -  ask dec  -  ask dec  -  ask dec  -  ask dec  -  ask dec  -  ask dec
GovernanceService/CreateRun      .       x    x  x  x   .    .  .  .   .  .   .    .  .   .    .  .   .    .  .   .    .  .   .    .  .   .
GovernanceService/StreamRun      .       x    x  x  x   .    .  .  .   .  .   .    .  .   .    .  .   .    .  .   .    .  .   .    .  .   .
GovernanceService/GetRun         .       x    x  x  x   .    .  .  .   .  .   .    .  .   .    .  .   .    .  .   .    .  .   .    .  .   .
GovernanceService/ListRuns       .       x    x  x  x   .    .  .  .   .  .   .    .  .   .    .  .   .    .  .   .    .  .   .    .  .   .
GovernanceService/WatchRun       .       x    x  x  x   .    .  .  .   .  .   .    .  .   .    .  .   .    .  .   .    .  .   .    .  .   .
GovernanceService/CancelRun      .       x    x  x  x   .    .  .  .   .  .   .    .  .   .    .  .   .    .  .   .    .  .   .    .  .   .

ClassificationService/ClassifyAction  .  x    x  x  x   .    .  .  .   .  x   .    .  .   .    .  .   .    .  .   .    .  .   .    .  .   .
ClassificationService/BatchClassifyActions .  x    x  x  x   .    .  .  .   .  x   .    .  .   .    .  .   .    .  .   .    .  .   .    .  .   .
ClassificationService/GetPolicy       .  .    .  x  x   .    .  .  .   .  .   .    .  .   .    .  .   .    .  .   .    .  .   .    .  .   .
ClassificationService/ListPolicies    .  .    .  x  x   .    .  .  .   .  .   .    .  .   .    .  .   .    .  .   .    .  .   .    .  .   .
ClassificationService/ValidatePolicy  .  .    .  x  x   .    .  .  .   .  .   .    .  .   .    .  .   .    .  .   .    .  .   .    .  .   .
ClassificationService/ReplayPolicy    .  .    .  x  x   .    .  .  .   .  .   .    .  .   .    .  .   .    .  .   .    .  .   .    .  .   .
ClassificationService/GetKeySet  .       x    x  x  x   x    x  x  x   x  x   x    x  x   x    x  x   x    x  x   x    x  x   x    x  x   x

ApprovalService/CreateApproval   .       .    .  .  .   .    .  .  .   .  x   .    .  .   .    .  .   .    .  .   .    .  .   .    .  .   .
ApprovalService/GetApproval      .       x    x  x  x   x    x  x  x   .  x   .    .  .   .    .  .   .    .  .   .    .  .   .    .  .   .
ApprovalService/ListApprovals    .       x    x  x  x   x    x  x  x   .  x   .    .  .   .    .  .   .    .  .   .    .  .   .    .  .   .
ApprovalService/WatchApprovals   .       x    x  x  x   x    x  x  x   .  x   .    .  .   .    .  .   .    .  .   .    .  .   .    .  .   .
ApprovalService/GrantApproval    .       .    .  .  .   .    x  .  .   .  .   .    .  .   .    .  .   .    .  .   .    .  .   .    x  .   .
ApprovalService/DenyApproval     .       .    .  .  .   .    x  .  .   .  .   .    .  .   .    .  .   .    .  .   .    .  .   .    x  .   .
ApprovalService/CancelApproval   .       x    x  x  x   .    .  .  .   .  x   .    .  .   .    .  .   .    .  .   .    .  .   .    .  .   .
ApprovalService/RevokeApproval   .       .    .  .  .   .    x  x  .   .  .   .    .  .   .    .  .   .    .  .   .    .  .   .    .  .   .
ApprovalService/AcquireApprovals .       .    .  .  .   .    .  .  .   x  .   .    .  .   .    .  .   .    .  .   .    .  .   .    .  .   .

WarrantService/ClaimWarrant      .       .    .  .  .   .    .  .  .   .  .   .    .  .   .    .  .   .    x  .   .    .  .   .    .  .   .
WarrantService/RenewClaim        .       .    .  .  .   .    .  .  .   .  .   .    .  .   .    .  .   .    x  .   .    .  .   .    .  .   .
WarrantService/CompleteWarrant   .       .    .  .  .   .    .  .  .   .  .   .    .  .   .    .  .   .    x  .   .    .  .   .    .  .   .
WarrantService/ReconcileWarrant  .       .    .  .  .   .    x  x  .   .  .   .    .  .   .    .  .   .    .  .   .    .  .   .    .  .   .
WarrantService/GetKeySet         .       x    x  x  x   x    x  x  x   x  x   x    x  x   x    x  x   x    x  x   x    x  x   x    x  x   x

ExecutionService/ExecuteAction   .       .    .  .  .   .    .  .  .   x  .   .    .  .   .    .  .   .    .  .   .    .  .   .    .  .   .

TraceService/CreateEvent         .       .    .  .  .   .    .  .  .   .  .   .    .  .   .    x  .   .    x  .   .    .  .   .    .  .   .
TraceService/BatchCreateEvents   .       .    .  .  .   .    .  .  .   .  .   .    .  .   .    x  .   .    x  .   .    .  .   .    .  .   .
TraceService/GetTrace            .       x    x  x  x   .    .  .  .   .  x   .    .  .   .    .  .   .    .  .   .    .  .   .    .  .   .
TraceService/ListTraces          .       x    x  x  x   .    .  .  .   .  x   .    .  .   .    .  .   .    .  .   .    .  .   .    .  .   .
TraceService/ListEvents          .       x    x  x  x   .    .  .  .   .  x   .    .  .   .    .  .   .    .  .   .    .  .   .    .  .   .
TraceService/ExportEvents        .       x    x  x  x   .    .  .  .   .  x   .    .  .   .    .  .   .    .  .   .    .  .   .    .  .   .
";

/// What the gate answers whom it doesn't let in.
const REFUSALS: [ErrorReason; 7] = [
    ErrorReason::TokenMissing,
    ErrorReason::TokenInvalid,
    ErrorReason::TokenExpired,
    ErrorReason::WrongAudience,
    ErrorReason::NotPermitted,
    ErrorReason::ForwardedCredential,
    ErrorReason::SubjectMissing,
];

const GROUPS: [&[&str]; 4] = [&[], &["approvers"], &["operators"], &["auditors"]];

/// Somebody who calls; the token of a part depends on whom it calls.
type Caller = (String, Box<dyn Fn(PartName) -> Tokens>);

/// Makes a person's token.
type TokenOf = fn(&Identity) -> String;

/// Everybody, in the order of the columns.
fn callers() -> Vec<Caller> {
    let mut callers: Vec<Caller> = vec![("nobody".to_owned(), Box::new(|_| Tokens::none()))];
    let tokens: [(&str, TokenOf); 2] = [
        ("asks", Identity::governance_token),
        ("decides", Identity::approval_token),
    ];
    for (what, token) in tokens {
        for groups in GROUPS {
            let tokens = Tokens::bearer(&token(&Identity::named("eve").in_groups(groups)));
            callers.push((format!("who {what}, in {groups:?}"), Box::new(move |_| tokens.clone())));
        }
    }
    for part in PartName::ALL {
        let bearer = move |target| Tokens::bearer(&service_token(part, target));
        callers.push((part.to_string(), Box::new(bearer)));
        for (what, token) in tokens {
            // The person could do everything, if they called themselves.
            let subject = token(&Identity::named("eve").in_groups(&["approvers", "operators", "auditors"]));
            let forwarding = move |target| bearer(target).with_subject(&subject);
            callers.push((format!("{part} for one who {what}"), Box::new(forwarding)));
        }
    }
    callers
}

fn matrix() -> BTreeMap<&'static str, Vec<bool>> {
    let rows = MATRIX.lines().filter(|line| line.contains('/'));
    let cells = |line: &'static str| {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap();
        let cells = words.map(|cell| match cell {
            "x" => true,
            "." => false,
            other => panic!("{name}: {other}"),
        });
        (name, cells.collect())
    };
    rows.map(cells).collect()
}

/// Whether the gate lets this caller in; what the handler says of an empty message doesn't matter.
async fn lets_in(sandbox: &Sandbox, rpc: &Rpc, tokens: &Tokens) -> bool {
    match raw::call(sandbox.channels(), rpc, tokens).await {
        Ok(()) => true,
        Err(status) => {
            let reason =
                reason_of(&status).unwrap_or_else(|| panic!("{}: an error without a reason: {status:?}", rpc.name));
            let refused = REFUSALS.contains(&reason);
            let says_so = matches!(status.code(), Code::Unauthenticated | Code::PermissionDenied);
            assert_eq!(refused, says_so, "{}: {status:?}", rpc.name);
            !refused
        }
    }
}

#[tokio::test]
async fn everybody_may_call_exactly_what_the_table_says() {
    let gateway = FakeGatewayAndToken::start().await;
    let sandbox = Sandbox::start(&gateway.address()).await;
    let (matrix, callers) = (matrix(), callers());
    let mut wrong = Vec::new();
    for rpc in raw::rpcs() {
        let row = matrix
            .get(rpc.name.as_str())
            .unwrap_or_else(|| panic!("{} is not in the table", rpc.name));
        assert_eq!(row.len(), callers.len(), "{}: columns", rpc.name);
        for ((caller, tokens), expected) in callers.iter().zip(row) {
            let actual = lets_in(&sandbox, &rpc, &tokens(rpc.part())).await;
            if actual != *expected {
                wrong.push(format!("{}: {caller}: let in {actual}, not {expected}", rpc.name));
            }
        }
    }
    assert_eq!(wrong, [] as [String; 0]);
    assert_eq!(
        matrix.len(),
        raw::rpcs().len(),
        "the table has rows for RPCs that are not in the contract"
    );
    assert_eq!(gateway.gateway.requests(), []);
}

#[test]
fn the_shipped_rights_name_the_rpcs_of_the_contract_and_no_others() {
    let rights = chassis::auth::Rights::shipped().unwrap();
    let mut named: Vec<&str> = rights
        .iter()
        .filter_map(|(rpc, _)| rpc.rsplit_once('.'))
        .map(|(_, name)| name)
        .collect();
    let rpcs = raw::rpcs();
    let mut expected: Vec<&str> = rpcs.iter().map(|rpc| rpc.name.as_str()).collect();
    named.sort_unstable();
    expected.sort_unstable();
    assert_eq!(named, expected);
}

#[tokio::test]
async fn health_is_open_and_everything_unknown_is_closed() {
    let gateway = FakeGatewayAndToken::start().await;
    let sandbox = Sandbox::start(&gateway.address()).await;
    for part in testkit::fleet::PARTS {
        let channel = sandbox.channels().to(part);
        let mut health = HealthClient::new(channel.clone());
        health.check(HealthCheckRequest::default()).await.unwrap();
        // A part serves its own RPCs alone, and says nothing of others to whom it doesn't know.
        for rpc in raw::rpcs().into_iter().filter(|rpc| rpc.part() != part) {
            let refusal = raw::call_at(channel.clone(), &rpc, &Tokens::none()).await;
            assert_refused(&rpc.name, refusal, Code::Unauthenticated, ErrorReason::TokenMissing);
        }
    }
}

//! Every `buf curl` line of the documentation, as printed: only addresses, tokens and the issuer are those of the test.

use std::{collections::BTreeMap, process::Stdio};

use chassis::PartName;
use proto::{
    approval::v1::{Approval, ClaimWarrantRequest, CompleteWarrantRequest},
    common::v1::{Instruction, Outcome},
    governance::v1::{CreateRunRequest, create_run_request::Operation},
};
use serde_json::{Deserializer, Value};
use tempfile::TempDir;
use testkit::{
    authority::{Identity, PEOPLE, TENANT, service_token},
    eventually,
    gateway::FakeGatewayAndToken,
    sandbox::Sandbox,
};
use tokio::{io::AsyncReadExt as _, process::Command, time::timeout};
use warrant::RunId;

use super::{PATIENCE, assert_all_called, at, page, run};
use crate::{
    requests::fresh_id,
    support::{AMBER, Deployment, GREEN},
};

/// The request id of the documented `CreateApproval`, from which its action's run id follows.
const DOCUMENTED_REQUEST: &str = "6f2d7b9e-3f0a-4a51-9d1c-6a1de6f0b1aa";

/// The page, read by somebody who tries its lines in a shell.
struct Reader {
    page: String,
    variables: BTreeMap<&'static str, String>,
    folder: TempDir,
    called: Vec<String>,
}

// === impl Reader ===

impl Reader {
    fn of(sandbox: &Sandbox) -> Self {
        let run = |issuer| RunId::derive(TENANT, issuer, "alice", DOCUMENTED_REQUEST).to_string();
        let page = at(&page(), sandbox);
        let page = page
            .replace(&run("countersign/local"), &run(PEOPLE))
            .replace("countersign/local", PEOPLE);
        let variables = BTreeMap::from([
            ("ASK", Identity::alice().governance_token()),
            ("DECIDE", Identity::bob().approval_token()),
            (
                "OPERATE",
                Identity::named("olga").in_groups(&["operators"]).governance_token(),
            ),
            (
                "ORCHESTRATOR",
                service_token(PartName::Orchestrator, PartName::Approval),
            ),
            ("EXECUTOR", service_token(PartName::Executor, PartName::Approval)),
            (
                "ORCHESTRATOR_FOR_EXECUTOR",
                service_token(PartName::Orchestrator, PartName::Executor),
            ),
            ("EXECUTOR_FOR_TRACE", service_token(PartName::Executor, PartName::Trace)),
        ]);
        Self {
            page,
            variables,
            folder: TempDir::new().unwrap(),
            called: Vec::new(),
        }
    }

    fn set(&mut self, variable: &'static str, value: impl Into<String>) {
        self.variables.insert(variable, value.into());
    }

    fn set_approval(&mut self, approval: &Approval) {
        self.set("APPROVAL", approval.name.as_str());
        self.set("ETAG", approval.etag.as_str());
        self.set("DIGEST", approval.action_digest.as_str());
    }

    /// The shell's command for the line that calls this RPC.
    fn command(&mut self, rpc: &str) -> Command {
        let line = |found: &dyn Fn(&&str) -> bool| {
            self.page
                .lines()
                .find(found)
                .unwrap_or_else(|| panic!("there is no line for {rpc}"))
                .to_owned()
        };
        let path = format!(".{rpc}");
        let call = line(&|line| line.starts_with("buf curl ") && line.ends_with(&path));
        let values = ["ACTION=", "EVENT=", "POLICY="].map(|start| line(&|line| line.starts_with(start)));
        self.called
            .push(call.split_at(call.find("/countersign.").unwrap()).1.to_owned());
        let mut command = Command::new("bash");
        let script = format!("set -eu\n{}\nexec {call}", values.join("\n"));
        command
            .arg("-c")
            .arg(script)
            .envs(&self.variables)
            .current_dir(self.folder.path());
        command
    }

    /// What the line prints, message by message.
    async fn all(&mut self, rpc: &str) -> Vec<Value> {
        let mut command = self.command(rpc);
        let written = run(&mut command, "").await;
        assert!(written.ended_well, "{rpc}: {written:?}");
        let messages = Deserializer::from_str(&written.stdout)
            .into_iter()
            .collect::<Result<Vec<Value>, _>>()
            .unwrap();
        assert!(!messages.is_empty(), "{rpc}: {written:?}");
        messages
    }

    /// The one message, or the last, that the line prints.
    async fn last(&mut self, rpc: &str) -> Value {
        self.all(rpc).await.pop().unwrap()
    }

    /// The first message of a line that never ends.
    async fn first(&mut self, rpc: &str) -> Value {
        let mut command = self.command(rpc);
        let mut process = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let (mut stdout, mut written) = (process.stdout.take().unwrap(), Vec::new());
        let message = async {
            loop {
                assert_ne!(stdout.read_buf(&mut written).await.unwrap(), 0, "{rpc} ended");
                if let Some(Ok(message)) = Deserializer::from_slice(&written).into_iter::<Value>().next() {
                    return message;
                }
            }
        };
        timeout(PATIENCE, message)
            .await
            .unwrap_or_else(|_| panic!("{rpc} prints nothing"))
    }
}

fn text<'a>(message: &'a Value, pointer: &str) -> &'a str {
    message
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("{pointer} is not in {message}"))
}

#[tokio::test]
async fn every_documented_line_works_as_printed() {
    let gateway = FakeGatewayAndToken::start().await;
    let sandbox = Sandbox::start(&gateway.address()).await;
    let mut called = asking(&sandbox).await;
    // Nobody else executes what these lines permit.
    let deployment = Deployment::start().await;
    let mut reader = Reader::of(&deployment.sandbox);
    deciding(&mut reader, &deployment).await;
    executing(&mut reader).await;
    reading(&mut reader).await;
    called.append(&mut reader.called);
    assert_all_called(called.iter().map(String::as_str));
}

async fn asking(sandbox: &Sandbox) -> Vec<String> {
    let mut reader = Reader::of(sandbox);
    let created = reader.last("GovernanceService/CreateRun").await;
    reader.set("RUN", text(&created, "/run/name").trim_start_matches("runs/"));
    let watched = reader.last("GovernanceService/WatchRun").await;
    assert_eq!(text(&watched, "/run/state"), "STATE_SUCCEEDED");
    assert_eq!(
        reader.last("GovernanceService/GetRun").await["run"]["state"],
        "STATE_SUCCEEDED"
    );
    assert_eq!(
        reader.last("GovernanceService/StreamRun").await["run"]["state"],
        "STATE_SUCCEEDED"
    );
    reader.last("GovernanceService/ListRuns").await;
    let waits = CreateRunRequest {
        request_id: fresh_id(),
        agent: "main".to_owned(),
        session: String::new(),
        operation: Some(Operation::Instruction(Instruction { text: AMBER.to_owned() })),
    };
    let waiting = sandbox
        .person(Identity::alice())
        .runs()
        .create_run(waits)
        .await
        .unwrap()
        .into_inner();
    reader.set("RUN", waiting.run.unwrap().name.trim_start_matches("runs/"));
    assert_eq!(
        reader.last("GovernanceService/CancelRun").await["run"]["state"],
        "STATE_CANCELLED"
    );
    reader.called
}

async fn policies(reader: &mut Reader) {
    let both = reader.last("ClassificationService/BatchClassifyActions").await;
    assert_eq!(text(&both, "/classifications/1/classification/risk"), "RISK_GREEN");
    let listed = reader.last("ClassificationService/ListPolicies").await;
    assert_eq!(text(&listed, "/policies/0/role"), "ROLE_LIVE");
    let policy = reader.last("ClassificationService/GetPolicy").await;
    assert_ne!(text(&policy, "/policy/rules/0/reason"), "");
    assert_eq!(reader.last("ClassificationService/ValidatePolicy").await["valid"], true);
    let replayed = reader.last("ClassificationService/ReplayPolicy").await;
    assert_eq!(replayed["changedCount"], 1);
}

async fn deciding(reader: &mut Reader, deployment: &Deployment) {
    let alice = Identity::alice();
    for (rpc, state) in [
        ("ApprovalService/GrantApproval", "STATE_GRANTED"),
        ("ApprovalService/DenyApproval", "STATE_DENIED"),
        ("ApprovalService/CancelApproval", "STATE_CANCELLED"),
    ] {
        reader.set_approval(&deployment.pending(&alice).await);
        let listed = reader.last("ApprovalService/ListApprovals").await;
        assert_eq!(text(&listed, "/approvals/0/name"), reader.variables["APPROVAL"]);
        assert_eq!(
            text(&reader.last("ApprovalService/GetApproval").await, "/approval/etag"),
            reader.variables["ETAG"]
        );
        assert_eq!(text(&reader.last(rpc).await, "/approval/state"), state);
    }
    // The stream says first where it begins.
    let start = reader.first("ApprovalService/WatchApprovals").await;
    assert_ne!(text(&start, "/resumeToken"), "");
    reader.set_approval(&deployment.submit(&alice, GREEN).await.approval.unwrap());
    assert_eq!(
        text(&reader.last("ApprovalService/RevokeApproval").await, "/approval/state"),
        "STATE_REVOKED"
    );
    reader.set_approval(&left_unknown(deployment).await);
    reader.last("WarrantService/ReconcileWarrant").await;
    reader.last("WarrantService/GetKeySet").await;
}

/// An approval whose execution ended in nobody knows what.
async fn left_unknown(deployment: &Deployment) -> Approval {
    let created = deployment.submit(&Identity::alice(), GREEN).await;
    let mut executor = deployment.sandbox.service(PartName::Executor).warrants();
    let claim = ClaimWarrantRequest {
        request_id: fresh_id(),
        warrant_jws: created.warrant_jws,
        action_digest: created.approval.unwrap().action_digest,
        executor_instance: "by hand".to_owned(),
    };
    let claim = executor.claim_warrant(claim).await.unwrap().into_inner().claim.unwrap();
    let end = CompleteWarrantRequest {
        approval: claim.approval,
        fencing_token: claim.fencing_token,
        outcome: Outcome::Unknown.into(),
        request_id: fresh_id(),
        ..Default::default()
    };
    executor
        .complete_warrant(end)
        .await
        .unwrap()
        .into_inner()
        .approval
        .unwrap()
}

async fn executing(reader: &mut Reader) {
    policies(reader).await;
    let classified = reader.last("ClassificationService/ClassifyAction").await;
    reader.set("VERDICT", text(&classified, "/classification/verdictJws"));
    reader.set("REASON", text(&classified, "/classification/reason"));
    reader.last("ClassificationService/GetKeySet").await;
    let created = reader.last("ApprovalService/CreateApproval").await;
    let approval = text(&created, "/approval/name");
    reader.set("APPROVAL", approval);
    reader.set("DIGEST", text(&created, "/approval/actionDigest"));
    reader.set("WARRANT", text(&created, "/warrantJws"));
    let claimed = reader.last("WarrantService/ClaimWarrant").await;
    reader.set("FENCE", text(&claimed, "/claim/fencingToken"));
    reader.last("WarrantService/RenewClaim").await;
    let given_back = reader.last("WarrantService/CompleteWarrant").await;
    assert_eq!(text(&given_back, "/approval/state"), "STATE_GRANTED");
    // What was given back is handed out again, with another warrant.
    let warrant = eventually("it is handed out again", async || {
        let acquired = reader.last("ApprovalService/AcquireApprovals").await;
        let dispatch = acquired
            .pointer("/dispatches/0")
            .filter(|dispatch| text(dispatch, "/approval/name") == approval)?;
        Some(text(dispatch, "/warrantJws").to_owned())
    })
    .await;
    reader.set("WARRANT", warrant);
    let executed = reader.last("ExecutionService/ExecuteAction").await;
    assert_eq!(text(&executed, "/finished/outcome"), "OUTCOME_SUCCEEDED");
    reader.set(
        "RUN",
        RunId::derive(TENANT, PEOPLE, "alice", DOCUMENTED_REQUEST).to_string(),
    );
}

async fn reading(reader: &mut Reader) {
    for rpc in [
        "TraceService/ListTraces",
        "TraceService/GetTrace",
        "TraceService/ListEvents",
        "TraceService/ExportEvents",
    ] {
        reader.last(rpc).await;
    }
    reader.last("TraceService/CreateEvent").await;
    assert_eq!(
        reader.last("TraceService/BatchCreateEvents").await["receipts"][0]["duplicate"],
        true
    );
}

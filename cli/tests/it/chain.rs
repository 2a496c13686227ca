//! The chain, as users see it.

use cli::Exit;
use testkit::fake_gateway::{Behaviour, FakeGateway};

use crate::{
    instance::{AMBER, GREEN, Instance, RED, run, type_in_a_shell},
    lossy::losing_the_second_answer,
};

const ID: &str = "6f1c7b9e-3f0a-4a51-9d1c-6a1de6f0b1aa";

/// Submits an AMBER request and returns the name of its approval.
async fn pending(instance: &Instance) -> String {
    let (exit, lines) = instance.json(&["run", AMBER, "--no-wait", "--request-id", ID]).await;
    assert_eq!(exit, Exit::Pending, "{lines:?}");
    assert_eq!(
        (&lines[0]["state"], &lines[0]["risk"]),
        (&"PENDING_APPROVAL".into(), &"AMBER".into())
    );
    lines[0]["approval"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn green_is_executed_and_its_answer_printed() {
    let instance = Instance::start().await;
    let said = instance.run(&["run", GREEN]).await;
    assert_eq!(
        (said.exit, said.out.as_str()),
        (Exit::Ok, &*format!("{}\n", FakeGateway::ANSWER)),
        "{said:?}"
    );
    assert!(
        said.err.contains("GREEN ") && said.err.contains("\nSUCCEEDED"),
        "{}",
        said.err
    );
    assert_eq!(instance.gateway().requests().len(), 1);
}

#[tokio::test]
async fn amber_is_executed_once_somebody_else_grants_it() {
    let instance = Instance::start().await;
    let approval = pending(&instance).await;
    let (_, listed) = instance
        .json(&["approvals", "list", "--as", "bob", "--state", "pending"])
        .await;
    assert_eq!(listed[0]["approvals"][0]["name"], *approval);
    let digest = listed[0]["approvals"][0]["action_digest"].as_str().unwrap();

    let shown = instance.run(&["approvals", "show", &approval]).await;
    assert!(shown.out.contains(AMBER) && shown.out.contains(digest), "{}", shown.out);
    assert_eq!(
        instance.run(&["approvals", "grant", &approval]).await.exit,
        Exit::Usage,
        "nobody confirms"
    );
    let own = instance
        .run(&["approvals", "grant", &approval, "--as", "alice", "--yes"])
        .await;
    assert!(
        own.exit == Exit::Failure && own.err.contains("NOT_PERMITTED"),
        "{own:?}"
    );
    let other = format!("sha256:{}", "0".repeat(64));
    assert_eq!(
        instance
            .run(&["approvals", "grant", &approval, "--digest", &other])
            .await
            .exit,
        Exit::Failure
    );
    assert_eq!(instance.gateway().requests().len(), 0);

    let granted = instance
        .run(&["approvals", "grant", &approval, "--digest", digest])
        .await;
    assert_eq!(granted.exit, Exit::Ok, "{granted:?}");
    let (exit, lines) = instance.json(&["run", AMBER, "--request-id", ID]).await;
    let run = &lines.last().unwrap()["run"];
    assert_eq!(
        (exit, &run["state"], &run["mode"]),
        (Exit::Ok, &"SUCCEEDED".into(), &"PEOPLE".into()),
        "{lines:?}"
    );
    assert_eq!(run["output"], FakeGateway::ANSWER);
    assert_eq!(instance.gateway().requests().len(), 1);
}

#[tokio::test]
async fn red_is_blocked_with_a_safe_alternative() {
    let instance = Instance::start().await;
    let said = instance.run(&["run", RED]).await;
    assert_eq!((said.exit, said.out.as_str()), (Exit::Blocked, ""));
    assert!(
        said.err.contains("\nBLOCKED") && said.err.contains("\ninstead: "),
        "{}",
        said.err
    );
    assert_eq!(instance.gateway().requests().len(), 0);
}

#[tokio::test]
async fn denied_and_cancelled_requests_end_with_their_own_codes() {
    let instance = Instance::start().await;
    let approval = pending(&instance).await;
    let denied = instance
        .run(&["approvals", "deny", &approval, "--reason", "not this month"])
        .await;
    assert_eq!(denied.exit, Exit::Ok, "{denied:?}");
    let said = instance.run(&["run", AMBER, "--request-id", ID]).await;
    assert_eq!(said.exit, Exit::Denied, "{said:?}");
    assert!(said.err.contains("not this month"), "{}", said.err);

    let (_, lines) = instance.json(&["run", AMBER, "--no-wait"]).await;
    let run = lines[0]["name"].as_str().unwrap();
    let (exit, cancelled) = instance.json(&["approvals", "cancel", run]).await;
    assert_eq!((exit, &cancelled[0]["state"]), (Exit::Ok, &"CANCELLED".into()));
    assert_eq!(instance.gateway().requests().len(), 0);
}

#[tokio::test]
async fn the_simulated_approver_says_that_it_is_one() {
    let gateway = FakeGateway::start().await.unwrap();
    let instance = Instance::start_with(Some(gateway), &["--simulated-approver"]).await;
    let (exit, lines) = instance.json(&["run", AMBER]).await;
    let run = &lines.last().unwrap()["run"];
    assert_eq!((exit, &run["mode"]), (Exit::Ok, &"SIMULATED".into()), "{lines:?}");
}

#[tokio::test]
async fn what_happened_is_shown_and_exported() {
    let instance = Instance::start().await;
    let (_, lines) = instance.json(&["run", GREEN]).await;
    let run = lines.last().unwrap()["run"]["name"].as_str().unwrap();
    testkit::eventually("a closed trace", async || {
        let (_, shown) = instance.json(&["trace", "show", run]).await;
        (shown[0]["trace"]["closed"] == true).then_some(())
    })
    .await;
    let shown = instance.run(&["trace", "show", run, "--content"]).await;
    assert!(
        shown.out.contains("execution.started") && shown.out.contains("trace.closed"),
        "{}",
        shown.out
    );
    assert!(
        shown.out.contains(&format!("│ {}", FakeGateway::ANSWER)),
        "{}",
        shown.out
    );

    let events = instance.run(&["trace", "export", "--run", run]).await.out;
    assert!(
        events
            .lines()
            .all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
    );
    let file = instance.file("trace.csv");
    let csv = [
        "trace",
        "export",
        "--run",
        run,
        "--format",
        "csv",
        "--out",
        file.to_str().unwrap(),
        "--as",
        "carol",
    ];
    assert_eq!(instance.run(&csv).await.exit, Exit::Ok);
    let rows = std::fs::read_to_string(file).unwrap();
    assert!(
        rows.lines().count() > events.lines().count(),
        "a header and at least a line for each event"
    );

    let olga = instance.run(&["trace", "show", run, "--as", "olga"]).await;
    assert!(
        olga.exit == Exit::Failure && olga.err.contains("TRACE_NOT_FOUND"),
        "{olga:?}"
    );
}

#[tokio::test]
async fn changes_are_followed_from_a_token_on() {
    let instance = Instance::start().await;
    let approval = pending(&instance).await;
    let (_, _) = instance.json(&["approvals", "deny", &approval, "--reason", "no"]).await;
    let watch = instance.json(&["approvals", "watch", "--count", "1"]);
    let submit = async {
        // The watch begins with what is committed from its start on, so changes are made until it saw one.
        loop {
            instance.json(&["run", AMBER, "--no-wait"]).await;
        }
    };
    let (exit, lines) = tokio::select! {
        seen = watch => seen,
        () = submit => unreachable!("it never ends"),
    };
    assert_eq!(exit, Exit::Ok);
    assert_eq!(lines[0]["approval"]["state"], "PENDING");
    assert!(!lines[0]["resume_token"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn a_run_is_followed_across_a_crash_of_everything() {
    let instance = Instance::start().await;
    let data = instance.data();
    let follower = tokio::spawn(async move { run(&["run", AMBER, "--data-dir", data.to_str().unwrap()]).await });
    let approval = testkit::eventually("a pending approval", async || {
        let (_, listed) = instance.json(&["approvals", "list"]).await;
        listed[0]["approvals"][0]["name"].as_str().map(ToOwned::to_owned)
    })
    .await;
    let instance = instance.crash_and_restart().await;
    let granted = instance.run(&["approvals", "grant", &approval, "--yes"]).await;
    assert_eq!(granted.exit, Exit::Ok, "{granted:?}");
    let said = follower.await.unwrap();
    assert_eq!(
        (said.exit, said.out.as_str()),
        (Exit::Ok, &*format!("{}\n", FakeGateway::ANSWER)),
        "{said:?}"
    );
    assert_eq!(instance.gateway().requests().len(), 1);
}

#[tokio::test]
async fn a_tool_call_goes_the_same_way() {
    let instance = Instance::start().await;
    let call = [
        "run",
        "--tool",
        "sessions_list",
        "--arguments",
        "{\"limit\": 1}",
        "--no-wait",
    ];
    let (exit, lines) = instance.json(&call).await;
    assert!(matches!(exit, Exit::Pending | Exit::Ok), "{lines:?}");
    assert_eq!(lines[0]["action"]["tool"], "sessions_list");
    assert_eq!(lines[0]["action"]["arguments_json"], "{\"limit\": 1}");
    let twice = [
        "run",
        "--tool",
        "sessions_list",
        "--arguments",
        "{\"limit\": 1, \"limit\": 2}",
    ];
    let said = instance.run(&twice).await;
    assert!(
        said.exit == Exit::Failure && said.err.contains("INVALID_FIELDS"),
        "{said:?}"
    );
}

#[tokio::test]
async fn an_unknown_outcome_is_reconciled_by_a_person() {
    let gateway = FakeGateway::start_with(Behaviour::CutMidStream).await.unwrap();
    let instance = Instance::start_with(Some(gateway), &[]).await;
    let (exit, lines) = instance.json(&["run", GREEN]).await;
    let run = &lines.last().unwrap()["run"];
    assert_eq!(
        (exit, &run["state"]),
        (Exit::Unknown, &"OUTCOME_UNKNOWN".into()),
        "{lines:?}"
    );
    let name = run["name"].as_str().unwrap();
    let evidence = ["--outcome", "failed", "--reason", "the agent's history holds no answer"];
    let (exit, lines) = instance
        .json(&[&["approvals", "reconcile", name], &evidence[..]].concat())
        .await;
    assert_eq!((exit, &lines[0]["state"]), (Exit::Ok, &"FAILED".into()), "{lines:?}");
}

#[tokio::test]
async fn a_decision_whose_answer_is_lost_is_repeated_as_printed() {
    let instance = Instance::start_with(None, &[]).await;
    let approval = pending(&instance).await;
    let part = instance.endpoint("approval");
    let reason = ["--reason", "agreed, it's fine"];
    for (decision, state) in [
        (&["approvals", "grant", &approval, "--yes"][..], "GRANTED"),
        (&["approvals", "revoke", &approval], "REVOKED"),
    ] {
        let way = losing_the_second_answer(&part, &approval).await;
        let typed = [decision, &reason, &["--endpoint-approval", &way]].concat();
        let said = instance.run(&typed).await;
        assert!(
            said.exit == Exit::Failure && said.err.contains("it may stand"),
            "{said:?}"
        );
        let again = said.err.lines().last().unwrap().trim();
        for _ in 0..2 {
            let (code, printed) = type_in_a_shell(again).await;
            assert!(code == Some(0) && printed.contains(state), "{again}: {printed}");
        }
        let other = again.replace("fine", "not fine");
        let (code, printed) = type_in_a_shell(&other).await;
        assert!(code == Some(1) && printed.contains("REQUEST_ID_REUSED"), "{printed}");
    }
    let (_, shown) = instance.json(&["approvals", "show", &approval]).await;
    assert_eq!(shown[0]["votes"].as_array().map(Vec::len), Some(1), "{shown:?}");
}

#[tokio::test]
async fn a_grant_is_taken_back_before_it_is_executed() {
    let instance = Instance::start_with(None, &[]).await;
    let approval = pending(&instance).await;
    let granted = instance.run(&["approvals", "grant", &approval, "--yes"]).await;
    assert_eq!(granted.exit, Exit::Ok, "{granted:?}");
    let (exit, lines) = instance
        .json(&["approvals", "revoke", &approval, "--reason", "the date moved"])
        .await;
    assert_eq!((exit, &lines[0]["state"]), (Exit::Ok, &"REVOKED".into()), "{lines:?}");
    let said = instance.run(&["run", AMBER, "--request-id", ID]).await;
    assert!(said.exit == Exit::Denied && said.err.contains("REVOKED"), "{said:?}");
}

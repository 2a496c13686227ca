//! A part that is down: before an approval is committed nothing has happened; after that the run goes on when it is back.

mod processes {
    use chassis::{PartName, fault::reason_of};
    use proto::{
        approval::v1::AcquireApprovalsRequest,
        common::v1::{ErrorReason, Outcome},
        governance::v1::{GetRunRequest, Run, run::State},
    };
    use testkit::{
        authority::Identity,
        fake_gateway::Behaviour,
        fleet::{Fleet, FleetOptions},
        gateway::FakeGatewayAndToken,
    };
    use tonic::{Code, Status};
    use tonic_types::StatusExt as _;

    use crate::{
        requests::fresh_id,
        scenario::{AMBER, GREEN, RED, Scenario},
    };

    /// The status names the part that can't be reached.
    fn check_unavailable(status: &Status, part: PartName) {
        let named = status
            .get_details_error_info()
            .map(|info| info.metadata["part"].clone());
        assert_eq!(
            (status.code(), reason_of(status), named.as_deref()),
            (
                Code::Unavailable,
                Some(ErrorReason::PartUnavailable),
                Some(part.as_str())
            ),
            "{status:?}"
        );
    }

    /// The run that a request of Alice's stands for, whether or not there is one.
    fn name_of(request_id: &str) -> String {
        let alice = Identity::alice();
        let run = warrant::RunId::derive(&alice.tenant, testkit::authority::PEOPLE, &alice.subject, request_id);
        format!("runs/{run}")
    }

    async fn refused_while_down(part: PartName) {
        let gateway = FakeGatewayAndToken::start().await;
        let mut fleet = Fleet::start(&gateway.address()).await;
        let scenario = Scenario::new(fleet.channels(), &gateway.gateway);
        fleet.kill(part);
        let request_id = fresh_id();
        let status = scenario.ask(&request_id, GREEN).await.unwrap_err();
        check_unavailable(&status, part);
        fleet.restart(part).await;

        let read = GetRunRequest {
            name: name_of(&request_id),
        };
        let status = scenario.alice().runs().get_run(read).await.unwrap_err();
        assert_eq!(
            reason_of(&status),
            Some(ErrorReason::RunNotFound),
            "nothing happened: {status:?}"
        );
        assert!(gateway.gateway.requests().is_empty());

        let run = scenario.ask(&request_id, GREEN).await.unwrap();
        scenario.reaches(&run, State::Succeeded).await;
        assert_eq!(gateway.gateway.requests().len(), 1);
        scenario.judge().await;
    }

    #[tokio::test]
    async fn without_the_classifier_nothing_happens() {
        refused_while_down(PartName::Classifier).await;
    }

    #[tokio::test]
    async fn without_approval_svc_nothing_happens() {
        refused_while_down(PartName::Approval).await;
    }

    #[tokio::test]
    async fn without_trace_svc_decisions_are_taken_and_nothing_is_permitted() {
        let gateway = FakeGatewayAndToken::start().await;
        let mut fleet = Fleet::start(&gateway.address()).await;
        let scenario = Scenario::new(fleet.channels(), &gateway.gateway);
        let decided_later = scenario.submit(AMBER).await;
        fleet.kill(PartName::Trace);

        let green = scenario.submit(GREEN).await;
        assert_eq!(green.state(), State::Granted, "the approval is committed");
        let red = scenario.submit(RED).await;
        assert_eq!(red.state(), State::Blocked);
        let amber = scenario.submit(AMBER).await;
        for run in [&decided_later, &amber] {
            assert_eq!(run.state(), State::PendingApproval);
            scenario.grant(run).await;
        }
        let everything = AcquireApprovalsRequest {
            max_approvals: 16,
            wait_duration: None,
        };
        let mut orchestrator = fleet.service(PartName::Orchestrator).approvals();
        let dispatched = orchestrator
            .acquire_approvals(everything)
            .await
            .unwrap()
            .into_inner()
            .dispatches;
        assert_eq!(dispatched, [], "there is no warrant without a receipt");
        for run in [&green, &amber, &decided_later] {
            assert_eq!(scenario.look(run).await.unwrap().state(), State::Granted);
        }
        assert!(gateway.gateway.requests().is_empty());

        fleet.restart(PartName::Trace).await;
        for run in [&green, &amber, &decided_later] {
            scenario.reaches(run, State::Succeeded).await;
        }
        assert_eq!(gateway.gateway.requests().len(), 3);
        scenario.judge().await;
    }

    #[tokio::test]
    async fn without_trace_svc_a_claim_is_given_back() {
        let gateway = FakeGatewayAndToken::start().await;
        let options =
            FleetOptions::default().set(PartName::Executor, "COUNTERSIGN_EXECUTOR_START_RECORD_TIMEOUT", "1s");
        let mut fleet = Fleet::start_with(&gateway.address(), options).await;
        let scenario = Scenario::new(fleet.channels(), &gateway.gateway);
        fleet.process(PartName::Executor).signal("STOP");
        let run = scenario.submit(GREEN).await;
        scenario.recorded(&run, "approval.granted").await;
        fleet.kill(PartName::Trace);
        fleet.process(PartName::Executor).signal("CONT");

        let returned = testkit::eventually("the claim is given back", async || {
            scenario.approval(&run).await.filter(|approval| approval.attempt > 1)
        })
        .await;
        assert_eq!(returned.outcome(), Outcome::Unspecified, "{returned:?}");
        assert!(
            gateway.gateway.requests().is_empty(),
            "nothing is sent without a receipt"
        );

        fleet.restart(PartName::Trace).await;
        scenario.reaches(&run, State::Succeeded).await;
        assert_eq!(gateway.gateway.requests().len(), 1);
        scenario.judge().await;
    }

    #[tokio::test]
    async fn without_trace_svc_an_end_waits_for_its_record() {
        let gateway = FakeGatewayAndToken::start().await;
        let mut fleet = Fleet::start(&gateway.address()).await;
        let scenario = Scenario::new(fleet.channels(), &gateway.gateway);
        gateway.gateway.next(Behaviour::HangMidStream);
        let run = scenario.submit(GREEN).await;
        gateway.gateway.wait_for_requests(1).await;
        fleet.kill(PartName::Trace);
        gateway.gateway.release();
        assert_eq!(scenario.look(&run).await.unwrap().state(), State::Executing);
        fleet.restart(PartName::Trace).await;
        scenario.reaches(&run, State::Succeeded).await;
        assert_eq!(gateway.gateway.requests().len(), 1);
        scenario.judge().await;
    }

    #[tokio::test]
    async fn without_the_executor_grants_wait() {
        let gateway = FakeGatewayAndToken::start().await;
        let mut fleet = Fleet::start(&gateway.address()).await;
        let scenario = Scenario::new(fleet.channels(), &gateway.gateway);
        fleet.kill(PartName::Executor);
        let green = scenario.submit(GREEN).await;
        assert_eq!(green.state(), State::Granted);
        let amber = scenario.submit(AMBER).await;
        scenario.grant(&amber).await;
        assert!(gateway.gateway.requests().is_empty());
        fleet.restart(PartName::Executor).await;
        for run in [&green, &amber] {
            scenario.reaches(run, State::Succeeded).await;
        }
        assert_eq!(gateway.gateway.requests().len(), 2);
        scenario.judge().await;
    }

    #[tokio::test]
    async fn without_the_orchestrator_people_decide_and_it_goes_on_later() {
        let gateway = FakeGatewayAndToken::start().await;
        let mut fleet = Fleet::start(&gateway.address()).await;
        let scenario = Scenario::new(fleet.channels(), &gateway.gateway);
        let run: Run = scenario.submit(AMBER).await;
        assert_eq!(run.state(), State::PendingApproval);
        fleet.kill(PartName::Orchestrator);
        scenario.grant(&run).await;
        scenario.recorded(&run, "approval.granted").await;
        assert!(gateway.gateway.requests().is_empty());
        fleet.restart(PartName::Orchestrator).await;
        scenario.reaches(&run, State::Succeeded).await;
        assert_eq!(gateway.gateway.requests().len(), 1);
        scenario.judge().await;
    }

    #[tokio::test]
    async fn execution_does_not_need_the_orchestrator_that_brought_it_about() {
        let gateway = FakeGatewayAndToken::start().await;
        let mut fleet = Fleet::start(&gateway.address()).await;
        let scenario = Scenario::new(fleet.channels(), &gateway.gateway);
        gateway.gateway.next(Behaviour::HangMidStream);
        let run = scenario.submit(GREEN).await;
        gateway.gateway.wait_for_requests(1).await;
        fleet.kill(PartName::Orchestrator);
        gateway.gateway.release();
        scenario.recorded(&run, "trace.closed").await;
        fleet.restart(PartName::Orchestrator).await;
        let run = scenario.reaches(&run, State::Succeeded).await;
        assert_eq!(run.output, testkit::fake_gateway::FakeGateway::ANSWER);
        assert_eq!(gateway.gateway.requests().len(), 1);
        scenario.judge().await;
    }
}

//! Parts that are killed or stopped at the worst moments: at most one effect, and nothing that was acknowledged is lost.

mod processes {
    use std::{
        collections::BTreeMap,
        sync::atomic::{AtomicBool, AtomicUsize, Ordering},
        time::{Duration, UNIX_EPOCH},
    };

    use chassis::{PartName, semconv};
    use futures_util::{StreamExt as _, future::join_all, stream};
    use proto::{
        approval::v1::approval,
        common::v1::Outcome,
        governance::v1::{Run, run::State},
        trace::v1::{Actor, CreateEventRequest, NewEvent},
    };
    use testkit::{
        authority::{PEOPLE, TENANT, now},
        clients::Service,
        eventually,
        fake_gateway::Behaviour,
        fleet::{Fleet, FleetOptions, PARTS},
        gateway::FakeGatewayAndToken,
        invariants::Told,
    };

    use crate::{
        requests::fresh_id,
        scenario::{AMBER, GREEN, RED, Scenario, is_over},
    };

    /// Leases short enough to wait for, and long enough to send in.
    fn short_leases() -> FleetOptions {
        FleetOptions::default().set(PartName::Approval, "COUNTERSIGN_APPROVAL_CLAIM_LEASE", "12s")
    }

    #[tokio::test]
    async fn executor_killed_between_claim_and_send() {
        let gateway = FakeGatewayAndToken::start().await;
        let mut fleet = Fleet::start_with(&gateway.address(), short_leases()).await;
        let scenario = Scenario::new(fleet.channels(), &gateway.gateway);
        // Granted and recorded, and the executor hasn't looked at it yet.
        fleet.process(PartName::Executor).signal("STOP");
        let run = scenario.submit(GREEN).await;
        scenario.recorded(&run, "approval.granted").await;
        // It claims, and waits for a receipt that can't come.
        fleet.process(PartName::Trace).signal("STOP");
        fleet.process(PartName::Executor).signal("CONT");
        eventually("the warrant is claimed", async || {
            scenario
                .approval(&run)
                .await
                .filter(|approval| approval.state() == approval::State::Executing)
        })
        .await;
        fleet.kill(PartName::Executor);
        fleet.process(PartName::Trace).signal("CONT");
        fleet.restart(PartName::Executor).await;

        let run = scenario.reaches(&run, State::OutcomeUnknown).await;
        assert!(
            gateway.gateway.requests().is_empty(),
            "nothing is sent without a receipt"
        );
        scenario.reconcile(&run, Outcome::Failed).await.unwrap();
        scenario.reaches(&run, State::Failed).await;
        assert!(gateway.gateway.requests().is_empty());
        scenario.judge().await;
    }

    #[tokio::test]
    async fn executor_killed_between_send_and_answer() {
        let gateway = FakeGatewayAndToken::start().await;
        let mut fleet = Fleet::start_with(&gateway.address(), short_leases()).await;
        let scenario = Scenario::new(fleet.channels(), &gateway.gateway);
        gateway.gateway.next(Behaviour::HangBeforeFirstByte);
        let run = scenario.submit(GREEN).await;
        gateway.gateway.wait_for_requests(1).await;
        fleet.kill(PartName::Executor);
        gateway.gateway.wait_for_disconnects(1).await;
        fleet.restart(PartName::Executor).await;

        let run = scenario.reaches(&run, State::OutcomeUnknown).await;
        assert_eq!(
            scenario.follow(GREEN).await.run.state(),
            State::Succeeded,
            "the new one works"
        );
        scenario.reconcile(&run, Outcome::Succeeded).await.unwrap();
        scenario.reaches(&run, State::Succeeded).await;
        assert_eq!(
            gateway.gateway.requests().len(),
            2,
            "the unknown one was not tried again"
        );
        scenario.judge().await;
    }

    #[tokio::test]
    async fn executor_killed_between_answer_and_completion() {
        let gateway = FakeGatewayAndToken::start().await;
        let mut fleet = Fleet::start_with(&gateway.address(), short_leases()).await;
        let scenario = Scenario::new(fleet.channels(), &gateway.gateway);
        gateway.gateway.next(Behaviour::HangBeforeFirstByte);
        let run = scenario.submit(GREEN).await;
        gateway.gateway.wait_for_requests(1).await;
        fleet.process(PartName::Approval).signal("STOP");
        gateway.gateway.release();
        scenario.recorded(&run, "execution.finished").await;
        fleet.kill(PartName::Executor);
        fleet.process(PartName::Approval).signal("CONT");
        fleet.restart(PartName::Executor).await;

        // The completion may stand in a socket's buffer, from which approval-svc still reads it.
        let run = scenario.ends(&run).await;
        assert!(
            matches!(run.state(), State::OutcomeUnknown | State::Succeeded),
            "{run:?}"
        );
        assert_eq!(gateway.gateway.requests().len(), 1);
        scenario.judge().await;
    }

    #[tokio::test]
    async fn executor_stalled_past_its_lease() {
        let gateway = FakeGatewayAndToken::start().await;
        let mut fleet = Fleet::start_with(&gateway.address(), short_leases()).await;
        let scenario = Scenario::new(fleet.channels(), &gateway.gateway);
        gateway.gateway.usually(Behaviour::HangBeforeFirstByte);
        let given_up = scenario.submit(GREEN).await;
        gateway.gateway.wait_for_requests(1).await;
        fleet.process(PartName::Executor).signal("STOP");
        let given_up = scenario.reaches(&given_up, State::OutcomeUnknown).await;
        fleet.process(PartName::Executor).signal("CONT");
        gateway.gateway.wait_for_disconnects(1).await;
        scenario.recorded(&given_up, "execution.failed").await;
        assert_eq!(scenario.look(&given_up).await.unwrap().state(), State::OutcomeUnknown);

        // With the answer there when it wakes up, the holder of the claim still says what happened.
        let answered = scenario.submit(GREEN).await;
        gateway.gateway.wait_for_requests(2).await;
        fleet.process(PartName::Executor).signal("STOP");
        let answered = scenario.reaches(&answered, State::OutcomeUnknown).await;
        gateway.gateway.release();
        gateway.gateway.wait_for_released_answers(1).await;
        fleet.process(PartName::Executor).signal("CONT");
        scenario.reaches(&answered, State::Succeeded).await;

        assert_eq!(gateway.gateway.requests().len(), 2);
        scenario.judge().await;
    }

    #[tokio::test]
    async fn approval_svc_killed_in_every_phase() {
        let gateway = FakeGatewayAndToken::start().await;
        let mut fleet = Fleet::start(&gateway.address()).await;
        let scenario = Scenario::new(fleet.channels(), &gateway.gateway);
        // Pending.
        let run = scenario.submit(AMBER).await;
        fleet.kill(PartName::Approval);
        fleet.restart(PartName::Approval).await;
        assert_eq!(scenario.look(&run).await.unwrap().state(), State::PendingApproval);
        // Granted: with the acknowledgement in hand.
        fleet.kill(PartName::Executor);
        scenario.grant(&run).await;
        fleet.kill(PartName::Approval);
        fleet.restart(PartName::Approval).await;
        assert_eq!(scenario.look(&run).await.unwrap().state(), State::Granted);
        // Executing.
        gateway.gateway.next(Behaviour::HangMidStream);
        fleet.restart(PartName::Executor).await;
        gateway.gateway.wait_for_requests(1).await;
        fleet.kill(PartName::Approval);
        gateway.gateway.release();
        scenario.recorded(&run, "execution.finished").await;
        fleet.restart(PartName::Approval).await;
        scenario.reaches(&run, State::Succeeded).await;
        // Over.
        fleet.kill(PartName::Approval);
        fleet.restart(PartName::Approval).await;
        assert_eq!(scenario.look(&run).await.unwrap().state(), State::Succeeded);
        assert_eq!(gateway.gateway.requests().len(), 1);
        scenario.judge().await;
    }

    #[tokio::test]
    async fn trace_svc_killed_under_load() {
        const KILLS: usize = 3;
        const BETWEEN_KILLS: usize = 100;
        let gateway = FakeGatewayAndToken::start().await;
        let mut fleet = Fleet::start(&gateway.address()).await;
        let scenario = Scenario::new(fleet.channels(), &gateway.gateway);
        let (acknowledged, done) = (AtomicUsize::new(0), AtomicBool::new(false));
        let producer = fleet.service(PartName::Executor);
        let load = (0..16).map(|_| produce(&producer, &scenario, &acknowledged, &done));
        let kills = async {
            for kill in 1..=KILLS {
                eventually("events are acknowledged", async || {
                    (acknowledged.load(Ordering::Relaxed) >= kill * BETWEEN_KILLS).then_some(())
                })
                .await;
                fleet.kill(PartName::Trace);
                fleet.restart(PartName::Trace).await;
            }
            done.store(true, Ordering::Relaxed);
        };
        let runs = async { join_all((0..8).map(|_| scenario.submit(GREEN))).await };
        let (_, (), runs) = tokio::join!(join_all(load), kills, runs);
        for run in &runs {
            scenario.reaches(run, State::Succeeded).await;
        }
        assert!(acknowledged.load(Ordering::Relaxed) >= KILLS * BETWEEN_KILLS);
        scenario.judge().await;
    }

    /// Records events of one trace until `done`, each until it is acknowledged; keeps every receipt.
    async fn produce(producer: &Service, scenario: &Scenario<'_>, acknowledged: &AtomicUsize, done: &AtomicBool) {
        let trace_id = fresh_id().replace('-', "");
        while !done.load(Ordering::Relaxed) {
            let event = event_of(&trace_id);
            let receipt = eventually("an event is recorded", async || {
                let request = CreateEventRequest {
                    event: Some(event.clone()),
                };
                producer.traces().create_event(request).await.ok()?.into_inner().receipt
            })
            .await;
            scenario.note(Told::Recorded {
                event_id: event.event_id,
                index: receipt.index,
                leaf_hash: receipt.leaf_hash,
            });
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn event_of(trace_id: &str) -> NewEvent {
        let owner = [
            (semconv::TENANT, TENANT),
            (semconv::ISSUER, PEOPLE),
            (semconv::REQUESTER, "alice"),
        ];
        NewEvent {
            event_id: fresh_id(),
            trace_id: trace_id.to_owned(),
            r#type: semconv::event::TOOL_REQUESTED.to_owned(),
            occur_time: Some(chassis::time::to_proto(UNIX_EPOCH + Duration::from_secs(now()))),
            actor: Some(Actor {
                r#type: "service".to_owned(),
                id: PartName::Executor.to_string(),
            }),
            attributes: owner.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            ..NewEvent::default()
        }
    }

    /// `COUNTERSIGN_TEST_KILLS` and `COUNTERSIGN_TEST_SEED` make it longer, and the same again.
    #[tokio::test]
    async fn random_kills_while_runs_are_submitted() {
        let kills = from_environment("COUNTERSIGN_TEST_KILLS").map_or(8, |kills| usize::try_from(kills).unwrap());
        let seed = from_environment("COUNTERSIGN_TEST_SEED").unwrap_or_else(now);
        println!("COUNTERSIGN_TEST_SEED={seed}");
        let gateway = FakeGatewayAndToken::start().await;
        let mut fleet = Fleet::start_with(&gateway.address(), short_leases()).await;
        let scenario = Scenario::new(fleet.channels(), &gateway.gateway);
        // Executions take a while, so that kills find some under way.
        gateway.gateway.usually(Behaviour::Drip {
            pieces: 10,
            pause: Duration::from_millis(20),
        });
        let (submitted, total) = (AtomicUsize::new(0), kills * 5 / 2);
        let killing = async {
            let mut random = Random(seed);
            for kill in 1..=kills {
                eventually("more runs are submitted", async || {
                    (submitted.load(Ordering::Relaxed) * (kills + 1) >= kill * total).then_some(())
                })
                .await;
                let part = PARTS[random.below(PARTS.len())];
                fleet.kill(part);
                fleet.restart(part).await;
            }
        };
        let submit = async |number: usize| {
            let run = scenario.submit([GREEN, AMBER, GREEN, RED][number % 4]).await;
            submitted.fetch_add(1, Ordering::Relaxed);
            if run.state() == State::PendingApproval {
                scenario.grant(&run).await;
            }
            run
        };
        let submitting = stream::iter(0..total)
            .map(submit)
            .buffer_unordered(4)
            .collect::<Vec<_>>();
        let ((), runs) = tokio::join!(killing, submitting);
        let mut ends = BTreeMap::<State, usize>::new();
        for run in &runs {
            *ends.entry(scenario.ends(run).await.state()).or_default() += 1;
        }
        println!("{ends:?}");
        assert!(ends.keys().all(|state| is_over(*state)));
        assert_eq!(ends[&State::Blocked], runs.iter().filter(|run| is_red(run)).count());
        scenario.judge().await;
    }

    fn is_red(run: &Run) -> bool {
        run.risk() == proto::common::v1::Risk::Red
    }

    fn from_environment(name: &str) -> Option<u64> {
        std::env::var(name).ok()?.parse().ok()
    }

    /// Random enough to choose whom to kill, and the same for the same seed (`SplitMix64`).
    struct Random(u64);

    impl Random {
        fn below(&mut self, limit: usize) -> usize {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = self.0;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).unwrap()
        }
    }
}

//! Clocks that differ: within half a minute everything works, beyond it is refused what was signed in the future.

use std::time::Duration;

use chassis::{PartName, fault::reason_of};
use proto::{common::v1::ErrorReason, governance::v1::run::State};
use testkit::{
    fleet::PARTS,
    gateway::FakeGatewayAndToken,
    sandbox::{Sandbox, SandboxOptions},
};

use crate::{
    requests::fresh_id,
    scenario::{AMBER, GREEN, Scenario},
};

async fn start(gateway: &FakeGatewayAndToken, fast: PartName, by: Duration) -> Sandbox {
    let options = SandboxOptions {
        ahead: Some((fast, by)),
        ..SandboxOptions::default()
    };
    Sandbox::start_with(&gateway.address(), options).await
}

#[tokio::test]
async fn a_part_may_be_ahead_of_the_others_by_less_than_half_a_minute() {
    for fast in PARTS {
        let gateway = FakeGatewayAndToken::start().await;
        let sandbox = start(&gateway, fast, Duration::from_secs(25)).await;
        let scenario = Scenario::new(sandbox.channels(), &gateway.gateway);
        let green = scenario.follow(GREEN).await.run;
        assert_eq!(green.state(), State::Succeeded, "{fast}: {green:?}");
        let amber = scenario.submit(AMBER).await;
        scenario.grant(&amber).await;
        scenario.reaches(&amber, State::Succeeded).await;
    }
}

#[tokio::test]
async fn a_verdict_from_further_ahead_is_refused() {
    let gateway = FakeGatewayAndToken::start().await;
    let sandbox = start(&gateway, PartName::Classifier, Duration::from_secs(40)).await;
    let scenario = Scenario::new(sandbox.channels(), &gateway.gateway);
    let refused = scenario.ask(&fresh_id(), GREEN).await.unwrap_err();
    assert_eq!(reason_of(&refused), Some(ErrorReason::VerdictRejected), "{refused:?}");
}

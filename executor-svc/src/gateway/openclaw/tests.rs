//! What every answer of a gateway means: the recorded ones, and the ways in which an answer can fail to come.

use proto::common::v1::Outcome;
use secrecy::SecretString;
use testkit::fake_gateway::{Behaviour, FakeGateway, Recording};

use super::*;
use crate::fixtures;

const LIMITS: GatewayLimits = GatewayLimits {
    connect_timeout: Duration::from_secs(3),
    idle_timeout: Duration::from_secs(20),
    execution_timeout: Duration::from_mins(1),
    max_output_bytes: 1024 * 1024,
};

#[derive(Default)]
struct Heard {
    id: String,
    text: String,
}

impl Progress for Heard {
    fn run_id(&mut self, id: &str) {
        id.clone_into(&mut self.id);
    }
    fn output(&mut self, text: &str) {
        self.text.push_str(text);
    }
}

fn gateway_at(url: &str, limits: GatewayLimits) -> OpenClawGateway {
    OpenClawGateway::new(url, &SecretString::from(FakeGateway::TOKEN), limits).unwrap()
}

async fn ask(gateway: &OpenClawGateway, action: &Action) -> (Answer, Heard) {
    let request = gateway.prepare(action, &fixtures::verdict(action));
    let mut heard = Heard::default();
    let answer = gateway.send(&request, &mut heard).await;
    (answer, heard)
}

async fn ask_fake(behaviour: Behaviour, limits: GatewayLimits) -> (Answer, Heard) {
    let fake = FakeGateway::start_with(behaviour).await.unwrap();
    ask(&gateway_at(&fake.url(), limits), &fixtures::action()).await
}

#[tokio::test]
async fn every_recorded_answer_has_its_outcome() {
    use Outcome::{Failed, Succeeded, Unknown};
    let rows = [
        (Recording::SuccessStream, Succeeded),
        (Recording::SuccessStreamUsage, Succeeded),
        // The gateway's own refusals, before any agent ran.
        (Recording::UnknownAgent400, Failed),
        (Recording::NoAgent400, Failed),
        (Recording::BadModel400, Failed),
        (Recording::NoMessages400, Failed),
        (Recording::MalformedJson400, Failed),
        (Recording::NoToken401, Failed),
        (Recording::WrongToken401, Failed),
        (Recording::NotFound404, Failed),
        (Recording::WrongMethod405, Failed),
        (Recording::TooLarge413, Failed),
        (Recording::RateLimited429, Failed),
        (Recording::RateLimitedRightToken429, Failed),
        (Recording::Draining503, Failed),
        // Failures after an agent has begun, by status or inside of a 200.
        (Recording::Provider400, Unknown),
        (Recording::Provider400Stream, Unknown),
        (Recording::Provider401, Unknown),
        (Recording::Provider401Stream, Unknown),
        (Recording::Provider502, Unknown),
        (Recording::Provider500Stream, Unknown),
        (Recording::ProviderCut408, Unknown),
        (Recording::ProviderCutStream, Unknown),
        (Recording::ProviderDisabled500, Unknown),
        (Recording::ProviderDisabledStream, Unknown),
        (Recording::AgentTimeout500, Unknown),
        (Recording::AgentTimeoutStream, Unknown),
        // Complete, yet not what was asked for: a stream.
        (Recording::Success, Unknown),
    ];
    for (recording, outcome) in rows {
        let (answer, _) = ask_fake(Behaviour::Recorded(recording), LIMITS).await;
        assert_eq!(answer.outcome, outcome, "{}: {}", recording.name(), answer.detail);
    }
}

#[tokio::test]
async fn every_recorded_answer_to_a_tool_call_has_its_outcome() {
    let rows = [
        (Recording::ToolSuccess, Outcome::Succeeded),
        (Recording::ToolAgentsList, Outcome::Succeeded),
        (Recording::ToolDenied404, Outcome::Failed),
        (Recording::ToolExec404, Outcome::Failed),
        (Recording::WrongToken401, Outcome::Failed),
        (Recording::Provider502, Outcome::Unknown),
        (Recording::SuccessStream, Outcome::Unknown),
    ];
    for (recording, outcome) in rows {
        let fake = FakeGateway::start_with(Behaviour::Recorded(recording)).await.unwrap();
        let (answer, heard) = ask(&gateway_at(&fake.url(), LIMITS), &fixtures::tool_action()).await;
        assert_eq!(answer.outcome, outcome, "{}: {}", recording.name(), answer.detail);
        assert_eq!(heard.text.starts_with(r#"{"content":["#), outcome == Outcome::Succeeded);
    }
}

#[tokio::test]
async fn a_complete_stream_is_heard_whole() {
    let (answer, heard) = ask_fake(Behaviour::Recorded(Recording::SuccessStreamUsage), LIMITS).await;
    assert_eq!(heard.text, "chunk1/3 chunk2/3 chunk3/3");
    assert_eq!(heard.id, "chatcmpl_55754ca4-6108-4263-a6cb-d617d4233b36");
    assert_eq!(
        answer.usage,
        Some(crate::gateway::Usage {
            input_tokens: 2219,
            output_tokens: 19
        })
    );
}

#[tokio::test]
async fn what_does_not_come_as_it_should_is_unknown() {
    let short = GatewayLimits {
        idle_timeout: Duration::from_millis(100),
        ..LIMITS
    };
    let brief = GatewayLimits {
        execution_timeout: Duration::from_millis(200),
        ..LIMITS
    };
    let small = GatewayLimits {
        max_output_bytes: 8,
        ..LIMITS
    };
    let json = "application/json".to_owned();
    let rows = [
        (Behaviour::CutBeforeFirstByte, LIMITS, "broke before"),
        (Behaviour::CutMidStream, LIMITS, "broke in the middle"),
        (Behaviour::Garbage, LIMITS, "broke before"),
        (Behaviour::HangBeforeFirstByte, short, "silent for 100ms before"),
        (Behaviour::HangMidStream, short, "silent for 100ms in the middle"),
        (
            Behaviour::Drip {
                pieces: 100,
                pause: Duration::from_millis(20),
            },
            brief,
            "not finished after 200ms",
        ),
        (
            Behaviour::Say("longer than eight bytes".into()),
            small,
            "longer than 8 bytes",
        ),
        (
            Behaviour::Stream(vec!["[DONE]".into()]),
            LIMITS,
            "without a final `stop`",
        ),
        (Behaviour::Stream(vec!["{}".into()]), LIMITS, "without `[DONE]`"),
        (Behaviour::Stream(vec!["oops".into()]), LIMITS, "malformed"),
        (
            Behaviour::Answer {
                status: 200,
                media_type: json,
                body: "{}".into(),
            },
            LIMITS,
            "not a stream",
        ),
        (
            Behaviour::Answer {
                status: 307,
                media_type: "text/plain".into(),
                body: String::new(),
            },
            LIMITS,
            "answered 307",
        ),
    ];
    for (behaviour, limits, why) in rows {
        let (answer, _) = ask_fake(behaviour.clone(), limits).await;
        assert_eq!(answer.outcome, Outcome::Unknown, "{behaviour:?}");
        assert!(answer.detail.contains(why), "{behaviour:?}: {}", answer.detail);
    }
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    let url = FakeGateway::nobody().await.unwrap();
    let gateway = gateway_at(&url, LIMITS);
    assert_eq!(ask(&gateway, &fixtures::action()).await.0.outcome, Outcome::NotStarted);
    assert!(!gateway.ready().await);
}

#[tokio::test]
async fn a_request_is_sent_once_with_its_token_and_session() {
    let fake = FakeGateway::start().await.unwrap();
    fake.next(Behaviour::CutBeforeFirstByte);
    let gateway = gateway_at(&fake.url(), LIMITS);
    let (answer, _) = ask(&gateway, &fixtures::action()).await;
    assert_eq!(answer.outcome, Outcome::Unknown);
    let requests = fake.requests();
    assert_eq!(requests.len(), 1, "never again on its own");
    let expected = gateway.prepare(&fixtures::action(), &fixtures::verdict(&fixtures::action()));
    assert_eq!(requests[0].path, expected.path);
    assert_eq!(requests[0].text(), expected.body);
    assert_eq!(requests[0].header("authorization"), Some("Bearer fake-gateway-token"));
    assert_eq!(
        requests[0].header("x-openclaw-session-key"),
        Some(expected.session_key.as_str())
    );
    assert_eq!(requests[0].header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn giving_up_closes_the_connection() {
    let fake = FakeGateway::start_with(Behaviour::HangMidStream).await.unwrap();
    let gateway = gateway_at(&fake.url(), LIMITS);
    let action = fixtures::action();
    tokio::select! {
        _ = ask(&gateway, &action) => panic!("it hangs"),
        () = fake.wait_for_requests(1) => {}
    }
    fake.wait_for_disconnects(1).await;
}

#[tokio::test]
async fn a_refusal_whose_body_cannot_be_read_is_unknown() {
    let long = Behaviour::Answer {
        status: 400,
        media_type: "application/json".to_owned(),
        body: " ".repeat(MAX_ERROR_BYTES + 1),
    };
    let (answer, _) = ask_fake(long, LIMITS).await;
    assert_eq!(answer.outcome, Outcome::Unknown);
    assert!(
        answer.detail.starts_with("the gateway answered 400; "),
        "{}",
        answer.detail
    );
}

#[tokio::test]
async fn a_slow_gateway_is_waited_for() {
    let fake = FakeGateway::start_with(Behaviour::HangBeforeFirstByte).await.unwrap();
    let gateway = gateway_at(&fake.url(), LIMITS);
    for requests in [1, 2] {
        let action = fixtures::action();
        let release = async {
            fake.wait_for_requests(requests).await;
            fake.release();
        };
        let ((answer, heard), ()) = tokio::join!(ask(&gateway, &action), release);
        assert_eq!(
            (answer.outcome, heard.text.as_str()),
            (Outcome::Succeeded, FakeGateway::ANSWER)
        );
        fake.usually(Behaviour::HangMidStream);
    }
}

#[tokio::test]
async fn readiness_is_what_the_gateway_says() {
    let fake = FakeGateway::start().await.unwrap();
    let gateway = gateway_at(&fake.url(), LIMITS);
    assert!(gateway.ready().await);
    fake.set_ready(false);
    assert!(!gateway.ready().await);
    assert!(fake.requests().is_empty());
}

#[test]
fn neither_url_nor_token_may_be_nonsense() {
    let token = SecretString::from("secret-token");
    let urls = [
        "",
        "gateway:1",
        "ftp://gateway",
        "unix:/x",
        "http://gateway/?a=b",
        "http://user:password@gateway",
    ];
    for url in urls {
        let error = OpenClawGateway::new(url, &token, LIMITS).unwrap_err();
        assert!(matches!(error, GatewayError::InvalidUrl), "{url}");
        assert!(!error.to_string().contains("password"));
    }
    let broken = SecretString::from("a\nb");
    assert!(matches!(
        OpenClawGateway::new("http://a", &broken, LIMITS),
        Err(GatewayError::InvalidToken)
    ));
}

#[test]
fn the_token_is_never_shown() {
    let gateway = OpenClawGateway::new("http://a", &SecretString::from("secret-token"), LIMITS).unwrap();
    assert!(!format!("{gateway:?}").contains("secret-token"));
}

#[test]
fn a_stream_cut_at_any_byte_is_not_taken_for_complete() {
    let events = [
        r#"{"id":"chatcmpl_1","choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":null}]}"#,
        r#"{"id":"chatcmpl_1","choices":[{"index":0,"delta":{"content":"whole"},"finish_reason":null}]}"#,
        r#"{"id":"chatcmpl_1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#,
        "[DONE]",
    ];
    let whole = events.map(|data| format!("data: {data}\n\n")).concat();
    for cut in 0..=whole.len() {
        let (mut parser, mut stream, mut heard) = (SseParser::new(1024), Some(ChatStream::default()), Heard::default());
        let mut answer = None;
        for event in parser.push(&whole.as_bytes()[..cut]).unwrap() {
            match stream.as_mut().unwrap().event(&event, 64, &mut heard) {
                Step::Continue => {}
                Step::Done => answer = stream.take().map(ChatStream::done),
                Step::Stop(why) => panic!("{why}"),
            }
        }
        let answer = answer.unwrap_or_else(|| stream.unwrap().broken("cut"));
        let complete = cut == whole.len();
        assert_eq!(answer.outcome == Outcome::Succeeded, complete, "cut at {cut}");
    }
}

//! A streamed chat completion, read event by event to its verdict: complete, or not known to be.

use proto::common::v1::Outcome;
use serde::Deserialize;
use warrant::identifier_fault;

use super::outcome::ErrorObject;
use crate::gateway::{Answer, Progress, Usage};

/// The event that ends every stream.
const DONE: &str = "[DONE]";
/// The longest id that is passed on: it goes into the record, whose lines are bounded, and into logs.
const MAX_ID_BYTES: usize = 256;

/// What has been read so far.
#[derive(Debug, Default)]
pub(crate) struct ChatStream {
    finish_reason: Option<String>,
    usage: Option<Usage>,
    error: Option<ErrorObject>,
    output_bytes: usize,
    named: bool,
}

/// What to do after an event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Read on.
    Continue,
    /// The stream has ended as it should; nothing follows.
    Done,
    /// There is no point in reading on, and why.
    Stop(String),
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Option<UsageBody>,
    #[serde(default)]
    error: Option<ErrorObject>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: u64,
    #[serde(default)]
    delta: Delta,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Delta {
    #[serde(default)]
    content: Option<String>,
}

#[derive(Deserialize)]
struct UsageBody {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

// === impl ChatStream ===

impl ChatStream {
    /// Takes the data of one event.
    pub(crate) fn event(&mut self, data: &str, max_output_bytes: usize, progress: &mut dyn Progress) -> Step {
        if data == DONE {
            return Step::Done;
        }
        let Ok(chunk) = serde_json::from_str::<Chunk>(data) else {
            return Step::Stop("the gateway's stream is malformed".to_owned());
        };
        if let Some(id) = chunk.id.filter(|id| !self.named && is_run_id(id)) {
            self.named = true;
            progress.run_id(&id);
        }
        if let Some(usage) = chunk.usage {
            self.usage = Some(Usage {
                input_tokens: usage.prompt_tokens,
                output_tokens: usage.completion_tokens,
            });
        }
        if self.error.is_none() {
            self.error = chunk.error;
        }
        for choice in chunk.choices.into_iter().filter(|choice| choice.index == 0) {
            let text = choice.delta.content.unwrap_or_default();
            self.output_bytes = self.output_bytes.saturating_add(text.len());
            if self.output_bytes > max_output_bytes {
                return Step::Stop(format!(
                    "the answer is longer than {max_output_bytes} bytes; it was cut off and the run aborted"
                ));
            }
            if !text.is_empty() {
                progress.output(&text);
            }
            self.finish_reason = choice.finish_reason.or(self.finish_reason.take());
        }
        Step::Continue
    }

    /// What the stream means, once `[DONE]` has come.
    pub(crate) fn done(self) -> Answer {
        if let Some(error) = self.error {
            let answer = Answer::unknown(format!(
                "the run failed after the gateway had taken it{}",
                error.quoted()
            ));
            return Answer {
                aborted: error.is_abort(),
                usage: self.usage,
                ..answer
            };
        }
        match self.finish_reason.as_deref() {
            Some("stop") => Answer::new(Outcome::Succeeded, "the gateway reported a complete answer"),
            _ => Answer::unknown("the gateway's stream ended without a final `stop`"),
        }
        .with_usage(self.usage)
    }

    /// What the stream means when it broke off.
    pub(crate) fn broken(self, why: &str) -> Answer {
        match self.error {
            Some(_) => self.done(),
            None => Answer::unknown(why).with_usage(self.usage),
        }
    }
}

/// Whether the id can name a run in records and logs; the run goes on without a name otherwise.
fn is_run_id(id: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&id.len()) && identifier_fault(id).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Heard {
        id: String,
        text: String,
    }

    impl Progress for Heard {
        fn run_id(&mut self, id: &str) {
            self.id.push_str(id);
        }
        fn output(&mut self, text: &str) {
            self.text.push_str(text);
        }
    }

    fn read(events: &[&str]) -> (Option<Answer>, Heard) {
        let (mut stream, mut heard) = (ChatStream::default(), Heard::default());
        for event in events {
            match stream.event(event, 64, &mut heard) {
                Step::Continue => {}
                Step::Done => return (Some(stream.done()), heard),
                Step::Stop(why) => return (Some(stream.broken(&why)), heard),
            }
        }
        (None, heard)
    }

    const ROLE: &str =
        r#"{"id":"chatcmpl_1","choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":null}]}"#;
    const HELLO: &str =
        r#"{"id":"chatcmpl_1","choices":[{"index":0,"delta":{"content":"hello"},"finish_reason":null}]}"#;
    const STOP: &str = r#"{"id":"chatcmpl_1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    const USAGE: &str = r#"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2}}"#;

    #[test]
    fn a_stop_and_done_is_success() {
        let (answer, heard) = read(&[ROLE, HELLO, HELLO, STOP, USAGE, DONE]);
        let answer = answer.unwrap();
        assert_eq!(answer.outcome, Outcome::Succeeded);
        assert_eq!(
            answer.usage,
            Some(Usage {
                input_tokens: 7,
                output_tokens: 2
            })
        );
        assert_eq!((heard.id.as_str(), heard.text.as_str()), ("chatcmpl_1", "hellohello"));
    }

    #[test]
    fn anything_less_is_unknown() {
        let length = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}"#;
        let error = r#"{"error":{"message":"upstream provider error","type":"api_error"}}"#;
        let long = format!(
            r#"{{"choices":[{{"index":0,"delta":{{"content":"{}"}}}}]}}"#,
            "x".repeat(65)
        );
        let rows: [&[&str]; 7] = [
            &[ROLE, HELLO, DONE],
            &[ROLE, HELLO, length, DONE],
            &[ROLE, error, DONE],
            &[ROLE, HELLO, STOP, error, DONE],
            &[ROLE, "not json"],
            &[ROLE, HELLO, STOP, "null"],
            &[ROLE, &long],
        ];
        for events in rows {
            assert_eq!(read(events).0.unwrap().outcome, Outcome::Unknown, "{events:?}");
        }
    }

    #[test]
    fn an_id_that_cannot_stand_in_a_record_is_left_out() {
        let named = |id: &str| serde_json::json!({ "id": id }).to_string();
        let longest = "x".repeat(MAX_ID_BYTES);
        let too_long = format!("{longest}x");
        for bad in ["", &too_long, "chat\ncmpl", "chat\u{202E}cmpl", "chat\u{200B}cmpl"] {
            let (answer, heard) = read(&[&named(bad), HELLO, STOP, DONE]);
            assert_eq!(answer.unwrap().outcome, Outcome::Succeeded, "{bad:?}");
            assert_eq!(heard.id, "chatcmpl_1", "{bad:?}");
        }
        assert_eq!(read(&[&named(&longest), HELLO]).1.id, longest);
    }

    #[test]
    fn the_gateways_own_word_that_it_aborted_is_kept() {
        let (answer, _) = read(&[
            ROLE,
            r#"{"error":{"message":"agent run aborted","type":"api_error"}}"#,
            DONE,
        ]);
        assert!(answer.unwrap().aborted);
    }
}

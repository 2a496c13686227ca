//! What an answer of the gateway means. One rule above all: what is not known to be final is unknown.

use proto::common::v1::Outcome;
use serde::Deserialize;
use serde_json::value::RawValue;
use warrant::reorders_text;

use crate::gateway::Answer;

/// The longest piece of the gateway's own words that is passed on.
const MAX_MESSAGE_CHARS: usize = 200;

/// The body of an error, in both of the gateway's forms.
#[derive(Debug, Default, Deserialize)]
struct ErrorBody {
    #[serde(default)]
    error: ErrorObject,
}

/// What the gateway says about an error.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct ErrorObject {
    #[serde(default)]
    message: String,
    #[serde(default, rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct ToolBody<'a> {
    ok: bool,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
}

/// Nothing was sent: there was no connection to send it on.
pub(crate) fn not_connected() -> Answer {
    Answer::new(Outcome::NotStarted, "no connection to the gateway; nothing was sent")
}

/// The meaning of an answer other than 200.
///
/// Final are the refusals that the gateway itself gives before it starts any work. The same status can also come from
/// behind the gateway, after an agent has begun; then it is not known what the agent did.
pub(crate) fn of_refusal(status: u16, body: &[u8]) -> Answer {
    let error = serde_json::from_slice::<ErrorBody>(body).unwrap_or_default().error;
    let final_refusal = match status {
        401 => error.kind == "unauthorized",
        400 | 404 | 405 | 413 | 429 | 503 => !error.is_passed_on(status),
        _ => false,
    };
    if final_refusal {
        return Answer::new(
            Outcome::Failed,
            format!("the gateway refused with {status}{}", error.quoted()),
        );
    }
    Answer::unknown(format!("the gateway answered {status}{}", error.quoted()))
}

/// The meaning of an answer to a tool call, and the tool's result as it stands in the body.
pub(crate) fn of_tool_answer(status: u16, body: &[u8]) -> (Answer, Option<&str>) {
    if status != 200 {
        return (of_refusal(status, body), None);
    }
    match serde_json::from_slice::<ToolBody<'_>>(body) {
        Ok(ToolBody { ok: true, result }) => (
            Answer::new(Outcome::Succeeded, "the tool returned a result"),
            result.map(RawValue::get),
        ),
        Ok(_) => {
            let error = serde_json::from_slice::<ErrorBody>(body).unwrap_or_default().error;
            (
                Answer::unknown(format!("the tool reported a failure{}", error.quoted())),
                None,
            )
        }
        Err(_) => (
            Answer::unknown("the gateway's answer is not what the tool API returns"),
            None,
        ),
    }
}

// === impl ErrorObject ===

impl ErrorObject {
    /// Whether the gateway passes on what came from behind it: from a tool that had begun, or from a model's provider,
    /// whose message begins with its status.
    fn is_passed_on(&self, status: u16) -> bool {
        matches!(self.kind.as_str(), "tool_error" | "authentication_error")
            || self.message.starts_with(&format!("{status} "))
    }

    /// Whether the gateway says that the run was stopped.
    pub(crate) fn is_abort(&self) -> bool {
        self.message == "agent run aborted"
    }

    /// The message for a sentence: `: …`, shortened and on one line; empty if there is none.
    pub(crate) fn quoted(&self) -> String {
        if self.message.is_empty() {
            return String::new();
        }
        let unseen = |c: char| c.is_control() || reorders_text(c);
        let visible = self.message.chars().map(|c| if unseen(c) { ' ' } else { c });
        format!(": {}", visible.take(MAX_MESSAGE_CHARS).collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: &str, message: &str) -> String {
        serde_json::json!({"error": {"message": message, "type": kind}}).to_string()
    }

    #[test]
    fn only_the_gateways_own_early_refusals_are_final() {
        let rows = [
            (
                400,
                error("invalid_request_error", "Unknown agent 'nosuch'."),
                Outcome::Failed,
            ),
            (401, error("unauthorized", "Unauthorized"), Outcome::Failed),
            (404, "Not Found".to_owned(), Outcome::Failed),
            (405, "Method Not Allowed".to_owned(), Outcome::Failed),
            (
                413,
                error("invalid_request_error", "Payload too large"),
                Outcome::Failed,
            ),
            (
                429,
                error("rate_limited", "Too many failed authentication attempts."),
                Outcome::Failed,
            ),
            (
                503,
                error("service_unavailable", "Gateway is temporarily unavailable"),
                Outcome::Failed,
            ),
            // The same statuses, said by the model provider after the run began.
            (
                400,
                error("invalid_request_error", "400 context too long"),
                Outcome::Unknown,
            ),
            (
                401,
                error("authentication_error", "401 invalid api key"),
                Outcome::Unknown,
            ),
            (429, error("rate_limit_error", "429 slow down"), Outcome::Unknown),
            // Everything else.
            (401, "denied".to_owned(), Outcome::Unknown),
            (403, error("forbidden", "no"), Outcome::Unknown),
            (408, error("api_error", "upstream provider timeout"), Outcome::Unknown),
            (500, error("api_error", "internal error"), Outcome::Unknown),
            (502, error("api_error", "upstream provider error"), Outcome::Unknown),
            (504, String::new(), Outcome::Unknown),
            (204, String::new(), Outcome::Unknown),
            (307, String::new(), Outcome::Unknown),
        ];
        for (status, body, outcome) in rows {
            assert_eq!(of_refusal(status, body.as_bytes()).outcome, outcome, "{status} {body}");
        }
    }

    #[test]
    fn a_tools_result_is_kept_byte_for_byte() {
        let (answer, result) = of_tool_answer(200, br#"{"ok":true,"result":{"b": 1.0,  "a":[]}}"#);
        assert_eq!(
            (answer.outcome, result),
            (Outcome::Succeeded, Some(r#"{"b": 1.0,  "a":[]}"#))
        );
    }

    #[test]
    fn a_tools_failure_inside_a_200_is_unknown() {
        for body in [
            r#"{"ok":false,"error":{"message":"boom"}}"#,
            r#"{"result":1}"#,
            "garbage",
            "",
        ] {
            let (answer, result) = of_tool_answer(200, body.as_bytes());
            assert_eq!((answer.outcome, result), (Outcome::Unknown, None), "{body}");
        }
        let failed = br#"{"ok":false,"error":{"type":"tool_error","message":"not a number"}}"#;
        assert_eq!(
            of_tool_answer(400, failed).0.outcome,
            Outcome::Unknown,
            "a tool that had begun said so"
        );
        let (answer, _) = of_tool_answer(
            404,
            br#"{"ok":false,"error":{"type":"not_found","message":"Tool not available"}}"#,
        );
        assert_eq!(answer.outcome, Outcome::Failed);
    }

    #[test]
    fn the_gateways_words_are_shortened_and_stay_on_one_line_in_their_order() {
        let detail = of_refusal(
            400,
            error("x", &format!("a\nb\u{202e}\u{2066}{}", "c".repeat(500))).as_bytes(),
        )
        .detail;
        assert!(detail.starts_with("the gateway refused with 400: a b  c"));
        assert!(detail.len() < 260 && !detail.contains('\n'));
    }
}

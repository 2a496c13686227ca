//! What went wrong, and in one line what to do about it.

mod advice;

use std::{fmt, io};

use proto::common::v1::ErrorReason;
use serde_json::{Value, json};
use tonic::Status;
use tonic_types::StatusExt as _;

use crate::{
    console::{Palette, Tone},
    escape,
    exit::Exit,
};
use advice::advice;

/// Why a command failed, in words for the person who typed it.
#[derive(Debug)]
pub struct CliError {
    exit: Exit,
    message: String,
    hint: Option<String>,
    refusal: Option<Box<Refusal>>,
    nobody_reads: bool,
}

/// What a part answered instead of a result.
#[derive(Debug)]
struct Refusal {
    code: &'static str,
    reason: String,
    metadata: Vec<(String, String)>,
    violations: Vec<(String, String)>,
}

// === impl CliError ===

impl CliError {
    /// A failure of the command itself.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Failure,
            message: message.into(),
            hint: None,
            refusal: None,
            nobody_reads: false,
        }
    }

    /// A command line that asks for something impossible.
    pub fn usage(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Usage,
            ..Self::new(message)
        }
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// Results could not be written.
    pub fn output(error: io::Error) -> Self {
        let nobody_reads = error.kind() == io::ErrorKind::BrokenPipe;
        Self {
            nobody_reads,
            ..Self::io("write the output", error)
        }
    }

    /// Something could not be read or written.
    #[expect(clippy::needless_pass_by_value, reason = "reads better in map_err")]
    pub fn io(what: impl fmt::Display, error: io::Error) -> Self {
        Self::new(format!("can't {what}: {error}"))
    }

    /// A part refused a call or did not answer.
    pub fn status(part: &str, endpoint: &str, status: &Status) -> Self {
        let details = status.get_error_details();
        let Some(info) = details.error_info() else {
            return Self::no_answer(part, endpoint, status);
        };
        let reason = ErrorReason::from_str_name(&format!("ERROR_REASON_{}", info.reason));
        let mut metadata: Vec<_> = info.metadata.clone().into_iter().collect();
        metadata.sort();
        let violations = details.bad_request().map_or_else(Vec::new, |bad_request| {
            bad_request
                .field_violations
                .iter()
                .map(|violation| (violation.field.clone(), violation.description.clone()))
                .collect()
        });
        let refusal = Refusal {
            code: code_name(status.code()),
            reason: info.reason.clone(),
            metadata,
            violations,
        };
        Self {
            hint: reason.map(|reason| advice(reason).to_owned()),
            refusal: Some(Box::new(refusal)),
            ..Self::new(status.message())
        }
    }

    fn no_answer(part: &str, endpoint: &str, status: &Status) -> Self {
        let error = Self::new(format!("no answer from {part} at {endpoint}: {}", status.message()));
        let refusal = Refusal {
            code: code_name(status.code()),
            reason: String::new(),
            metadata: Vec::new(),
            violations: Vec::new(),
        };
        Self {
            refusal: Some(Box::new(refusal)),
            ..error
        }
        .hint("check that Countersign is running (`countersign up`) and that the endpoint is right")
    }

    /// Whether it is only that the reader of the output has gone, as `head` does.
    pub const fn nobody_reads(&self) -> bool {
        self.nobody_reads
    }

    /// The exit code.
    pub const fn exit(&self) -> Exit {
        self.exit
    }

    /// The reason that a part gave, such as `STALE_ETAG`; empty if none.
    pub fn reason(&self) -> &str {
        self.refusal.as_ref().map_or("", |refusal| &refusal.reason)
    }

    /// The error in readable lines.
    pub fn render(&self, palette: Palette) -> String {
        let reason = if self.reason().is_empty() {
            String::new()
        } else {
            format!("{}: ", self.reason())
        };
        let what = escape::one_line(&format!("{reason}{}", self.message));
        let mut lines = vec![format!("{} {what}", palette.paint(Tone::Bad, "error:"))];
        let violations = self.refusal.iter().flat_map(|refusal| &refusal.violations);
        let said = |field, description| self.message.contains(&format!("`{field}` {description}"));
        let unsaid = violations.filter(|(field, description)| !said(field, description));
        for (field, description) in unsaid {
            lines.push(format!(
                "  {}: {}",
                escape::one_line(field),
                escape::one_line(description)
            ));
        }
        if let Some(hint) = &self.hint {
            lines.push(format!("  {} {hint}", palette.paint(Tone::Faint, "what to do:")));
        }
        lines.join("\n")
    }

    /// The error as one JSON document.
    pub fn to_json(&self) -> Value {
        let refusal = self.refusal.as_deref();
        let metadata: serde_json::Map<_, _> = refusal
            .iter()
            .flat_map(|refusal| &refusal.metadata)
            .map(|(key, value)| (key.clone(), json!(value)))
            .collect();
        let violations: Vec<_> = refusal
            .iter()
            .flat_map(|refusal| &refusal.violations)
            .map(|(field, description)| json!({"field": field, "description": description}))
            .collect();
        json!({"error": {
            "message": self.message,
            "hint": self.hint,
            "exit_code": self.exit as u8,
            "code": refusal.map(|refusal| refusal.code),
            "reason": refusal.map(|refusal| &refusal.reason),
            "metadata": metadata,
            "violations": violations,
        }})
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CliError {}

fn code_name(code: tonic::Code) -> &'static str {
    match code {
        tonic::Code::Ok => "OK",
        tonic::Code::Cancelled => "CANCELLED",
        tonic::Code::Unknown => "UNKNOWN",
        tonic::Code::InvalidArgument => "INVALID_ARGUMENT",
        tonic::Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        tonic::Code::NotFound => "NOT_FOUND",
        tonic::Code::AlreadyExists => "ALREADY_EXISTS",
        tonic::Code::PermissionDenied => "PERMISSION_DENIED",
        tonic::Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        tonic::Code::FailedPrecondition => "FAILED_PRECONDITION",
        tonic::Code::Aborted => "ABORTED",
        tonic::Code::OutOfRange => "OUT_OF_RANGE",
        tonic::Code::Unimplemented => "UNIMPLEMENTED",
        tonic::Code::Internal => "INTERNAL",
        tonic::Code::Unavailable => "UNAVAILABLE",
        tonic::Code::DataLoss => "DATA_LOSS",
        tonic::Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::{ErrorDetails, FieldViolation};

    use super::*;

    fn refused(reason: &str, details: ErrorDetails) -> CliError {
        let mut details = details;
        details.set_error_info(
            reason,
            "approval.countersign",
            [("state".to_owned(), "DENIED".to_owned())],
        );
        let status = Status::with_error_details(tonic::Code::Aborted, "the approval changed", details);
        CliError::status("approval-svc", "http://127.0.0.1:7102", &status)
    }

    #[test]
    fn a_refusal_shows_its_reason_and_what_to_do() {
        let error = refused("STALE_ETAG", ErrorDetails::new());
        assert_eq!(
            error.render(Palette::new(false)),
            "error: STALE_ETAG: the approval changed\n  what to do: it changed since it was read: look again with \
             `countersign approvals show`, then decide"
        );
        assert_eq!(error.exit(), Exit::Failure);
        let json = error.to_json();
        assert_eq!(json["error"]["reason"], "STALE_ETAG");
        assert_eq!(json["error"]["code"], "ABORTED");
        assert_eq!(json["error"]["metadata"]["state"], "DENIED");
        assert_eq!(json["error"]["exit_code"], 1);
    }

    #[test]
    fn every_violation_is_shown_and_escaped() {
        let details = ErrorDetails::with_bad_request(vec![
            FieldViolation::new("agent", "must match `[a-z0-9_-]{1,64}`"),
            FieldViolation::new("session", "bad\u{1B}[2J"),
        ]);
        let text = refused("INVALID_FIELDS", details).render(Palette::new(false));
        assert!(text.contains("\n  agent: must match `[a-z0-9_-]{1,64}`"), "{text}");
        assert!(text.contains("\n  session: bad\\u{1b}[2J"), "{text}");
    }

    #[test]
    fn what_the_message_says_already_is_not_said_again() {
        let mut details = ErrorDetails::with_bad_request(vec![FieldViolation::new("agent", "is required")]);
        details.set_error_info("INVALID_FIELDS", "governance.countersign", []);
        let status = Status::with_error_details(tonic::Code::InvalidArgument, "`agent` is required", details);
        let error = CliError::status("orchestrator", "http://127.0.0.1:7100", &status);
        let text = error.render(Palette::new(false));
        assert_eq!(text.matches("is required").count(), 1, "{text}");
        assert_eq!(error.to_json()["error"]["violations"][0]["field"], "agent");
    }

    #[test]
    fn silence_names_the_part_and_its_endpoint() {
        let status = Status::unavailable("connection refused");
        let error = CliError::status("trace-svc", "http://127.0.0.1:7104", &status);
        assert_eq!(
            error.to_string(),
            "no answer from trace-svc at http://127.0.0.1:7104: connection refused"
        );
        assert_eq!(error.to_json()["error"]["code"], "UNAVAILABLE");
    }
}

//! Everything that is wrong with a request, said at once.

use proto::common::v1::ErrorReason;
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt as _};
use uuid::Uuid;

use crate::fault::clipped;

/// Longest path of a field, and longest description, in bytes: callers' own values can stand in both.
const MAX_WORDS_BYTES: usize = 200;
/// What all of them may take together. A status says it three times (twice as text, once as details), and travels in
/// headers, of which some clients take no more than 8 KiB.
const MAX_SAID_BYTES: usize = 1536;
/// What one violation takes besides its words.
const FRAME_BYTES: usize = 8;

/// Collects what is wrong with a request's fields.
#[derive(Debug)]
pub struct Violations {
    domain: &'static str,
    found: Vec<(String, String)>,
}

// === impl Violations ===

impl Violations {
    /// None yet; `domain` is the service's, such as `trace.countersign`.
    pub const fn new(domain: &'static str) -> Self {
        Self {
            domain,
            found: Vec::new(),
        }
    }

    /// Adds one.
    pub fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.found.push((field.into(), description.into()));
    }

    /// Adds what was found in the part of the message that stands at `place`.
    pub fn add_within(&mut self, place: &str, part: Self) {
        let found = part.found.into_iter();
        self.found
            .extend(found.map(|(field, description)| (format!("{place}.{field}"), description)));
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// What was found: field and description.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.found
            .iter()
            .map(|(field, description)| (field.as_str(), description.as_str()))
    }

    /// Adds one if `value` is empty.
    pub fn required(&mut self, field: &str, value: &str) {
        if value.is_empty() {
            self.add(field, "is required");
        }
    }

    /// Adds one if `value` is longer than `max` bytes.
    pub fn max_bytes(&mut self, field: &str, value: &str, max: usize) {
        if value.len() > max {
            self.add(field, format!("has {} bytes, more than the {max} allowed", value.len()));
        }
    }

    /// Reads a required UUID in its hyphenated form.
    pub fn uuid(&mut self, field: &str, value: &str) -> Option<Uuid> {
        if value.is_empty() {
            self.add(field, "is required");
            return None;
        }
        let uuid = Uuid::try_parse(value)
            .ok()
            .filter(|uuid| !uuid.is_nil() && value.len() == 36);
        if uuid.is_none() {
            self.add(field, "must be a UUID such as `0192f0c1-2b3c-7d4e-8f90-123456789abc`");
        }
        uuid
    }

    /// `Err` with every violation if there is any; with the first ones and the number of the others, if there are more
    /// than an answer holds.
    pub fn check(self) -> Result<(), Status> {
        if self.found.is_empty() {
            return Ok(());
        }
        let domain = self.domain;
        let (said, unsaid) = self.said();
        let sentences = said
            .iter()
            .map(|(field, description)| format!("`{field}` {description}"));
        let more = (unsaid > 0).then(|| format!("and {unsaid} more"));
        let message = sentences.chain(more).collect::<Vec<_>>().join("; ");
        let mut details = ErrorDetails::new();
        let reason = ErrorReason::InvalidFields
            .as_str_name()
            .trim_start_matches("ERROR_REASON_");
        details.set_error_info(reason, domain, std::collections::HashMap::<String, String>::new());
        for (field, description) in said {
            details.add_bad_request_violation(field, description);
        }
        Err(Status::with_error_details(
            tonic::Code::InvalidArgument,
            message,
            details,
        ))
    }

    /// What an answer holds, and how many it doesn't.
    fn said(self) -> (Vec<(String, String)>, usize) {
        let found = self.found.len();
        let mut room = MAX_SAID_BYTES;
        let clip = |(field, description)| (clipped(field, MAX_WORDS_BYTES), clipped(description, MAX_WORDS_BYTES));
        let fits = |words: &(String, String)| {
            let rest = room.checked_sub(words.0.len() + words.1.len() + FRAME_BYTES);
            room = rest.unwrap_or_default();
            rest.is_some()
        };
        let said: Vec<_> = self.found.into_iter().map(clip).take_while(fits).collect();
        let unsaid = found - said.len();
        (said, unsaid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_violation_is_reported_at_once() {
        let mut violations = Violations::new("trace.countersign");
        violations.required("type", "");
        assert_eq!(violations.uuid("event_id", "nonsense"), None);
        violations.max_bytes("reason", "long", 3);
        let status = violations.check().unwrap_err();
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        assert_eq!(status.get_details_bad_request().unwrap().field_violations.len(), 3);
        assert_eq!(status.get_details_error_info().unwrap().reason, "INVALID_FIELDS");
    }

    #[test]
    fn more_than_an_answer_holds_is_counted() {
        let mut violations = Violations::new("trace.countersign");
        for number in 0..1_000 {
            violations.add(format!("events[{number}].{}", "x".repeat(1_000)), "y".repeat(1_000));
        }
        let status = violations.check().unwrap_err();
        let said = status.get_details_bad_request().unwrap().field_violations;
        assert_eq!(said.len(), 3);
        assert!(status.message().ends_with("; and 997 more"), "{}", status.message());
        assert!(status.message().len() + status.details().len() * 4 / 3 < 7 * 1024);
    }
}

//! Everything that is wrong with a request, said at once.

use proto::common::v1::ErrorReason;
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt as _};
use uuid::Uuid;

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
        Self { domain, found: Vec::new() }
    }

    /// Adds one.
    pub fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.found.push((field.into(), description.into()));
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// What was found: field and description.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.found.iter().map(|(field, description)| (field.as_str(), description.as_str()))
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
        let uuid = Uuid::try_parse(value).ok().filter(|uuid| !uuid.is_nil() && value.len() == 36);
        if uuid.is_none() {
            self.add(field, "must be a UUID such as `0192f0c1-2b3c-7d4e-8f90-123456789abc`");
        }
        uuid
    }

    /// `Err` with every violation if there is any.
    pub fn check(self) -> Result<(), Status> {
        if self.found.is_empty() {
            return Ok(());
        }
        let message = self
            .found
            .iter()
            .map(|(field, description)| format!("`{field}` {description}"))
            .collect::<Vec<_>>()
            .join("; ");
        let mut details = ErrorDetails::new();
        let reason = ErrorReason::InvalidFields.as_str_name().trim_start_matches("ERROR_REASON_");
        details.set_error_info(reason, self.domain, std::collections::HashMap::<String, String>::new());
        for (field, description) in self.found {
            details.add_bad_request_violation(field, description);
        }
        Err(Status::with_error_details(tonic::Code::InvalidArgument, message, details))
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
}

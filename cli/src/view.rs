//! What is shown of the contract's messages: one form with stable names, as JSON or as text.
//!
//! Names are the contract's; enum values lose their prefix, times are RFC 3339, digests and hashes are text.

pub(crate) mod approval;
pub(crate) mod run;
pub(crate) mod trace;

use prost_types::Timestamp;
use proto::common::v1::{self as common, action::Operation};
use serde::Serialize;

use crate::{
    console::{Palette, Tone},
    escape,
};

/// An action as it is shown.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct ActionView {
    pub(crate) run_id: String,
    pub(crate) tenant: String,
    pub(crate) issuer: String,
    pub(crate) requester: String,
    pub(crate) agent: String,
    pub(crate) session: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) instruction: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tool: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) arguments_json: Option<String>,
}

/// Lines of `name  value`, aligned.
#[derive(Debug)]
pub(crate) struct Fields {
    palette: Palette,
    lines: Vec<String>,
}

/// An enum value's name without its prefix, such as `GREEN`; empty when it is not set.
pub(crate) fn word(name: &str, prefix: &str) -> String {
    match name.strip_prefix(prefix) {
        Some("UNSPECIFIED") => String::new(),
        Some(word) => word.to_owned(),
        None => name.to_owned(),
    }
}

/// The word for a risk.
pub(crate) fn risk(value: common::Risk) -> String {
    word(value.as_str_name(), "RISK_")
}

/// The word for a mode.
pub(crate) fn mode(value: common::Mode) -> String {
    word(value.as_str_name(), "MODE_")
}

/// The word for an outcome.
pub(crate) fn outcome(value: common::Outcome) -> String {
    word(value.as_str_name(), "OUTCOME_")
}

/// The word for a disposition.
pub(crate) fn disposition(value: common::Disposition) -> String {
    word(value.as_str_name(), "DISPOSITION_")
}

/// A time in RFC 3339; nothing when it is not set.
pub(crate) fn time(timestamp: Option<Timestamp>) -> Option<String> {
    let timestamp = timestamp?;
    jiff::Timestamp::new(timestamp.seconds, timestamp.nanos)
        .ok()
        .map(|time| time.to_string())
}

/// An RFC 3339 time to the second, for people.
pub(crate) fn seconds(time: Option<&str>) -> String {
    let parsed = time.and_then(|time| time.parse::<jiff::Timestamp>().ok());
    parsed.map_or_else(|| "–".to_owned(), |time| format!("{time:.0}"))
}

// === impl ActionView ===

impl From<common::Action> for ActionView {
    fn from(action: common::Action) -> Self {
        let mut view = Self {
            run_id: action.run_id,
            tenant: action.tenant,
            issuer: action.issuer,
            requester: action.requester,
            agent: action.agent,
            session: action.session,
            ..Self::default()
        };
        match action.operation {
            Some(Operation::Instruction(instruction)) => view.instruction = Some(instruction.text),
            Some(Operation::ToolCall(call)) => {
                view.tool = Some(call.tool);
                view.arguments_json = Some(call.arguments_json);
            }
            None => {}
        }
        view
    }
}

impl ActionView {
    /// The digest of exactly what is shown; nothing if it is not a whole action.
    pub(crate) fn digest(&self) -> Option<warrant::ActionDigest> {
        let operation = match (&self.instruction, &self.tool, &self.arguments_json) {
            (Some(instruction), None, None) => warrant::Operation::Instruction {
                instruction: instruction.clone(),
            },
            (None, Some(tool), Some(arguments_json)) => warrant::Operation::ToolCall {
                tool: tool.clone(),
                arguments_json: arguments_json.clone(),
            },
            _ => return None,
        };
        let action = warrant::Action {
            run: self.run_id.parse().ok()?,
            tenant: self.tenant.clone(),
            issuer: self.issuer.clone(),
            requester: self.requester.clone(),
            agent: self.agent.clone(),
            session: self.session.clone(),
            operation,
        };
        Some(action.digest())
    }

    /// What is asked, in a few words.
    pub(crate) fn excerpt(&self, width: usize) -> String {
        match (&self.instruction, &self.tool) {
            (Some(instruction), _) => escape::excerpt(instruction, width),
            (None, Some(tool)) => {
                let arguments = self.arguments_json.as_deref().unwrap_or_default();
                escape::excerpt(&format!("{tool} {arguments}"), width)
            }
            (None, None) => String::new(),
        }
    }

    /// What is asked, whole and escaped.
    pub(crate) fn describe(&self, fields: &mut Fields) {
        fields.add(
            "requester",
            &format!("{} (tenant {}, issuer {})", self.requester, self.tenant, self.issuer),
        );
        fields.add("agent", &self.agent);
        fields.add("session", &self.session);
        if let Some(instruction) = &self.instruction {
            fields.add_block("instruction", instruction);
        }
        if let Some(tool) = &self.tool {
            fields.add("tool", tool);
            fields.add_block("arguments", self.arguments_json.as_deref().unwrap_or_default());
        }
    }
}

// === impl Fields ===

impl Fields {
    const NAME_WIDTH: usize = 13;

    pub(crate) const fn new(palette: Palette) -> Self {
        Self {
            palette,
            lines: Vec::new(),
        }
    }

    /// One field; the value is escaped. An empty value is left out.
    pub(crate) fn add(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.add_raw(name, &escape::one_line(value));
        }
    }

    /// One field whose value is shown as it is.
    pub(crate) fn add_raw(&mut self, name: &str, value: &str) {
        let padded = format!("{name:width$}", width = Self::NAME_WIDTH);
        self.lines
            .push(format!("  {} {value}", self.palette.paint(Tone::Faint, &padded)));
    }

    /// A text of several lines; each is escaped and stands behind a bar, so that none can pass for a field.
    pub(crate) fn add_block(&mut self, name: &str, text: &str) {
        self.lines.push(format!("  {}", self.palette.paint(Tone::Faint, name)));
        self.lines.extend(
            escape::lines(text)
                .iter()
                .map(|line| format!("    │ {line}").trim_end().to_owned()),
        );
    }

    pub(crate) fn into_text(self) -> String {
        self.lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lose_their_prefix_and_unset_ones_are_empty() {
        assert_eq!(risk(common::Risk::Amber), "AMBER");
        assert_eq!(mode(common::Mode::BreakGlass), "BREAK_GLASS");
        assert_eq!(outcome(common::Outcome::Unknown), "UNKNOWN");
        assert_eq!(disposition(common::Disposition::RequireApproval), "REQUIRE_APPROVAL");
        assert_eq!(risk(common::Risk::Unspecified), "");
    }

    #[test]
    fn times_are_rfc_3339() {
        let timestamp = Timestamp {
            seconds: 1_700_000_000,
            nanos: 120_000_000,
        };
        let text = time(Some(timestamp));
        assert_eq!(text.as_deref(), Some("2023-11-14T22:13:20.12Z"));
        assert_eq!(seconds(text.as_deref()), "2023-11-14T22:13:20Z");
        assert_eq!(seconds(None), "–");
    }

    #[test]
    fn no_line_of_a_text_passes_for_a_field() {
        let mut fields = Fields::new(Palette::new(false));
        fields.add_block("instruction", "harmless\n  digest        sha256:00\n");
        assert_eq!(
            fields.into_text(),
            "  instruction\n    │ harmless\n    │   digest        sha256:00\n    │"
        );
    }
}

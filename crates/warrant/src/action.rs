//! The action: what is judged, permitted and carried out, and its one canonical form.

use crate::{
    digest::ActionDigest,
    ids::RunId,
    json,
    text::{free_text_fault, identifier_fault, is_agent_id},
};

/// The version of the canonical form.
const VERSION: &str = "1";

/// Limits used unless others are configured: instructions and arguments 64 KiB, identifiers 256 bytes.
pub const DEFAULT_LIMITS: Limits = Limits {
    text_bytes: 64 * 1024,
    identifier_bytes: 256,
};

/// One thing that an agent is asked to do, and on whose behalf.
///
/// The texts are kept byte for byte; nothing is trimmed or normalised.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Action {
    /// The run that the action belongs to.
    pub run: RunId,
    /// The tenant.
    pub tenant: String,
    /// The issuer of the requester's token.
    pub issuer: String,
    /// The person on whose behalf the agent acts: the subject of the token.
    pub requester: String,
    /// The agent, `[a-z0-9_-]{1,64}`.
    pub agent: String,
    /// The conversation; the run id if the requester named none.
    pub session: String,
    /// What is to be done.
    pub operation: Operation,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A text for the agent to follow.
    Instruction {
        /// The text.
        instruction: String,
    },
    /// A call of one tool.
    ToolCall {
        /// The tool's name.
        tool: String,
        /// The arguments: the text of a JSON object, byte for byte.
        arguments_json: String,
    },
}

/// How long the texts of an action may be, in bytes of UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For an instruction, and for the arguments of a tool call.
    pub text_bytes: usize,
    /// For tenant, issuer, requester, session and tool.
    pub identifier_bytes: usize,
}

/// One thing that is wrong with an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The field, by its name in [`Action`] or [`Operation`].
    pub field: &'static str,
    /// What is wrong with it.
    pub description: String,
}

// === impl Action ===

impl Action {
    /// Everything that is wrong with the action, by [`DEFAULT_LIMITS`]; empty if it is valid.
    pub fn validate(&self) -> Vec<Violation> {
        self.validate_with(&DEFAULT_LIMITS)
    }

    /// Everything that is wrong with the action; empty if it is valid.
    ///
    /// Identifiers may hold any character that shows, and spaces. Control characters, bidirectional
    /// controls and characters without a width are refused in them. Instructions and arguments may hold
    /// anything but control characters other than line feed and tab, and the characters that reorder
    /// text (U+202A to U+202E, U+2066 to U+2069). Arguments must be one JSON object in which no name
    /// occurs twice, nested at most 64 deep; escapes within its strings are not looked into, since they
    /// are shown and executed as they stand.
    pub fn validate_with(&self, limits: &Limits) -> Vec<Violation> {
        let mut violations = Vec::new();
        if !is_agent_id(&self.agent) {
            violations.push(Violation::new("agent", "must match `[a-z0-9_-]{1,64}`"));
        }
        for (field, text) in self.identifiers() {
            violations.extend(check(field, text, limits.identifier_bytes, identifier_fault));
        }
        if let Operation::ToolCall { arguments_json, .. } = &self.operation
            && let Err(error) = json::check_object(arguments_json, json::MAX_DEPTH)
        {
            violations.push(Violation::new(
                "arguments_json",
                format!("must be a strict JSON object: {error}"),
            ));
        }
        let (field, text) = self.free_text();
        violations.extend(check(field, text, limits.text_bytes, free_text_fault));
        violations
    }

    /// The canonical form: RFC 8785 JSON of the version and all fields, every value a string.
    pub fn canonical(&self) -> String {
        let run = self.run.to_string();
        let (agent, issuer) = (("agent", self.agent.as_str()), ("issuer", self.issuer.as_str()));
        let (requester, tenant) = (("requester", self.requester.as_str()), ("tenant", self.tenant.as_str()));
        let (run, session) = (("run", run.as_str()), ("session", self.session.as_str()));
        // In the order of their names, as RFC 8785 demands.
        match &self.operation {
            Operation::Instruction { instruction } => canonical_object(&[
                agent,
                ("instruction", instruction),
                issuer,
                ("kind", "instruction"),
                requester,
                run,
                session,
                tenant,
                ("v", VERSION),
            ]),
            Operation::ToolCall { tool, arguments_json } => canonical_object(&[
                agent,
                ("arguments_json", arguments_json),
                issuer,
                ("kind", "tool_call"),
                requester,
                run,
                session,
                tenant,
                ("tool", tool),
                ("v", VERSION),
            ]),
        }
    }

    /// What verdict and warrant are bound to: SHA-256 over the canonical form.
    pub fn digest(&self) -> ActionDigest {
        ActionDigest::of_canonical(&self.canonical())
    }

    fn identifiers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let tool = match &self.operation {
            Operation::Instruction { .. } => None,
            Operation::ToolCall { tool, .. } => Some(("tool", tool.as_str())),
        };
        [
            ("tenant", self.tenant.as_str()),
            ("issuer", &self.issuer),
            ("requester", &self.requester),
            ("session", &self.session),
        ]
        .into_iter()
        .chain(tool)
    }

    fn free_text(&self) -> (&'static str, &str) {
        match &self.operation {
            Operation::Instruction { instruction } => ("instruction", instruction),
            Operation::ToolCall { arguments_json, .. } => ("arguments_json", arguments_json),
        }
    }
}

fn check(
    field: &'static str,
    text: &str,
    max_bytes: usize,
    fault: impl Fn(&str) -> Option<&'static str>,
) -> Vec<Violation> {
    let mut violations = Vec::new();
    if text.trim().is_empty() {
        violations.push(Violation::new(field, "must not be empty"));
    }
    if text.len() > max_bytes {
        violations.push(Violation::new(field, format!("must not exceed {max_bytes} bytes")));
    }
    violations.extend(fault(text).map(|description| Violation::new(field, description)));
    violations
}

fn canonical_object(members: &[(&str, &str)]) -> String {
    debug_assert!(members.is_sorted(), "members stand in the order of their names");
    // Quotes, colon and comma of each member, and the braces; escapes come on top.
    let length: usize = members.iter().map(|(name, value)| name.len() + value.len() + 6).sum();
    let mut json = String::with_capacity(length + 2);
    json.push('{');
    for (index, (name, value)) in members.iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        push_string(&mut json, name);
        json.push(':');
        push_string(&mut json, value);
    }
    json.push('}');
    json
}

/// Appends a JSON string with the escapes of RFC 8785, section 3.2.2.2, and no others.
fn push_string(json: &mut String, text: &str) {
    json.push('"');
    for run in text.split_inclusive(is_escaped) {
        let plain = run.trim_end_matches(is_escaped);
        json.push_str(plain);
        match run.as_bytes().get(plain.len()) {
            None => {}
            Some(b'"') => json.push_str("\\\""),
            Some(b'\\') => json.push_str("\\\\"),
            Some(0x08) => json.push_str("\\b"),
            Some(b'\t') => json.push_str("\\t"),
            Some(b'\n') => json.push_str("\\n"),
            Some(0x0C) => json.push_str("\\f"),
            Some(b'\r') => json.push_str("\\r"),
            Some(control) => push_escape(json, *control),
        }
    }
    json.push('"');
}

const fn is_escaped(c: char) -> bool {
    matches!(c, '"' | '\\' | '\0'..='\u{1F}')
}

/// Appends the six-character escape of a control character below U+0020.
fn push_escape(json: &mut String, control: u8) {
    json.push_str("\\u00");
    json.extend(
        [control >> 4, control & 0xF]
            .into_iter()
            .filter_map(|digit| char::from_digit(digit.into(), 16)),
    );
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        DEFAULT_LIMITS
    }
}

// === impl Violation ===

impl Violation {
    fn new(field: &'static str, description: impl Into<String>) -> Self {
        Self {
            field,
            description: description.into(),
        }
    }
}

#[cfg(test)]
mod tests;

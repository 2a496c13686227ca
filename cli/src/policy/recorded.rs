//! Requests as a trace has recorded them, with the verdicts that they got.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use chassis::semconv;
use classifier_svc::Risk;
use serde::{Deserialize, Serialize};

use crate::error::CliError;

/// Names what was taken out of a line.
const REDACTIONS: &str = "countersign.redactions";

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// An instruction.
    Instruction(String),
    /// One call of one tool.
    ToolCall { tool: String, arguments: String },
}

/// A request and its verdict.
#[derive(Clone, Debug)]
pub(super) struct Recorded {
    /// The run.
    pub(super) id: String,
    pub(super) asked: Asked,
    pub(super) risk: Risk,
    /// The rule that decided.
    pub(super) decider: String,
}

/// How many requests can't be judged again.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Skipped {
    /// Secrets were taken out of their text.
    pub(super) redacted: usize,
    /// Their text is kept beside the log.
    pub(super) in_blobs: usize,
}

/// The members of a line of the log that are looked at.
#[derive(Deserialize)]
struct Line {
    trace_id: String,
    r#type: String,
    risk: Option<Risk>,
    attrs: BTreeMap<String, String>,
    content: Option<Content>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text { text: String },
    Blob { sha256: String },
}

/// The requests in exported traces; `blobs` is the folder with the texts that are kept beside the log.
pub(super) fn read(paths: &[PathBuf], blobs: Option<&Path>) -> Result<(Vec<Recorded>, Skipped), CliError> {
    let (mut requests, mut skipped) = (Vec::new(), Skipped::default());
    for path in paths {
        let shown = path.display();
        let text = fs::read_to_string(path).map_err(|error| CliError::io(format!("read `{shown}`"), error))?;
        let mut asked: BTreeMap<String, Asked> = BTreeMap::new();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let line: Line = serde_json::from_str(line).map_err(|error| {
                CliError::new(format!("can't read {shown}:{}: {error}", index + 1))
                    .hint("give what `countersign trace export --format jsonl` writes")
            })?;
            match line.r#type.as_str() {
                semconv::event::REQUEST_RECEIVED => {
                    let (run, request) = line.request(blobs, &mut skipped);
                    asked.extend(request.map(|request| (run, request)));
                }
                semconv::event::REQUEST_CLASSIFIED => requests.extend(line.verdict(&mut asked)),
                _ => {}
            }
        }
    }
    Ok((requests, skipped))
}

// === impl Line ===

impl Line {
    fn request(mut self, blobs: Option<&Path>, skipped: &mut Skipped) -> (String, Option<Asked>) {
        if self.attrs.contains_key(REDACTIONS) {
            skipped.redacted += 1;
            return (self.trace_id, None);
        }
        let text = match self.content.take() {
            None => Some(String::new()),
            Some(Content::Text { text }) => Some(text),
            Some(Content::Blob { sha256 }) => blobs.and_then(|folder| blob(folder, &sha256)),
        };
        let Some(text) = text else {
            skipped.in_blobs += 1;
            return (self.trace_id, None);
        };
        let asked = match self.attrs.remove(semconv::TOOL) {
            Some(tool) => Asked::ToolCall { tool, arguments: text },
            None => Asked::Instruction(text),
        };
        (self.trace_id, Some(asked))
    }

    /// The request that this verdict is about.
    fn verdict(self, asked: &mut BTreeMap<String, Asked>) -> Option<Recorded> {
        let (asked, risk) = (asked.remove(&self.trace_id)?, self.risk?);
        let rules = self.attrs.get(semconv::RULES);
        let decider = rules.and_then(|rules| rules.split(',').next()).unwrap_or_default();
        Some(Recorded {
            decider: decider.to_owned(),
            id: self.trace_id,
            asked,
            risk,
        })
    }
}

/// A text that is kept beside the log, under the hexadecimal digits of its digest.
fn blob(folder: &Path, sha256: &str) -> Option<String> {
    let digits = sha256.strip_prefix("sha256:").unwrap_or(sha256);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| fs::read_to_string(folder.join(digits)).ok())?
}

// === impl Asked ===

impl Asked {
    /// What was asked, as it is shown.
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Instruction(text) => text,
            Self::ToolCall { tool, arguments } => format!("{tool} {arguments}"),
        }
    }
}

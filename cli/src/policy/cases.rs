//! Cases: requests from JSONL files, labelled or not.

use std::{fs, path::PathBuf};

use classifier_svc::Risk;
use serde::Deserialize;
use serde_json::Value;

use crate::error::CliError;

/// One request. Other members are passed over.
#[derive(Debug, Deserialize)]
pub(super) struct Case {
    id: Value,
    pub(super) text: String,
    pub(super) label: Option<Risk>,
    /// Whether reasonable people differ about it.
    #[serde(default)]
    pub(super) border: bool,
    /// `file:line`
    #[serde(skip)]
    pub(super) place: String,
}

/// Reads every line of every file; one that can't be read is an error.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<Case>, CliError> {
    let mut cases = Vec::new();
    for path in paths {
        let shown = path.display();
        let text = fs::read_to_string(path).map_err(|error| CliError::io(format!("read `{shown}`"), error))?;
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let place = format!("{shown}:{}", index + 1);
            let case: Case = serde_json::from_str(line).map_err(|error| {
                CliError::new(format!("can't read {place}: {error}"))
                    .hint("give one object with `id`, `text` and, for `policy test`, `label` on each line")
            })?;
            cases.push(Case { place, ..case });
        }
    }
    Ok(cases)
}

// === impl Case ===

impl Case {
    /// The id as it is shown.
    pub(super) fn id(&self) -> String {
        self.id.as_str().map_or_else(|| self.id.to_string(), str::to_owned)
    }
}

//! Where the parts of a local deployment can be reached: written by `up`, read by the other commands.

use std::io;

use chassis::part::PartName;
use serde::{Deserialize, Serialize};

use crate::{
    error::CliError,
    paths::{self, DataDir},
};

/// The URL of each part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Endpoints {
    pub(crate) orchestrator: String,
    pub(crate) classifier: String,
    pub(crate) approval: String,
    pub(crate) executor: String,
    pub(crate) trace: String,
}

// === impl Endpoints ===

impl Endpoints {
    /// Those of the instance that runs on a data directory; nothing when none runs.
    pub(crate) fn load(data: &DataDir) -> Result<Option<Self>, CliError> {
        let path = data.endpoints();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(CliError::io(format!("read `{}`", path.display()), error)),
        };
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|error| CliError::new(format!("malformed `{}`: {error}", path.display())))
    }

    /// Says to the other commands where the parts are.
    pub(crate) fn store(&self, data: &DataDir) -> Result<(), CliError> {
        let text = serde_json::to_string_pretty(self).map_err(|error| CliError::new(error.to_string()))?;
        paths::write_private(&data.endpoints(), format!("{text}\n").as_bytes())
    }

    /// The URL of a part that has one.
    pub(crate) fn of(&self, part: PartName) -> Option<&str> {
        match part {
            PartName::Orchestrator => Some(&self.orchestrator),
            PartName::Classifier => Some(&self.classifier),
            PartName::Approval => Some(&self.approval),
            PartName::Executor => Some(&self.executor),
            PartName::Trace => Some(&self.trace),
            PartName::SimulatedApprover => None,
        }
    }
}

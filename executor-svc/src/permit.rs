//! What has to be true before a warrant is even claimed. The executor takes nobody's word: it checks both signatures
//! and recomputes the digest from the action that it will send.

use std::sync::Arc;

use chassis::{AllowedAgents, KeySetError, PartName, PinnedVerifier, clock::Clock};
use warrant::{Action, Disposition, KnownSignatures, Mode, Risk, VERDICT_AUDIENCE, Verdict, Warrant};

use crate::{config::Config, convert::ExecuteAction, error::ExecutionError};

/// The audience of warrants for executors.
const WARRANT_AUDIENCE: &str = PartName::Executor.as_str();

/// Decides whether an action may be executed under a warrant.
#[derive(Debug)]
pub(crate) struct Gatekeeper {
    warrants: PinnedVerifier<Warrant>,
    verdicts: PinnedVerifier<Verdict>,
    agents: AllowedAgents,
    accept_simulated: bool,
}

/// An action with a warrant that holds for it; only [`Gatekeeper::admit`] makes one.
#[derive(Debug, Clone)]
pub(crate) struct Permit {
    pub(crate) action: Action,
    pub(crate) verdict: Verdict,
    pub(crate) verdict_jws: String,
    pub(crate) warrant: Warrant,
    pub(crate) warrant_jws: String,
}

// === impl Gatekeeper ===

impl Gatekeeper {
    /// Reads the pinned keys.
    pub(crate) fn open(config: &Config, clock: &Arc<dyn Clock>) -> Result<Self, KeySetError> {
        let (warrants, verdicts) = (config.warrant_key_set_file.clone(), config.verdict_key_set_file.clone());
        Ok(Self {
            warrants: PinnedVerifier::open(&config.warrant_issuer, WARRANT_AUDIENCE, warrants, Arc::clone(clock))?,
            verdicts: PinnedVerifier::open(&config.verdict_issuer, VERDICT_AUDIENCE, verdicts, Arc::clone(clock))?,
            agents: config.allowed_agents.iter().cloned().collect(),
            accept_simulated: config.accept_simulated,
        })
    }

    /// The same gatekeeper, for which the signatures in `known` need no second look.
    #[must_use]
    pub(crate) fn knowing(self, known: &Arc<KnownSignatures>) -> Self {
        Self {
            warrants: self.warrants.knowing(Arc::clone(known)),
            verdicts: self.verdicts.knowing(Arc::clone(known)),
            ..self
        }
    }

    /// Admits an action whose warrant holds, now.
    ///
    /// The verdict took effect when its approval was created; it may have expired since.
    pub(crate) fn admit(&self, command: ExecuteAction) -> Result<Permit, ExecutionError> {
        let ExecuteAction {
            action,
            verdict_jws,
            warrant_jws,
        } = command;
        let warrant = self
            .warrants
            .verify(&warrant_jws)
            .map_err(ExecutionError::InvalidWarrant)?;
        warrant.check_action(&action).map_err(ExecutionError::WarrantMismatch)?;
        let verdict = self
            .verdicts
            .verify_ignoring_expiry(&verdict_jws)
            .map_err(ExecutionError::InvalidVerdict)?;
        verdict.check_action(&action).map_err(ExecutionError::VerdictMismatch)?;
        warrant
            .check_verdict(&verdict_jws, &verdict)
            .map_err(ExecutionError::VerdictMismatch)?;
        self.check_authority(&warrant, &verdict)?;
        if !self.agents.allow(&action.tenant, &action.agent) {
            return Err(ExecutionError::AgentNotAllowed {
                tenant: action.tenant,
                agent: action.agent,
            });
        }
        Ok(Permit {
            action,
            verdict,
            verdict_jws,
            warrant,
            warrant_jws,
        })
    }

    /// Checks that whoever granted the warrant could grant this risk.
    fn check_authority(&self, warrant: &Warrant, verdict: &Verdict) -> Result<(), ExecutionError> {
        match (verdict.risk, verdict.disposition) {
            (Risk::Red, _) => return Err(ExecutionError::Red),
            (Risk::Green, Disposition::Allow) | (Risk::Amber, Disposition::RequireApproval) => {}
            _ => return Err(ExecutionError::Contradiction),
        }
        match (warrant.mode, verdict.risk) {
            (Mode::Policy, Risk::Green) | (Mode::People, _) => Ok(()),
            (Mode::Simulated, _) if self.accept_simulated => Ok(()),
            (Mode::Simulated, _) => Err(ExecutionError::SimulatedWarrant),
            (mode, risk) => Err(ExecutionError::WrongAuthority { mode, risk }),
        }
    }
}

#[cfg(test)]
mod tests;

//! Which tenant may use which agent.

use std::{collections::BTreeSet, fmt, str::FromStr};

/// Stands for every tenant.
const ANY_TENANT: &str = "*";

/// One agent that one tenant, or every tenant, may use: `tenant=agent` or `*=agent`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AllowedAgent {
    tenant: String,
    agent: String,
}

/// The agents that may be used; all others may not.
#[derive(Debug, Clone, Default)]
pub struct AllowedAgents(BTreeSet<AllowedAgent>);

/// A text that names no tenant and agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected `tenant=agent` or `*=agent`, the agent being of `[a-z0-9_-]{{1,64}}`")]
pub struct InvalidAllowedAgent;

// === impl AllowedAgent ===

impl AllowedAgent {
    /// An agent that every tenant may use.
    pub fn any_tenant(agent: &str) -> Self {
        Self {
            tenant: ANY_TENANT.to_owned(),
            agent: agent.to_owned(),
        }
    }
}

impl FromStr for AllowedAgent {
    type Err = InvalidAllowedAgent;

    fn from_str(text: &str) -> Result<Self, InvalidAllowedAgent> {
        let (tenant, agent) = text.rsplit_once('=').ok_or(InvalidAllowedAgent)?;
        let is_agent = (1..=64).contains(&agent.len())
            && agent
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'));
        if tenant.is_empty() || !is_agent {
            return Err(InvalidAllowedAgent);
        }
        Ok(Self {
            tenant: tenant.to_owned(),
            agent: agent.to_owned(),
        })
    }
}

impl fmt::Display for AllowedAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.tenant, self.agent)
    }
}

// === impl AllowedAgents ===

impl AllowedAgents {
    /// Whether none is listed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this tenant may use this agent.
    pub fn allow(&self, tenant: &str, agent: &str) -> bool {
        self.0
            .iter()
            .any(|allowed| allowed.agent == agent && (allowed.tenant == tenant || allowed.tenant == ANY_TENANT))
    }
}

impl FromIterator<AllowedAgent> for AllowedAgents {
    fn from_iter<I: IntoIterator<Item = AllowedAgent>>(agents: I) -> Self {
        Self(agents.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_may_use_what_is_listed_for_it_or_for_all() {
        let agents: AllowedAgents = ["acme=ops", "*=main"]
            .map(|text| text.parse().unwrap())
            .into_iter()
            .collect();
        assert!(agents.allow("acme", "ops") && agents.allow("acme", "main") && agents.allow("other", "main"));
        assert!(!agents.allow("other", "ops") && !agents.allow("acme", "root"));
        assert!(!AllowedAgents::default().allow("acme", "main"));
    }

    #[test]
    fn malformed_entries_are_refused() {
        for text in ["", "main", "=main", "acme=", "acme=Main", "acme=a b"] {
            assert_eq!(text.parse::<AllowedAgent>(), Err(InvalidAllowedAgent), "{text}");
        }
    }
}

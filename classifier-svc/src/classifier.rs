//! The engine: views, clauses and rules to one assessment.
//!
//! The highest severity wins, whatever the order of the rules. GREEN needs positive evidence:
//! some instruction or question that a GREEN rule covers, and none that no rule covers. The learned layer may raise an
//! instruction by one step; tool calls are left to the rules.

mod conclude;
mod hold;
mod learned;
mod reading;

use self::hold::{Hold, UNREADABLE, hold_for};
use crate::{
    assessment::Assessment,
    model::Weights,
    normalise::normalise,
    policy::{Policy, PolicyError},
    rule::Context,
    tool::ToolCall,
};

/// How many places of one clause a rule's explanation shows, and after how many it is complete.
const MAX_SPANS: usize = 16;

/// A policy at work.
#[derive(Debug)]
pub struct Classifier {
    policy: Policy,
    digest: String,
}

// === impl Classifier ===

impl Classifier {
    /// Puts a policy to work, if it passes its own tests.
    pub fn from_policy(policy: Policy) -> Result<Self, PolicyError> {
        let classifier = Self::untested(policy);
        Policy::check(&classifier)?;
        Ok(classifier)
    }

    /// Puts a policy to work whatever its own tests say.
    pub(crate) fn untested(policy: Policy) -> Self {
        Self {
            digest: format!("sha256:{}", hex::encode(policy.digest)),
            policy,
        }
    }

    /// The same classifier with other weights in its model, if it has one.
    #[must_use]
    pub fn with_weights(mut self, weights: Weights) -> Self {
        if let Some(model) = &mut self.policy.model {
            model.set_weights(weights);
        }
        self
    }

    /// The classifier with the built-in policy.
    pub fn built_in() -> Result<Self, PolicyError> {
        Self::from_policy(Policy::built_in()?)
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The digest of the policy, `sha256:<hex>`.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Assesses a text that nothing else is known of.
    pub fn classify_text(&self, text: &str) -> Assessment {
        self.assess_text(text, &Context::default())
    }

    /// Assesses an instruction.
    pub fn assess_text(&self, text: &str, context: &Context) -> Assessment {
        let views = normalise(text, &self.policy.vocabulary);
        let readings = self.read_all(&views, text, context);
        let hold = hold_for(&views, &readings, text);
        let model = self.policy.model.as_ref();
        let own = self.conclude(&views, &readings, Vec::new(), hold, model, context);
        self.above_floor(own, |floor| floor.assess_text(text, context))
    }

    /// The assessment, raised by what the parent says if it says more.
    fn above_floor(&self, own: Assessment, least: impl FnOnce(&Self) -> Assessment) -> Assessment {
        let Some(floor) = &self.policy.floor else {
            return own;
        };
        let least = least(floor);
        if least.risk <= own.risk {
            return own;
        }
        let graver = least.matches.into_iter().filter(|found| found.risk == least.risk);
        graver.fold(own, Assessment::raised)
    }

    /// Assesses a tool call: the tool by its rules, the strings of its arguments like any text.
    pub fn assess_tool(&self, call: &ToolCall, context: &Context) -> Assessment {
        let context = Context {
            tool: Some(call.tool.to_ascii_lowercase()),
            arguments: call.arguments.clone(),
            ..context.clone()
        };
        let views = normalise(&call.text, &self.policy.vocabulary);
        let mut readings = self.read_all(&views, &call.text, &context);
        let mut tools = Vec::new();
        self.policy.rules.match_tool(&context, |found| tools.push(found));
        let known = !tools.is_empty();
        if let Some(reading) = readings.first_mut() {
            self.judge_commands(call, &context, reading);
        }
        let held = views
            .held
            .or(call.held)
            .map(|reason| Hold::new(UNREADABLE, "Can't be read to the end", reason.to_owned()));
        let unknown = (!known).then(|| {
            Hold::new(
                "hold.unknown-tool",
                "Unknown tool",
                "no rule of the policy knows this tool".to_owned(),
            )
        });
        let own = self.conclude(&views, &readings, tools, held.or(unknown), None, &context);
        self.above_floor(own, |floor| floor.assess_tool(call, &context))
    }
}

#[cfg(test)]
mod tests;

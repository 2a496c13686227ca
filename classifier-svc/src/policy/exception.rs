//! Exceptions: what lowers the risk of one rule, for some, for a time. Nothing else lowers anything.

use std::time::SystemTime;

use serde::Deserialize;

use crate::rule::{CircumstanceSpec, Context, Risk, Rules};

/// An exception as it is written.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExceptionSpec {
    /// Its name.
    pub id: String,
    /// The rule whose risk it lowers.
    pub lowers: String,
    /// The risk of what that rule matches instead.
    pub to: Risk,
    /// Why, for those who read a verdict.
    pub reason: String,
    /// For whom and what it holds; at least one circumstance must be named.
    pub scope: CircumstanceSpec,
    /// When it ends, RFC 3339.
    pub expires: String,
}

/// The exceptions of a policy, found by the rule that they lower.
#[derive(Debug, Default)]
pub struct Exceptions(Vec<Exception>);

/// A compiled exception.
#[derive(Debug)]
pub struct Exception {
    /// As it was written.
    pub spec: ExceptionSpec,
    /// When it ends.
    pub expires: SystemTime,
    rule: usize,
}

// === impl Exceptions ===

impl Exceptions {
    /// Compiles one more; the error says what is wrong with it.
    pub fn add(&mut self, spec: ExceptionSpec, rules: &Rules) -> Result<(), String> {
        let wrong = |problem: String| format!("exception `{}` {problem}", spec.id);
        if spec.id.trim().is_empty() || spec.reason.trim().is_empty() {
            return Err(wrong("lacks an id or a reason".to_owned()));
        }
        if self.0.iter().any(|known| known.spec.id == spec.id) {
            return Err(wrong("is defined twice".to_owned()));
        }
        let rule = rules.find(&spec.lowers);
        let rule = rule.ok_or_else(|| wrong(format!("lowers the unknown rule `{}`", spec.lowers)))?;
        let risk = rules.get(rule).map_or(Risk::Red, |rule| rule.risk);
        if spec.to >= risk {
            return Err(wrong(format!(
                "does not lower `{}`, which is {}",
                spec.lowers,
                risk.as_str()
            )));
        }
        if risk == Risk::Red && spec.to == Risk::Green {
            return Err(wrong(
                "lowers RED to GREEN: what is blocked can be left to a person, not let through".to_owned(),
            ));
        }
        if spec.scope.is_empty() {
            return Err(wrong("has no scope: say for whom or what it holds".to_owned()));
        }
        if let Some(fault) = spec.scope.fault() {
            return Err(wrong(fault.to_owned()));
        }
        let expires = chassis::time::parse_rfc3339(&spec.expires);
        let expires =
            expires.ok_or_else(|| wrong(format!("expires at `{}`, which is no RFC 3339 time", spec.expires)))?;
        self.0.push(Exception { spec, expires, rule });
        Ok(())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Exception> {
        self.0.iter()
    }

    /// The exception that lowers a rule the most in this context; none if none holds.
    pub fn of(&self, rule: usize, context: &Context) -> Option<&Exception> {
        let holding = self
            .0
            .iter()
            .filter(|exception| exception.rule == rule && exception.holds(context));
        holding.min_by_key(|exception| exception.spec.to)
    }
}

// === impl Exception ===

impl Exception {
    /// Without a time, or after its end, it doesn't hold; what isn't known is not in its scope.
    fn holds(&self, context: &Context) -> bool {
        context.now.is_some_and(|now| now < self.expires) && self.spec.scope.holds(context, false)
    }
}

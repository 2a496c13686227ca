//! Cover: whether one condition holds wherever another one does, by what is written alone.
//!
//! It errs to one side: a `true` is certain, a `false` says nothing. Two conditions are compared only if they begin
//! alike: both by named verbs, both by a verb's class, both by a clause, or both by the tool.

use crate::{
    clause::Reach,
    rule::{ConditionSpec, RuleSpec},
};

/// A condition as the engine reads it.
pub(super) struct Reading<'s> {
    condition: &'s ConditionSpec,
    reach: Reach,
}

/// By what the engine finds a condition.
#[derive(PartialEq, Eq)]
enum Key {
    Verb,
    Class,
    Clause,
    Tool,
}

// === impl Reading ===

impl<'s> Reading<'s> {
    pub(super) fn of(rule: &'s RuleSpec) -> impl Iterator<Item = Self> {
        let reach = rule.reach();
        rule.when.iter().map(move |condition| Self { condition, reach })
    }

    /// Whether this one holds wherever the other one does.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let key = key(self.condition);
        if key != key_of(other) || !self.covers_context(other) {
            return false;
        }
        match key {
            Key::Tool => true,
            Key::Verb => subset(&other.condition.verb, &self.condition.verb) && self.covers_text(other),
            Key::Class => self.condition.class == other.condition.class && self.covers_text(other),
            Key::Clause => self.covers_text(other),
        }
    }

    fn covers_text(&self, other: &Self) -> bool {
        let (weak, strong) = (self.condition, other.condition);
        let reached = match (weak.frame, strong.frame) {
            (None, None) => self.reach >= other.reach,
            (weak, strong) => weak == strong,
        };
        let needed = needs(weak).all(|need| needs(strong).any(|narrower| subset(narrower, need)));
        let context = weak.context.is_empty() || (!strong.context.is_empty() && subset(&strong.context, &weak.context));
        reached && needed && context && subset(&weak.without, &strong.without)
    }

    fn covers_context(&self, other: &Self) -> bool {
        let (weak, strong) = (self.condition, other.condition);
        let tool = weak.tool.is_empty()
            || (!strong.tool.is_empty()
                && strong
                    .tool
                    .iter()
                    .all(|name| weak.tool.iter().any(|glob| is_within(name, glob))));
        let group = weak.group.is_empty() || (!strong.group.is_empty() && subset(&strong.group, &weak.group));
        let only = weak.only.is_none() || weak.only == strong.only;
        tool && group && only
    }
}

/// Whether a condition is judged on the called tool alone.
pub(super) fn is_tool_alone(condition: &ConditionSpec) -> bool {
    key(condition) == Key::Tool
}

/// Whether a condition has a field about the text that only narrows another one.
pub(super) fn looks_at_text(condition: &ConditionSpec) -> bool {
    [&condition.with, &condition.also, &condition.without, &condition.context]
        .iter()
        .any(|names| !names.is_empty())
}

fn key_of(reading: &Reading<'_>) -> Key {
    key(reading.condition)
}

fn key(condition: &ConditionSpec) -> Key {
    if !condition.verb.is_empty() {
        Key::Verb
    } else if condition.class.is_some() {
        Key::Class
    } else if condition.object.is_empty() && condition.frame.is_none() {
        Key::Tool
    } else {
        Key::Clause
    }
}

fn needs(condition: &ConditionSpec) -> impl Iterator<Item = &Vec<String>> {
    [&condition.object, &condition.with, &condition.also]
        .into_iter()
        .filter(|names| !names.is_empty())
}

fn subset(few: &[String], many: &[String]) -> bool {
    few.iter().all(|name| many.contains(name))
}

/// Whether a pattern names only tools that another one names; a final `*` stands for any rest.
fn is_within(name: &str, glob: &str) -> bool {
    glob.strip_suffix('*').map_or(name == glob, |prefix| {
        name.strip_suffix('*').unwrap_or(name).starts_with(prefix)
    })
}

//! Lint: what a policy says that can't be meant.
//!
//! All checks compare what is written. None tries texts, but for the question which rules have a case.

mod cover;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, time::SystemTime};

use serde::Serialize;

use super::{
    PolicyError, TestOutcome,
    exception::ExceptionSpec,
    source::{Place, Placed, Source},
};
use crate::{
    command,
    rule::{ConditionSpec, RuleSpec},
    vocabulary::{BUILT_IN, VerbClass},
};
use cover::Reading;

/// Something that a person should look at.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What kind of finding it is.
    pub kind: Kind,
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// In one sentence.
    pub message: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The policy is refused, or a rule of it can't do anything.
    Error,
    /// A part of it has no effect.
    Warning,
    /// Something is missing.
    Note,
}

/// What kind of finding it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It is refused at load.
    Refused,
    /// An exception that lowers nothing any more.
    Expired,
    /// A rule or a condition that can't hold.
    Unreachable,
    /// A rule that never decides, because another one always matches with it.
    Shadowed,
    /// A condition of a rule that another one of the same rule makes superfluous.
    Redundant,
    /// A field of a condition that isn't looked at.
    Ignored,
    /// A concept that no rule and no fact names.
    Unused,
    /// A rule that no case matches.
    Untested,
}

/// What a rule is judged against.
struct Lint<'s> {
    source: &'s Source,
    /// Concepts that are defined without a single term.
    empty: BTreeSet<&'s str>,
    findings: Vec<Finding>,
}

/// Everything that is to be said of a policy: what is refused, what can't be meant, which embedded tests fail, and which
/// rules neither those tests nor these texts match.
pub fn examine<'t>(
    source: &Source,
    mut refusals: Vec<PolicyError>,
    texts: impl IntoIterator<Item = &'t str>,
) -> Vec<Finding> {
    // What stands in a file that can't be read is missing everywhere else.
    let unread = |refusal: &PolicyError| matches!(refusal, PolicyError::Parse { .. } | PolicyError::TooLarge);
    if refusals.iter().any(unread) {
        return refusals.iter().map(refused).collect();
    }
    let policy = source.clone().compile(&mut refusals);
    let mut findings = lint(source, &refusals);
    // The tests of a policy that isn't complete would say little about it.
    if let Some(policy) = policy.filter(|_| refusals.is_empty()) {
        let (classifier, outcomes) = policy.try_out();
        findings.extend(outcomes.iter().filter(|outcome| !outcome.passed()).map(failed));
        let mut matched: BTreeSet<String> = outcomes.into_iter().flat_map(|outcome| outcome.rules).collect();
        for text in texts {
            matched.extend(classifier.classify_text(text).rules);
        }
        findings.extend(untested(source, &matched));
    }
    findings.sort_by(|a, b| (a.level, &a.place).cmp(&(b.level, &b.place)));
    findings
}

/// The exceptions that have ended by `now`: they lower nothing any more.
pub fn expired(source: &Source, now: SystemTime) -> Vec<Finding> {
    let ended = source.exceptions.iter().filter(|exception| {
        let expires = chassis::time::parse_rfc3339(&exception.value.expires);
        expires.is_some_and(|expires| expires <= now)
    });
    let finding = |exception: &Placed<ExceptionSpec>| Finding {
        level: Level::Warning,
        kind: Kind::Expired,
        place: Some(exception.place.clone()),
        message: format!(
            "exception `{}` ended at {}",
            exception.value.id, exception.value.expires
        ),
    };
    ended.map(finding).collect()
}

/// Checks a policy as it is written.
fn lint(source: &Source, refusals: &[PolicyError]) -> Vec<Finding> {
    let mut lint = Lint {
        source,
        empty: empty_concepts(source),
        findings: refusals.iter().map(refused).collect(),
    };
    for rule in &source.rules {
        lint.reachable(rule);
        lint.ignored(rule);
        lint.redundant(rule);
    }
    for (index, rule) in source.rules.iter().enumerate() {
        lint.shadowed(index, rule);
    }
    lint.unused();
    lint.findings
}

/// Finds the rules that are in none of these matches.
fn untested(source: &Source, matched: &BTreeSet<String>) -> Vec<Finding> {
    let rules = source.rules.iter().filter(|rule| !matched.contains(&rule.value.id));
    rules
        .map(|rule| Finding {
            level: Level::Note,
            kind: Kind::Untested,
            place: Some(rule.place.clone()),
            message: format!("rule `{}` is matched by no case", rule.value.id),
        })
        .collect()
}

// === impl Kind ===

impl Kind {
    /// The name as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Unreachable => "unreachable",
            Self::Shadowed => "shadowed",
            Self::Redundant => "redundant",
            Self::Ignored => "ignored",
            Self::Unused => "unused",
            Self::Untested => "untested",
        }
    }
}

// === impl Level ===

impl Level {
    /// The name as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

// === impl Lint ===

impl Lint<'_> {
    fn find(&mut self, level: Level, kind: Kind, place: &Place, message: String) {
        self.findings.push(Finding {
            level,
            kind,
            place: Some(place.clone()),
            message,
        });
    }

    /// Conditions that can't hold; a rule of which none can is an error.
    fn reachable(&mut self, rule: &Placed<RuleSpec>) {
        let id = &rule.value.id;
        let reasons: Vec<(usize, String)> = rule
            .value
            .when
            .iter()
            .enumerate()
            .filter_map(|(index, condition)| Some((index + 1, self.impossible(condition)?)))
            .collect();
        let none_left = !reasons.is_empty() && reasons.len() == rule.value.when.len();
        for (number, reason) in &reasons {
            let level = if none_left { Level::Error } else { Level::Warning };
            let message = format!("condition {number} of rule `{id}` can't hold: {reason}");
            self.find(level, Kind::Unreachable, &rule.place, message);
        }
        if none_left {
            let message = format!("rule `{id}` is unreachable: none of its conditions can hold");
            self.find(Level::Error, Kind::Unreachable, &rule.place, message);
        }
    }

    fn impossible(&self, condition: &ConditionSpec) -> Option<String> {
        let fields = [
            ("verb", &condition.verb),
            ("object", &condition.object),
            ("with", &condition.with),
            ("also", &condition.also),
            ("context", &condition.context),
        ];
        for (field, names) in fields {
            if !names.is_empty() && names.iter().all(|name| self.empty.contains(name.as_str())) {
                return Some(format!("no concept of `{field}` has a term ({})", names.join(", ")));
            }
        }
        for (field, names) in fields.iter().skip(1).take(3) {
            if !names.is_empty() && names.iter().all(|name| condition.without.contains(name)) {
                return Some(format!("`without` rules out all of `{field}` ({})", names.join(", ")));
            }
        }
        let class = condition.class.filter(|_| condition.verb.is_empty())?;
        let known = self.source.verbs.values().any(|verb| verb.value.class == class)
            || command::CONCEPTS.iter().any(|(_, known)| *known == class);
        (!known).then(|| "no verb is of its `class`".to_owned())
    }

    /// Fields that the engine doesn't look at in such a condition.
    fn ignored(&mut self, rule: &Placed<RuleSpec>) {
        for (index, condition) in rule.value.when.iter().enumerate() {
            let number = index + 1;
            let id = &rule.value.id;
            if !condition.verb.is_empty() && condition.class.is_some() {
                let message = format!("condition {number} of rule `{id}` names a verb, so its `class` is ignored");
                self.find(Level::Warning, Kind::Ignored, &rule.place, message);
            }
            if cover::is_tool_alone(condition) && cover::looks_at_text(condition) {
                let message = format!(
                    "condition {number} of rule `{id}` speaks of the tool alone, so `with`, `also`, `without` and \
                     `context` are ignored; give it an `object`"
                );
                self.find(Level::Warning, Kind::Ignored, &rule.place, message);
            }
        }
    }

    fn redundant(&mut self, rule: &Placed<RuleSpec>) {
        let readings: Vec<Reading<'_>> = Reading::of(&rule.value).collect();
        for (index, condition) in readings.iter().enumerate() {
            let weaker = readings.iter().enumerate().position(|(other, weaker)| {
                other != index && weaker.covers(condition) && (other < index || !condition.covers(weaker))
            });
            if let Some(weaker) = weaker {
                let message = format!(
                    "condition {} of rule `{}` says nothing that condition {} doesn't say",
                    index + 1,
                    rule.value.id,
                    weaker + 1
                );
                self.find(Level::Warning, Kind::Redundant, &rule.place, message);
            }
        }
    }

    /// Whether each condition of a rule implies one of rules that are at least as grave.
    fn shadowed(&mut self, index: usize, rule: &Placed<RuleSpec>) {
        let own: Vec<Reading<'_>> = Reading::of(&rule.value).collect();
        let mut by: BTreeSet<&str> = BTreeSet::new();
        for condition in &own {
            let others = self.source.rules.iter().enumerate().filter(|(other, weaker)| {
                *other != index && weaker.value.risk >= rule.value.risk && weaker.value.id != rule.value.id
            });
            let weaker = others
                .flat_map(|(other, weaker)| Reading::of(&weaker.value).map(move |reading| (other, weaker, reading)))
                .find(|(other, weaker, reading)| {
                    let twins = weaker.value.risk == rule.value.risk && condition.covers(reading);
                    reading.covers(condition) && (!twins || *other < index)
                });
            match weaker {
                Some((_, weaker, _)) => by.insert(&weaker.value.id),
                None => return,
            };
        }
        if by.is_empty() {
            return;
        }
        let names = by.into_iter().collect::<Vec<_>>().join("`, `");
        let message = format!(
            "rule `{}` ({}) never decides: whatever it matches, `{names}` matches too, at least as gravely",
            rule.value.id,
            rule.value.risk.as_str()
        );
        self.find(Level::Warning, Kind::Shadowed, &rule.place, message);
    }

    /// Concepts that nothing names. A light verb needs no rule.
    fn unused(&mut self) {
        let source = self.source;
        let conditions = || source.rules.iter().flat_map(|rule| &rule.value.when);
        let mut used: BTreeSet<&str> = BUILT_IN.into_iter().collect();
        used.extend(conditions().flat_map(named));
        used.extend(
            source
                .facts
                .values()
                .flat_map(|values| values.values().flatten())
                .map(String::as_str),
        );
        let classes: Vec<VerbClass> = conditions()
            .filter(|condition| condition.verb.is_empty())
            .filter_map(|condition| condition.class)
            .collect();
        for (name, verb) in &source.verbs {
            let class = verb.value.class;
            if !used.contains(name.as_str()) && class != VerbClass::Light && !classes.contains(&class) {
                let message = format!("no rule names the verb `{name}`: whoever asks for it is held for a person");
                self.find(Level::Warning, Kind::Unused, &verb.place, message);
            }
        }
        for (name, terms) in &source.objects {
            if !used.contains(name.as_str()) {
                let message = format!("no rule and no fact names the object `{name}`");
                self.find(Level::Warning, Kind::Unused, &terms.place, message);
            }
        }
    }
}

/// All concepts that a condition names.
fn named(condition: &ConditionSpec) -> impl Iterator<Item = &str> {
    [
        &condition.verb,
        &condition.object,
        &condition.with,
        &condition.also,
        &condition.without,
        &condition.context,
    ]
    .into_iter()
    .flatten()
    .map(String::as_str)
}

fn empty_concepts(source: &Source) -> BTreeSet<&str> {
    let verbs = source
        .verbs
        .iter()
        .filter(|(_, verb)| verb.value.terms.is_empty())
        .map(|(name, _)| name);
    let objects = source
        .objects
        .iter()
        .filter(|(_, terms)| terms.value.is_empty())
        .map(|(name, _)| name);
    verbs
        .chain(objects)
        .map(String::as_str)
        .filter(|name| !BUILT_IN.contains(name))
        .collect()
}

fn refused(refusal: &PolicyError) -> Finding {
    let (place, message) = match refusal {
        PolicyError::At { place, problem } => (Some(place.clone()), problem.clone()),
        PolicyError::Parse { place, message } => (Some(place.clone()), message.clone()),
        other => (None, other.to_string()),
    };
    Finding {
        level: Level::Error,
        kind: Kind::Refused,
        place,
        message,
    }
}

fn failed(outcome: &TestOutcome) -> Finding {
    let expected = outcome.test.risk.as_str();
    let by = outcome
        .test
        .rule
        .as_ref()
        .map_or_else(String::new, |rule| format!(" by `{rule}`"));
    Finding {
        level: Level::Error,
        kind: Kind::Refused,
        place: Some(outcome.place.clone()),
        message: format!(
            "`{}` must be {expected}{by} and is {} by {:?}",
            outcome.test.text,
            outcome.risk.as_str(),
            outcome.rules
        ),
    }
}

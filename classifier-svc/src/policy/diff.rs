//! Differences between two policies, as they are written.

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt::Debug};

use serde::Serialize;

use super::source::{Placed, Source};
use crate::{
    clause::{Frame, Reach},
    rule::{ConditionSpec, RuleSpec},
    vocabulary::VerbClass,
};

/// What changed from one policy to another.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Difference {
    /// Rules that are new.
    pub added: Vec<RuleLine>,
    /// Rules that are gone.
    pub removed: Vec<RuleLine>,
    /// Rules that say something else.
    pub changed: Vec<ChangedRule>,
    /// Concepts whose terms or class changed.
    pub concepts: Vec<ChangedConcept>,
    /// Whether commands, facts, internal domains or the model changed.
    pub settings: Vec<&'static str>,
}

/// A rule in one line.
#[derive(Clone, Debug, Serialize)]
pub struct RuleLine {
    /// Its name.
    pub rule: String,
    /// Its title.
    pub title: String,
    /// Its risk.
    pub risk: &'static str,
}

/// A rule that says something else.
#[derive(Clone, Debug, Serialize)]
pub struct ChangedRule {
    /// Its name.
    pub rule: String,
    /// What changed, field by field.
    pub changes: Vec<Change>,
}

/// One change; what is new has no old form, and what is gone no new one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What changed.
    pub field: &'static str,
    /// As it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// As it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
}

/// A concept whose terms or class changed.
#[derive(Clone, Debug, Serialize)]
pub struct ChangedConcept {
    /// Its name.
    pub concept: String,
    /// Its class, if that changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Change>,
    /// Terms that are new.
    pub added: Vec<String>,
    /// Terms that are gone.
    pub removed: Vec<String>,
}

/// Compares two policies.
pub fn diff(old: &Source, new: &Source) -> Difference {
    let (before, after) = (by_id(old), by_id(new));
    let mut difference = Difference {
        concepts: concepts(old, new),
        settings: settings(old, new),
        ..Difference::default()
    };
    for (id, rule) in &before {
        match after.get(id) {
            None => difference.removed.push(RuleLine::of(rule)),
            Some(now) => {
                let changes = changes(rule, now);
                if !changes.is_empty() {
                    let rule = (*id).to_owned();
                    difference.changed.push(ChangedRule { rule, changes });
                }
            }
        }
    }
    let added = after.iter().filter(|(id, _)| !before.contains_key(*id));
    difference.added = added.map(|(_, rule)| RuleLine::of(rule)).collect();
    difference
}

// === impl Difference ===

impl Difference {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty()
            && self.removed.is_empty()
            && self.changed.is_empty()
            && self.concepts.is_empty()
            && self.settings.is_empty()
    }
}

// === impl RuleLine ===

impl RuleLine {
    fn of(rule: &RuleSpec) -> Self {
        Self {
            rule: rule.id.clone(),
            title: rule.title.clone(),
            risk: rule.risk.as_str(),
        }
    }
}

fn by_id(source: &Source) -> BTreeMap<&str, &RuleSpec> {
    let rules = source.rules.iter().map(|rule| &rule.value);
    rules.map(|rule| (rule.id.as_str(), rule)).collect()
}

fn changes(old: &RuleSpec, new: &RuleSpec) -> Vec<Change> {
    let alternative = |rule: &RuleSpec| rule.alternative.clone().unwrap_or_default();
    let fields = [
        ("risk", old.risk.as_str().to_owned(), new.risk.as_str().to_owned()),
        ("reach", reach(old.reach()).to_owned(), reach(new.reach()).to_owned()),
        ("title", old.title.clone(), new.title.clone()),
        ("category", old.category.clone(), new.category.clone()),
        ("reason", old.reason.clone(), new.reason.clone()),
        ("alternative", alternative(old), alternative(new)),
    ];
    let said = |text: String| Some(text).filter(|text| !text.is_empty());
    let fields = fields
        .into_iter()
        .filter(|(_, old, new)| old != new)
        .map(|(field, old, new)| Change {
            field,
            old: said(old),
            new: said(new),
        });
    let gone = old.when.iter().filter(|condition| !new.when.contains(condition));
    let gone = gone.map(|condition| Change {
        field: "condition",
        old: Some(describe(condition)),
        new: None,
    });
    let come = new.when.iter().filter(|condition| !old.when.contains(condition));
    let come = come.map(|condition| Change {
        field: "condition",
        old: None,
        new: Some(describe(condition)),
    });
    fields.chain(gone).chain(come).collect()
}

/// A condition as a policy writes it.
fn describe(condition: &ConditionSpec) -> String {
    let lists = [
        ("verb", &condition.verb),
        ("object", &condition.object),
        ("with", &condition.with),
        ("also", &condition.also),
        ("without", &condition.without),
        ("context", &condition.context),
        ("tool", &condition.tool),
        ("group", &condition.group),
    ];
    let class = condition.class.map(|class| format!("class: {}", verb_class(class)));
    let frame = condition.frame.map(|frame| format!("frame: {}", self::frame(frame)));
    let lists = lists
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(field, names)| format!("{field}: [{}]", names.join(", ")));
    let fields: Vec<String> = class.into_iter().chain(lists).chain(frame).collect();
    format!("{{ {} }}", fields.join(", "))
}

fn concepts(old: &Source, new: &Source) -> Vec<ChangedConcept> {
    let (before, after) = (lexicon(old), lexicon(new));
    let names = before
        .keys()
        .chain(after.keys().filter(|name| !before.contains_key(*name)));
    let mut all: Vec<ChangedConcept> = names
        .filter_map(|name| {
            let (was, is) = (before.get(name), after.get(name));
            let terms = |entry: Option<&(&'static str, &[String])>| entry.map_or(&[][..], |(_, terms)| *terms).to_vec();
            let class = |entry: Option<&(&'static str, &[String])>| entry.map(|(class, _)| (*class).to_owned());
            let changed = ChangedConcept {
                concept: (*name).to_owned(),
                class: (class(was) != class(is)).then(|| Change {
                    field: "class",
                    old: class(was),
                    new: class(is),
                }),
                added: without(&terms(is), &terms(was)),
                removed: without(&terms(was), &terms(is)),
            };
            let differs = changed.class.is_some() || !changed.added.is_empty() || !changed.removed.is_empty();
            differs.then_some(changed)
        })
        .collect();
    all.sort_by(|a, b| a.concept.cmp(&b.concept));
    all
}

/// Every concept with what it is and its terms.
fn lexicon(source: &Source) -> BTreeMap<&str, (&'static str, &[String])> {
    let verbs = source.verbs.iter().map(|(name, verb)| {
        let verb = &verb.value;
        (name.as_str(), (verb_class(verb.class), verb.terms.as_slice()))
    });
    let objects = source
        .objects
        .iter()
        .map(|(name, Placed { value: terms, .. })| (name.as_str(), ("object", terms.as_slice())));
    verbs.chain(objects).collect()
}

fn without(terms: &[String], others: &[String]) -> Vec<String> {
    let rest = terms.iter().filter(|term| !others.contains(term));
    rest.cloned().collect()
}

fn settings(old: &Source, new: &Source) -> Vec<&'static str> {
    // The written form is what is compared; none of these types has a meaning beyond it.
    fn differ(old: &impl Debug, new: &impl Debug) -> bool {
        format!("{old:?}") != format!("{new:?}")
    }
    let model = |source: &Source| source.model.as_ref().map(|model| model.value.clone());
    [
        ("commands", differ(&old.commands, &new.commands)),
        ("facts", differ(&old.facts, &new.facts)),
        ("internal_domains", differ(&old.internal_domains, &new.internal_domains)),
        ("model", old.models != new.models || differ(&model(old), &model(new))),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
    .collect()
}

fn reach(reach: Reach) -> &'static str {
    match reach {
        Reach::Instruct => "instruct",
        Reach::Purpose => "purpose",
        Reach::Imply => "imply",
        Reach::Compose => "compose",
        Reach::Content => "content",
        Reach::Mention => "mention",
    }
}

fn frame(frame: Frame) -> &'static str {
    match frame {
        Frame::Instructed => "instructed",
        Frame::Asked => "asked",
        Frame::Stated => "stated",
        Frame::Mentioned => "mentioned",
    }
}

fn verb_class(class: VerbClass) -> &'static str {
    match class {
        VerbClass::Acting => "acting",
        VerbClass::Composing => "composing",
        VerbClass::Reading => "reading",
        VerbClass::Light => "light",
    }
}

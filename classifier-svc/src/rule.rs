//! Rules: typed conditions over the facts of a clause and the context of a request.

mod circumstance;

use serde::{Deserialize, Serialize};

use circumstance::is_tool;
pub use circumstance::{CircumstanceSpec, Context};

use crate::{
    clause::{Clause, Frame, Reach, VerbUse},
    concept::{ConceptId, ConceptSet},
    vocabulary::{VerbClass, Vocabulary},
};

/// How dangerous a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Risk {
    /// Allowed by policy.
    #[serde(alias = "green")]
    Green,
    /// A person decides.
    #[serde(alias = "amber")]
    Amber,
    /// Blocked.
    #[serde(alias = "red")]
    Red,
}

/// A rule as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSpec {
    /// Its name, `category.fact`.
    pub id: String,
    /// A few words for a list.
    pub title: String,
    /// What kind of risk it is about.
    pub category: String,
    /// The risk of what it matches.
    pub risk: Risk,
    /// Why, as the end of the sentence "This request is … because …".
    pub reason: String,
    /// What to ask for instead; a RED rule must say so.
    #[serde(default)]
    pub alternative: Option<String>,
    /// How far from a plain instruction it still matches.
    #[serde(default)]
    pub reach: Option<Reach>,
    /// It matches if one of these does.
    pub when: Vec<ConditionSpec>,
}

/// One way for a rule to match. Every field that is given must hold; within a field, one concept is enough.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConditionSpec {
    /// The verb.
    pub verb: Vec<String>,
    /// The class of the verb, if no verb is named.
    pub class: Option<VerbClass>,
    /// What stands in the same clause.
    pub object: Vec<String>,
    /// What stands there as well.
    pub with: Vec<String>,
    /// And a third thing.
    pub also: Vec<String>,
    /// What doesn't stand there.
    pub without: Vec<String>,
    /// What stands anywhere in the text.
    pub context: Vec<String>,
    /// The kind of sentence.
    pub frame: Option<Frame>,
    /// The tool that is called; `*` stands for any rest.
    pub tool: Vec<String>,
    /// A group that the requester is in.
    pub group: Vec<String>,
    /// Further circumstances under which alone it holds.
    pub only: Option<CircumstanceSpec>,
}

/// A compiled rule.
#[derive(Debug)]
pub struct Rule {
    /// As it was written.
    pub spec: RuleSpec,
    reach: Reach,
}

/// The compiled rules of a policy, found by the verb or object that they need.
#[derive(Debug)]
pub struct Rules {
    all: Vec<Rule>,
    conditions: Vec<Condition>,
    by_verb: Vec<Vec<u32>>,
    by_object: Vec<Vec<u32>>,
    general: Vec<u32>,
    tools: Vec<u32>,
}

/// A condition that held.
#[derive(Clone, Copy, Debug)]
pub struct Match {
    /// The rule.
    pub rule: usize,
    /// The concepts that made it hold, for the explanation.
    pub because: ConceptSet,
}

/// What a condition is judged on.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'c> {
    /// The clause.
    pub clause: &'c Clause,
    /// Every concept of the whole text.
    pub text: ConceptSet,
    /// What is known besides the text.
    pub context: &'c Context,
}

#[derive(Debug)]
struct Condition {
    rule: usize,
    verb: ConceptSet,
    class: Option<VerbClass>,
    needs: [ConceptSet; 3],
    without: ConceptSet,
    context: ConceptSet,
    frame: Option<Frame>,
    tool: Vec<String>,
    group: Vec<String>,
    only: Option<Box<CircumstanceSpec>>,
    /// Whether what isn't known counts as given: for rules that raise.
    unknown: bool,
}

// === impl Risk ===

impl Risk {
    /// The name as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Green => "GREEN",
            Self::Amber => "AMBER",
            Self::Red => "RED",
        }
    }
}

// === impl RuleSpec ===

impl RuleSpec {
    /// How far from a plain instruction it still matches.
    pub fn reach(&self) -> Reach {
        self.reach.unwrap_or(if self.risk == Risk::Red {
            Reach::Imply
        } else {
            Reach::Instruct
        })
    }
}

// === impl Rules ===

impl Default for Rules {
    fn default() -> Self {
        let lists = || vec![Vec::new(); usize::from(ConceptId::MAX) + 1];
        Self {
            all: Vec::new(),
            conditions: Vec::new(),
            by_verb: lists(),
            by_object: lists(),
            general: Vec::new(),
            tools: Vec::new(),
        }
    }
}

impl Rules {
    /// Compiles one more rule; the error says what is wrong with it.
    pub fn add(&mut self, spec: RuleSpec, vocabulary: &Vocabulary) -> Result<(), String> {
        let wrong = |problem: &str| format!("rule `{}` {problem}", spec.id);
        check(&spec).map_err(wrong)?;
        if self.all.iter().any(|rule| rule.spec.id == spec.id) {
            return Err(wrong("is defined twice"));
        }
        let conditions = spec
            .when
            .iter()
            .map(|condition| Condition::compile(self.all.len(), spec.risk, condition, vocabulary))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|problem| wrong(&problem))?;
        for condition in conditions {
            self.index(condition);
        }
        let reach = spec.reach();
        self.all.push(Rule { spec, reach });
        Ok(())
    }

    /// The rules.
    pub fn get(&self, rule: usize) -> Option<&RuleSpec> {
        self.all.get(rule).map(|rule| &rule.spec)
    }

    /// The rule of this name.
    pub fn find(&self, id: &str) -> Option<usize> {
        self.all.iter().position(|rule| rule.spec.id == id)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &RuleSpec> {
        self.all.iter().map(|rule| &rule.spec)
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Every rule that matches a verb of a clause.
    pub fn match_verb(&self, subject: Subject<'_>, verb: &VerbUse, mut found: impl FnMut(Match)) {
        if verb.negated {
            return;
        }
        let by_name = verb
            .concepts
            .iter()
            .filter_map(|concept| self.by_verb.get(usize::from(concept)))
            .flatten();
        for condition in by_name.chain(&self.general) {
            let Some(condition) = self.conditions.get(*condition as usize) else {
                continue;
            };
            let named = !condition.verb.is_empty() || condition.class == Some(verb.class);
            if named && self.reaches(condition, verb.reach, subject) && condition.holds(subject) {
                found(condition.matched(subject, verb.concepts));
            }
        }
    }

    /// Every rule without a verb that matches a clause.
    pub fn match_clause(&self, subject: Subject<'_>, mut found: impl FnMut(Match)) {
        let by_object = subject
            .clause
            .objects
            .iter()
            .filter_map(|concept| self.by_object.get(usize::from(concept)))
            .flatten();
        for condition in by_object.chain(&self.general) {
            let Some(condition) = self.conditions.get(*condition as usize) else {
                continue;
            };
            if condition.class.is_none()
                && self.reaches(condition, subject.clause.reach(), subject)
                && condition.holds(subject)
            {
                found(condition.matched(subject, ConceptSet::EMPTY));
            }
        }
    }

    /// Every rule that speaks of the called tool alone.
    pub fn match_tool(&self, context: &Context, mut found: impl FnMut(Match)) {
        for condition in self
            .tools
            .iter()
            .filter_map(|condition| self.conditions.get(*condition as usize))
        {
            if condition.in_context(context) {
                found(Match {
                    rule: condition.rule,
                    because: ConceptSet::EMPTY,
                });
            }
        }
    }

    fn reaches(&self, condition: &Condition, reach: Reach, subject: Subject<'_>) -> bool {
        match condition.frame {
            Some(frame) => subject.clause.frame == frame,
            None => self.all.get(condition.rule).is_some_and(|rule| reach <= rule.reach),
        }
    }

    fn index(&mut self, condition: Condition) {
        let at = u32::try_from(self.conditions.len()).unwrap_or(u32::MAX);
        let [object, ..] = condition.needs;
        let verbless = condition.class.is_none() && condition.verb.is_empty();
        if !condition.verb.is_empty() {
            enter(&mut self.by_verb, condition.verb, at);
        } else if verbless && !object.is_empty() {
            enter(&mut self.by_object, object, at);
        } else if verbless && condition.frame.is_none() {
            self.tools.push(at);
        } else {
            self.general.push(at);
        }
        self.conditions.push(condition);
    }
}

// === impl Condition ===

impl Condition {
    fn compile(rule: usize, risk: Risk, spec: &ConditionSpec, vocabulary: &Vocabulary) -> Result<Self, String> {
        let set = |names: &[String]| {
            vocabulary
                .set(names)
                .map_err(|name| format!("names the unknown concept `{name}`"))
        };
        let verb = set(&spec.verb)?;
        if let Some(noun) = verb.iter().find(|concept| vocabulary.class(*concept).is_none()) {
            return Err(format!(
                "uses `{}` as a verb, which is an object",
                vocabulary.name(noun)
            ));
        }
        let needs = [set(&spec.object)?, set(&spec.with)?, set(&spec.also)?];
        let speaks = !verb.is_empty()
            || spec.class.is_some()
            || !spec.object.is_empty()
            || spec.frame.is_some()
            || !spec.tool.is_empty();
        if let Some(fault) = spec.only.as_ref().and_then(CircumstanceSpec::fault) {
            return Err(fault.to_owned());
        }
        if !speaks {
            return Err("has a condition without verb, class, object, frame or tool".to_owned());
        }
        let (without, context) = (set(&spec.without)?, set(&spec.context)?);
        Ok(Self {
            rule,
            verb,
            class: spec.class,
            needs,
            without,
            context,
            frame: spec.frame,
            tool: spec.tool.clone(),
            group: spec.group.clone(),
            only: spec.only.clone().map(Box::new),
            unknown: risk > Risk::Green,
        })
    }

    fn holds(&self, subject: Subject<'_>) -> bool {
        let here = subject.clause.objects;
        self.needs.iter().all(|need| need.is_empty() || need.intersects(here))
            && !self.without.intersects(here)
            && (self.context.is_empty() || self.context.intersects(subject.text))
            && self.in_context(subject.context)
    }

    fn in_context(&self, context: &Context) -> bool {
        let tool = self.tool.is_empty() || is_tool(&self.tool, context.tool.as_deref());
        let only = self.only.as_ref();
        tool && (self.group.is_empty() || self.group.iter().any(|group| context.groups.contains(group)))
            && only.is_none_or(|only| only.holds(context, self.unknown))
    }

    fn matched(&self, subject: Subject<'_>, verbs: ConceptSet) -> Match {
        let mut because = ConceptSet::EMPTY;
        because.extend(self.verb);
        if self.verb.is_empty() {
            because.extend(verbs);
        }
        self.needs.iter().for_each(|need| because.extend(*need));
        if !self.context.intersects(subject.clause.objects) {
            because.extend(self.context);
        }
        Match {
            rule: self.rule,
            because,
        }
    }
}

/// Notes a condition under each of the concepts.
fn enter(lists: &mut [Vec<u32>], concepts: ConceptSet, condition: u32) {
    for concept in concepts.iter() {
        if let Some(list) = lists.get_mut(usize::from(concept)) {
            list.push(condition);
        }
    }
}

fn check(spec: &RuleSpec) -> Result<(), &'static str> {
    if spec.risk == Risk::Red && spec.alternative.as_deref().is_none_or(|text| text.trim().is_empty()) {
        return Err("is RED and offers no alternative");
    }
    if spec.when.is_empty() {
        return Err("has no condition");
    }
    if [&spec.id, &spec.title, &spec.category, &spec.reason]
        .iter()
        .any(|text| text.trim().is_empty())
    {
        return Err("lacks an id, title, category or reason");
    }
    Ok(())
}

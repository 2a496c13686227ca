//! The engine: views, clauses and rules to one assessment.
//!
//! The highest severity wins, whatever the order of the rules. GREEN needs positive evidence:
//! some instruction or question that a GREEN rule covers, and none that no rule covers.

use crate::{
    assessment::{Assessment, Disposition, Fact, RuleMatch, Span},
    clause::{Clause, Reach, Token, clauses, tokenise},
    concept::ConceptSet,
    normalise::{View, Views, normalise},
    policy::{Policy, PolicyError},
    quality::{Quality, QualityKind},
    rule::{Context, Match, Risk, Subject},
    tool::ToolCall,
    vocabulary::VerbClass,
};

/// How many places of one clause a rule's explanation shows, and after how many it is complete.
const MAX_SPANS: usize = 16;

const UNREADABLE: &str = "hold.unreadable";

/// A policy at work.
#[derive(Debug)]
pub struct Classifier {
    policy: Policy,
    digest: String,
}

/// What one view says.
struct Reading<'v> {
    view: &'v View,
    tokens: Vec<Token>,
    clauses: Vec<Clause>,
    /// Matches with the clause they were found in.
    matches: Vec<(Match, usize)>,
    evidence: bool,
    /// A token that begins something no rule covers.
    uncovered: Option<usize>,
}

/// A rule that holds a request for a reason that is no condition.
struct Hold {
    rule: &'static str,
    title: &'static str,
    reason: String,
    spans: Vec<Span>,
    view: &'static str,
}

// === impl Classifier ===

impl Classifier {
    /// Puts a policy to work, if it passes its own tests.
    pub fn from_policy(policy: Policy) -> Result<Self, PolicyError> {
        let classifier = Self {
            digest: format!("sha256:{}", hex::encode(policy.digest)),
            policy,
        };
        Policy::check(&classifier)?;
        Ok(classifier)
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
        let readings = self.read_all(&views, context);
        let hold = hold_for(&views, &readings, text);
        self.conclude(&views, &readings, Vec::new(), hold)
    }

    /// Assesses a tool call: the tool by its rules, the strings of its arguments like any text.
    pub fn assess_tool(&self, call: &ToolCall, groups: &[String]) -> Assessment {
        let context = Context {
            tool: Some(call.tool.to_ascii_lowercase()),
            groups: groups.to_vec(),
        };
        let views = normalise(&call.text, &self.policy.vocabulary);
        let mut readings = self.read_all(&views, &context);
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
        self.conclude(&views, &readings, tools, held.or(unknown))
    }

    fn read_all<'v>(&self, views: &'v Views, context: &Context) -> Vec<Reading<'v>> {
        views.views.iter().map(|view| self.read(view, context)).collect()
    }

    fn read<'v>(&self, view: &'v View, context: &Context) -> Reading<'v> {
        let policy = &self.policy;
        let mut tokens = tokenise(view, &policy.vocabulary, &policy.entities);
        policy.commands.mark(&view.text, &mut tokens);
        let clauses = clauses(&view.text, &tokens, &policy.vocabulary);
        let mut all = ConceptSet::EMPTY;
        for token in &tokens {
            all.extend(token.objects);
        }
        let mut reading = Reading {
            view,
            tokens,
            clauses: Vec::new(),
            matches: Vec::new(),
            evidence: false,
            uncovered: None,
        };
        for (index, clause) in clauses.iter().enumerate() {
            self.judge(
                Subject {
                    clause,
                    text: all,
                    context,
                },
                index,
                &mut reading,
            );
        }
        reading.clauses = clauses;
        reading
    }

    /// Judges one clause: each verb must be covered by some rule, or the clause isn't understood.
    fn judge(&self, subject: Subject<'_>, index: usize, reading: &mut Reading<'_>) {
        let rules = &self.policy.rules;
        for verb in &subject.clause.verbs {
            let mut covered = false;
            rules.match_verb(subject, verb, |found| {
                covered = true;
                reading.add(found, index, rules.get(found.rule).map(|rule| rule.risk));
            });
            let must = verb.reach == Reach::Instruct && !verb.negated && verb.class != VerbClass::Light;
            if must && !covered && reading.uncovered.is_none() {
                reading.uncovered = Some(verb.token);
            }
        }
        rules.match_clause(subject, |found| {
            reading.add(found, index, rules.get(found.rule).map(|rule| rule.risk));
        });
        reading.uncovered = reading.uncovered.or(subject.clause.unknown);
    }

    /// Judges the command lines of a tool call, which need no context to be known as such.
    fn judge_commands(&self, call: &ToolCall, context: &Context, reading: &mut Reading<'_>) {
        let mut verbs = ConceptSet::EMPTY;
        call.commands
            .iter()
            .for_each(|line| verbs.extend(self.policy.commands.judge(&line.to_ascii_lowercase())));
        if verbs.is_empty() {
            return;
        }
        let clause = Clause::of_command(verbs);
        let subject = Subject {
            clause: &clause,
            text: ConceptSet::EMPTY,
            context,
        };
        let index = reading.clauses.len();
        self.judge(subject, index, reading);
    }

    fn conclude(&self, views: &Views, readings: &[Reading<'_>], tools: Vec<Match>, hold: Option<Hold>) -> Assessment {
        let mut matches: Vec<RuleMatch> = Vec::new();
        for found in tools {
            self.explain(found, "tool", Vec::new(), &mut matches);
        }
        for reading in readings {
            for (found, clause) in &reading.matches {
                if !self.is_explained(*found, &matches) {
                    self.explain(
                        *found,
                        reading.view.name,
                        reading.spans(found.because, *clause),
                        &mut matches,
                    );
                }
            }
        }
        let mut risk = matches.iter().map(|found| found.risk).max().unwrap_or(Risk::Amber);
        let explained = matches.iter().any(|found| found.risk > Risk::Green);
        if let Some(hold) = hold.filter(|hold| !explained || hold.rule == UNREADABLE) {
            risk = risk.max(Risk::Amber);
            matches.push(hold.into());
        }
        matches.sort_by(|a, b| b.risk.cmp(&a.risk).then_with(|| a.rule.cmp(&b.rule)));
        self.assessment(risk, matches, views, readings)
    }

    fn assessment(&self, risk: Risk, matches: Vec<RuleMatch>, views: &Views, readings: &[Reading<'_>]) -> Assessment {
        let gravest = matches.iter().find(|found| found.risk == risk);
        let why = gravest.map_or("no rule of the policy says what it is", |found| found.reason.as_str());
        let said = match risk {
            Risk::Green => "Allowed",
            Risk::Amber => "Needs a person's approval",
            Risk::Red => "Blocked",
        };
        Assessment {
            risk,
            disposition: Disposition::from(risk),
            rules: matches.iter().map(|found| found.rule.clone()).collect(),
            reason: format!("{said}, because {why}."),
            alternative: gravest
                .filter(|_| risk == Risk::Red)
                .and_then(|found| found.alternative.clone()),
            confidence: confidence(risk, &matches),
            views: views.views.iter().map(|view| view.name).collect(),
            facts: readings.last().map_or_else(Vec::new, |reading| self.facts(reading)),
            matches,
            policy: self.digest.clone(),
        }
    }

    /// Whether a rule already has as many spans as an explanation shows.
    fn is_explained(&self, found: Match, matches: &[RuleMatch]) -> bool {
        let rule = self.policy.rules.get(found.rule).map(|rule| rule.id.as_str());
        matches
            .iter()
            .any(|known| Some(known.rule.as_str()) == rule && known.spans.len() >= MAX_SPANS)
    }

    fn explain(&self, found: Match, view: &'static str, spans: Vec<Span>, matches: &mut Vec<RuleMatch>) {
        let Some(rule) = self.policy.rules.get(found.rule) else {
            return;
        };
        if let Some(known) = matches.iter_mut().find(|known| known.rule == rule.id) {
            known.spans.extend(
                spans
                    .into_iter()
                    .filter(|span| !known.spans.contains(span))
                    .collect::<Vec<_>>(),
            );
            return;
        }
        matches.push(RuleMatch {
            rule: rule.id.clone(),
            title: rule.title.clone(),
            category: rule.category.clone(),
            risk: rule.risk,
            reason: rule.reason.clone(),
            alternative: rule.alternative.clone(),
            view,
            spans,
        });
    }

    /// Scope, destination, data class and urgency by the policy; amounts as they are written.
    fn qualities(&self, reading: &Reading<'_>, clause: &Clause) -> Vec<Quality> {
        let mut qualities = self.policy.qualities.of(clause.objects);
        let tokens = reading.tokens.iter().take(clause.last).skip(clause.first);
        qualities.extend(tokens.filter_map(|token| {
            let (start, end) = self.policy.entities.amount_at(&reading.view.text, token)?;
            Some(Quality {
                kind: QualityKind::Amount,
                value: reading.view.text.get(start..end)?.into(),
            })
        }));
        qualities
    }

    fn facts(&self, reading: &Reading<'_>) -> Vec<Fact> {
        let names = |set: ConceptSet| set.iter().map(|id| self.policy.vocabulary.name(id)).collect();
        reading
            .clauses
            .iter()
            .filter_map(|clause| {
                let (first, last) = (
                    reading.tokens.get(clause.first)?,
                    reading.tokens.get(clause.last.checked_sub(1)?)?,
                );
                let verbs =
                    clause
                        .verbs
                        .iter()
                        .filter(|verb| !verb.negated)
                        .fold(ConceptSet::EMPTY, |mut all, verb| {
                            all.extend(verb.concepts);
                            all
                        });
                Some(Fact {
                    frame: clause.frame,
                    verbs: names(verbs),
                    objects: names(clause.objects),
                    qualities: self.qualities(reading, clause),
                    span: reading.span(first.start, last.end),
                })
            })
            .collect()
    }
}

// === impl Reading ===

impl Reading<'_> {
    fn add(&mut self, found: Match, clause: usize, risk: Option<Risk>) {
        self.evidence |= risk == Some(Risk::Green);
        self.matches.push((found, clause));
    }

    fn span(&self, start: usize, end: usize) -> Span {
        let (start, end) = self.view.raw_span(start, end);
        Span { start, end }
    }

    /// Where the concepts that made a rule match stand.
    fn spans(&self, because: ConceptSet, clause: usize) -> Vec<Span> {
        let Some(clause) = self.clauses.get(clause) else {
            return Vec::new();
        };
        let spans = |first: usize, last: usize| -> Vec<Span> {
            let tokens = self.tokens.iter().take(last).skip(first);
            tokens
                .filter(|token| because.intersects(token.verbs) || because.intersects(token.objects))
                .map(|token| self.span(token.start, token.end))
                .take(MAX_SPANS)
                .collect()
        };
        let here = spans(clause.first, clause.last);
        if because.is_empty() {
            let whole = self
                .tokens
                .get(clause.first)
                .zip(self.tokens.get(clause.last.saturating_sub(1)));
            return whole
                .map(|(first, last)| self.span(first.start, last.end))
                .into_iter()
                .collect();
        }
        if here.is_empty() {
            spans(0, self.tokens.len())
        } else {
            here
        }
    }
}

// === impl Hold ===

impl Hold {
    fn new(rule: &'static str, title: &'static str, reason: String) -> Self {
        Self {
            rule,
            title,
            reason,
            spans: Vec::new(),
            view: "raw",
        }
    }
}

impl From<Hold> for RuleMatch {
    fn from(hold: Hold) -> Self {
        Self {
            rule: hold.rule.to_owned(),
            title: hold.title.to_owned(),
            category: "not understood".to_owned(),
            risk: Risk::Amber,
            reason: hold.reason,
            alternative: None,
            view: hold.view,
            spans: hold.spans,
        }
    }
}

/// Why a text is held although no rule says so: it can't be read, or no view is understood in full.
fn hold_for(views: &Views, readings: &[Reading<'_>], raw: &str) -> Option<Hold> {
    if let Some(reason) = views.held {
        return Some(Hold::new(UNREADABLE, "Can't be read to the end", reason.to_owned()));
    }
    if readings
        .iter()
        .any(|reading| reading.evidence && reading.uncovered.is_none())
    {
        return None;
    }
    let unclear = readings.iter().rev().find_map(|reading| {
        let token = reading.uncovered.and_then(|index| reading.tokens.get(index))?;
        Some((reading.span(token.start, token.end), reading.view.name))
    });
    Some(match unclear {
        Some((span, view)) => {
            let word = raw.get(span.start..span.end).unwrap_or_default();
            let reason = format!("no rule of the policy says what `{word}` does here");
            Hold {
                spans: vec![span],
                view,
                ..Hold::new("hold.unknown-instruction", "Unknown instruction", reason)
            }
        }
        None => Hold::new(
            "hold.no-evidence",
            "Nothing recognised",
            "nothing in it is known to be harmless".to_owned(),
        ),
    })
}

/// More matching rules make it surer; a hold says that it isn't sure at all.
fn confidence(risk: Risk, matches: &[RuleMatch]) -> f64 {
    let agreeing = matches
        .iter()
        .filter(|found| found.risk == risk && !found.rule.starts_with("hold."))
        .count();
    match (agreeing, risk) {
        (0, _) => 0.3,
        (1, Risk::Green) => 0.85,
        (1, _) => 0.8,
        (2, _) => 0.9,
        _ => 0.95,
    }
}

#[cfg(test)]
mod tests;

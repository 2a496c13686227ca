//! Reading: what one view says, and which rules match in it.

use super::{Classifier, MAX_SPANS};
use crate::{
    assessment::Span,
    clause::{Clause, Reach, Token, clauses, tokenise},
    concept::ConceptSet,
    model::features,
    normalise::{View, Views, normalise},
    rule::{Context, Match, Risk, Subject},
    tool::ToolCall,
    vocabulary::VerbClass,
};

/// What one view says.
pub(super) struct Reading<'v> {
    pub(super) view: &'v View,
    pub(super) tokens: Vec<Token>,
    pub(super) clauses: Vec<Clause>,
    /// Matches with the clause they were found in.
    pub(super) matches: Vec<(Match, usize)>,
    pub(super) evidence: bool,
    /// A token that begins something no rule covers.
    pub(super) uncovered: Option<usize>,
}

// === impl Classifier ===

impl Classifier {
    pub(super) fn read_all<'v>(&self, views: &'v Views, raw: &str, context: &Context) -> Vec<Reading<'v>> {
        views.views.iter().map(|view| self.read(view, raw, context)).collect()
    }

    /// The words of a text as the learned layer reads them in its first view.
    pub(crate) fn read_words(&self, text: &str, take: impl FnOnce(&[features::Word<'_>])) {
        let views = normalise(text, &self.policy.vocabulary);
        if let Some(view) = views.views.first() {
            let vocabulary = &self.policy.vocabulary;
            let mut tokens = tokenise(view, vocabulary, &self.policy.entities);
            self.policy.commands.mark(view, text, &mut tokens);
            let clauses = clauses(&view.text, &tokens, vocabulary);
            take(&features::words(&view.text, &tokens, &clauses));
        }
    }

    fn read<'v>(&self, view: &'v View, raw: &str, context: &Context) -> Reading<'v> {
        let policy = &self.policy;
        let mut tokens = tokenise(view, &policy.vocabulary, &policy.entities);
        policy.commands.mark(view, raw, &mut tokens);
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
                reading.add(found, index, self.risk_of(found.rule, subject.context));
            });
            let must = verb.reach == Reach::Instruct && !verb.negated && verb.class != VerbClass::Light;
            if must && !covered && reading.uncovered.is_none() {
                reading.uncovered = Some(verb.token);
            }
        }
        rules.match_clause(subject, |found| {
            reading.add(found, index, self.risk_of(found.rule, subject.context));
        });
        reading.uncovered = reading.uncovered.or(subject.clause.unknown);
    }

    /// The risk of what a rule matches: its own, or what an exception lowers it to.
    fn risk_of(&self, rule: usize, context: &Context) -> Option<Risk> {
        let exceptions = &self.policy.exceptions;
        let lowered = || exceptions.of(rule, context).map(|exception| exception.spec.to);
        (!exceptions.is_empty())
            .then(lowered)
            .flatten()
            .or_else(|| self.policy.rules.get(rule).map(|rule| rule.risk))
    }

    /// Judges the command lines of a tool call, which need no context to be known as such.
    pub(super) fn judge_commands(&self, call: &ToolCall, context: &Context, reading: &mut Reading<'_>) {
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
}

// === impl Reading ===

impl Reading<'_> {
    fn add(&mut self, found: Match, clause: usize, risk: Option<Risk>) {
        self.evidence |= risk == Some(Risk::Green);
        self.matches.push((found, clause));
    }

    pub(super) fn span(&self, start: usize, end: usize) -> Span {
        let (start, end) = self.view.raw_span(start, end);
        Span { start, end }
    }

    /// Where the concepts that made a rule match stand.
    pub(super) fn spans(&self, because: ConceptSet, clause: usize) -> Vec<Span> {
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

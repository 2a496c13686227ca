//! The conclusion: all that was found in the views, as one assessment with its reasons.

use super::{
    Classifier, MAX_SPANS,
    hold::{Hold, UNREADABLE},
    learned,
    reading::Reading,
};
use crate::{
    assessment::{Assessment, Fact, Lowered, RuleMatch, Span},
    clause::Clause,
    concept::ConceptSet,
    model::Model,
    normalise::Views,
    quality::{Quality, QualityKind},
    rule::{Context, Match, Risk},
};

// === impl Classifier ===

impl Classifier {
    pub(super) fn conclude(
        &self,
        views: &Views,
        readings: &[Reading<'_>],
        tools: Vec<Match>,
        hold: Option<Hold>,
        model: Option<&Model>,
        context: &Context,
    ) -> Assessment {
        let mut matches: Vec<RuleMatch> = Vec::new();
        for found in tools {
            self.explain(found, "tool", Vec::new(), context, &mut matches);
        }
        for reading in readings {
            for (found, clause) in &reading.matches {
                if !self.is_explained(*found, &matches) {
                    self.explain(
                        *found,
                        reading.view.name,
                        reading.spans(found.because, *clause),
                        context,
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
        // An exception is deliberate: what it lowers, no resemblance raises again.
        let excepted = matches.iter().any(|found| found.exception.is_some());
        if let Some(raised) = model
            .filter(|_| !excepted)
            .and_then(|model| learned::raise(model, risk, readings, &matches))
        {
            risk = raised.risk;
            matches.push(raised);
        }
        Assessment::new(risk, matches, &self.digest).reading(
            views.views.iter().map(|view| view.name).collect(),
            readings.last().map_or_else(Vec::new, |reading| self.facts(reading)),
        )
    }

    /// Whether a rule already has as many spans as an explanation shows.
    fn is_explained(&self, found: Match, matches: &[RuleMatch]) -> bool {
        let rule = self.policy.rules.get(found.rule).map(|rule| rule.id.as_str());
        matches
            .iter()
            .any(|known| Some(known.rule.as_str()) == rule && known.spans.len() >= MAX_SPANS)
    }

    fn explain(
        &self,
        found: Match,
        view: &'static str,
        spans: Vec<Span>,
        context: &Context,
        matches: &mut Vec<RuleMatch>,
    ) {
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
        let exception = self.policy.exceptions.of(found.rule, context).map(|found| &found.spec);
        matches.push(RuleMatch {
            rule: rule.id.clone(),
            title: rule.title.clone(),
            category: rule.category.clone(),
            risk: exception.map_or(rule.risk, |exception| exception.to),
            reason: exception.map_or_else(
                || rule.reason.clone(),
                |exception| {
                    format!(
                        "{}, which exception `{}` lowers: {}",
                        rule.reason, exception.id, exception.reason
                    )
                },
            ),
            exception: exception.map(|exception| Lowered {
                exception: exception.id.clone(),
                from: rule.risk,
            }),
            alternative: rule.alternative.clone(),
            view,
            spans,
        });
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
}

//! Classifications between their form on the wire and their form in the domain.

use chassis::{
    Person, Violations,
    convert::{action_from_proto, disposition_to_proto, risk_to_proto},
    time,
};
use proto::{classification::v1 as wire, common::v1 as common};
use tonic::Status;
use warrant::Action;

use crate::{
    assessment::{Disposition, Fact, RuleMatch, Span},
    clause::Frame,
    error::{ClassifyError, DOMAIN},
    rule::Risk,
    verdict::SignedAssessment,
};

/// The action to classify, with everything that is wrong with it said at once.
pub(crate) fn action(action: Option<common::Action>) -> Result<Action, Status> {
    let mut violations = Violations::new(DOMAIN);
    let action = action_from_proto(&mut violations, "action", action);
    let missing = || chassis::fault::to_status(&ClassifyError::SubjectMissing);
    violations.check()?;
    action.ok_or_else(missing)
}

/// Refuses an action that names somebody other than the person who is asking.
pub(crate) fn check_requester(action: &Action, person: &Person) -> Result<(), ClassifyError> {
    let fields = [
        ("requester", action.requester == person.subject),
        ("issuer", action.issuer == person.issuer),
        ("tenant", action.tenant == person.tenant),
    ];
    match fields.into_iter().find(|(_, same)| !same) {
        Some((field, _)) => Err(ClassifyError::RequesterMismatch { field }),
        None => Ok(()),
    }
}

/// A classification on the wire.
pub(crate) fn classification_to_proto(action: &Action, signed: SignedAssessment) -> wire::Classification {
    let assessment = signed.assessment;
    wire::Classification {
        risk: risk_to_proto(assessment.risk.into()).into(),
        disposition: disposition_to_proto(assessment.disposition.into()).into(),
        reason: assessment.reason,
        safe_alternative: assessment.alternative.unwrap_or_default(),
        views: assessment.views.iter().map(|view| (*view).to_owned()).collect(),
        rules: assessment.matches.into_iter().map(rule_to_proto).collect(),
        facts: assessment
            .facts
            .iter()
            .zip(0..)
            .flat_map(|(fact, clause)| facts_to_proto(fact, clause))
            .collect(),
        confidence: assessment.confidence,
        policy_digest: assessment.policy,
        policy_version: signed.policy_version,
        action_digest: action.digest().to_string(),
        verdict_jws: signed.jws,
        expire_time: Some(time::to_proto(signed.expires)),
    }
}

fn rule_to_proto(found: RuleMatch) -> wire::RuleMatch {
    wire::RuleMatch {
        rule_id: found.rule,
        title: found.title,
        risk: risk_to_proto(found.risk.into()).into(),
        reason: found.reason,
        exception_id: found
            .exception
            .as_ref()
            .map(|lowered| lowered.exception.clone())
            .unwrap_or_default(),
        own_risk: risk_to_proto(found.exception.map_or(found.risk, |lowered| lowered.from).into()).into(),
        spans: found.spans.into_iter().map(span_to_proto).collect(),
        view: found.view.to_owned(),
    }
}

fn span_to_proto(span: Span) -> wire::Span {
    let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    wire::Span {
        start_byte: offset(span.start),
        end_byte: offset(span.end),
    }
}

fn facts_to_proto(fact: &Fact, clause: u32) -> Vec<wire::Fact> {
    let frame = match fact.frame {
        Frame::Instructed => "instructed",
        Frame::Asked => "asked",
        Frame::Stated => "stated",
        Frame::Mentioned => "mentioned",
    };
    let verbs = fact.verbs.iter().map(|verb| ("verb", verb.as_ref()));
    let objects = fact.objects.iter().map(|object| ("object", object.as_ref()));
    let qualities = fact.qualities.iter();
    let qualities = qualities.map(|quality| (quality.kind.as_str(), quality.value.as_ref()));
    let all = std::iter::once(("frame", frame))
        .chain(verbs)
        .chain(objects)
        .chain(qualities);
    all.map(|(kind, value)| wire::Fact {
        clause,
        kind: kind.to_owned(),
        value: value.to_owned(),
    })
    .collect()
}

impl From<Risk> for warrant::Risk {
    fn from(risk: Risk) -> Self {
        match risk {
            Risk::Green => Self::Green,
            Risk::Amber => Self::Amber,
            Risk::Red => Self::Red,
        }
    }
}

impl From<Disposition> for warrant::Disposition {
    fn from(disposition: Disposition) -> Self {
        match disposition {
            Disposition::Allow => Self::Allow,
            Disposition::RequireApproval => Self::RequireApproval,
            Disposition::Block => Self::Block,
        }
    }
}

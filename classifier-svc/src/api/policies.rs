//! Policies between their form on the wire and what is at work, checked or tried out.

use std::{collections::BTreeMap, time::SystemTime};

use chassis::{Violations, convert::risk_to_proto, time::to_proto};
use proto::classification::v1 as wire;
use warrant::Operation;
use wire::{finding, policy::Role, replay_case};

use crate::{
    classifier::Classifier,
    error::ClassifyError,
    policies::{Difference, Loaded, Policies, Refused, Slot},
    policy::{
        MAX_POLICY_BYTES, Policy,
        bundle::Bundle,
        lint::{self, Level},
    },
    rule::{Context, RuleSpec},
    verdict::assess,
};

const LIVE: &str = "policies/live";
const SHADOW: &str = "policies/shadow";
const MAX_FILES: usize = 100;
const MAX_NAME_BYTES: usize = 128;
const MAX_CASES: usize = 1_000;
/// The longest text of a case, as of any instruction.
const MAX_TEXT_BYTES: usize = 64 * 1024;

/// A case to be judged again.
pub(super) struct Case {
    id: String,
    operation: Operation,
    context: Context,
}

/// The policy of this name, with its rules.
pub(super) fn find(policies: &Policies, name: &str) -> Option<wire::Policy> {
    let slot = match name {
        LIVE => Some(&policies.live),
        SHADOW => policies.shadow.as_ref()?.slot(),
        _ => return None,
    };
    let mut policy = all(policies).into_iter().find(|policy| policy.name == name)?;
    if let Some(loaded) = slot.map(Slot::loaded) {
        policy.rules = loaded.classifier.policy().rules().map(rule_to_proto).collect();
    }
    Some(policy)
}

/// The policies at work, without their rules.
pub(super) fn all(policies: &Policies) -> Vec<wire::Policy> {
    let mut all = vec![policy_to_proto(
        LIVE,
        Role::Live,
        Some(&policies.live),
        policies.live.refused(),
    )];
    if let Some(shadow) = &policies.shadow {
        let (judged_count, differences) = shadow.differences.counts();
        all.push(wire::Policy {
            judged_count,
            passed_over_count: shadow.differences.passed_over(),
            differences: differences.into_iter().map(difference_to_proto).collect(),
            ..policy_to_proto(SHADOW, Role::Shadow, shadow.slot(), shadow.refused())
        });
    }
    all
}

fn policy_to_proto(name: &str, role: Role, slot: Option<&Slot>, refused: Option<Refused>) -> wire::Policy {
    wire::Policy {
        name: name.to_owned(),
        role: role.into(),
        refuse_time: refused.as_ref().map(|refused| to_proto(refused.time)),
        refusal: refused.map(|refused| refused.reason).unwrap_or_default(),
        ..slot.map(|slot| loaded_to_proto(&slot.loaded())).unwrap_or_default()
    }
}

fn loaded_to_proto(loaded: &Loaded) -> wire::Policy {
    let policy = loaded.classifier.policy();
    wire::Policy {
        display_name: policy.name.clone(),
        version: policy.version.clone(),
        revision: policy.revision,
        digest: loaded.classifier.digest().to_owned(),
        key_id: loaded.key_id.clone().unwrap_or_default(),
        load_time: Some(to_proto(loaded.time)),
        rule_count: number(policy.rule_count()),
        term_count: number(policy.term_count()),
        ..wire::Policy::default()
    }
}

fn difference_to_proto((difference, count): (Difference, u64)) -> wire::Difference {
    wire::Difference {
        live_risk: risk_to_proto(difference.live.into()).into(),
        shadow_risk: risk_to_proto(difference.shadow.into()).into(),
        rule_id: difference.rule,
        count,
    }
}

fn rule_to_proto(rule: &RuleSpec) -> wire::Rule {
    wire::Rule {
        rule_id: rule.id.clone(),
        title: rule.title.clone(),
        category: rule.category.clone(),
        risk: risk_to_proto(rule.risk.into()).into(),
        reason: rule.reason.clone(),
        safe_alternative: rule.alternative.clone().unwrap_or_default(),
    }
}

/// The files of a policy that was sent.
pub(super) fn bundle(violations: &mut Violations, field: &str, files: Vec<wire::PolicyFile>) -> Bundle {
    if files.is_empty() || files.len() > MAX_FILES {
        violations.add(field, format!("must be 1 to {MAX_FILES} files"));
    }
    let size: usize = files.iter().map(|file| file.content.len()).sum();
    if size > MAX_POLICY_BYTES {
        violations.add(
            field,
            format!("has {size} bytes, more than the {MAX_POLICY_BYTES} allowed"),
        );
    }
    let mut texts = BTreeMap::new();
    for (index, file) in files.into_iter().enumerate() {
        let place = format!("{field}[{index}]");
        let plain = !file.name.contains(['/', '\\']) && !file.name.contains(char::is_control);
        if file.name.is_empty() || file.name.len() > MAX_NAME_BYTES || !plain {
            violations.add(format!("{place}.name"), "must be the name of a file, without a folder");
        }
        match String::from_utf8(file.content) {
            Ok(text) => {
                if texts.insert(file.name, text).is_some() {
                    violations.add(format!("{place}.name"), "stands there twice");
                }
            }
            Err(_) => violations.add(format!("{place}.content"), "is not UTF-8"),
        }
    }
    Bundle::of(texts)
}

/// What is to be said of a policy.
pub(super) fn validate(bundle: &Bundle, now: SystemTime) -> wire::ValidatePolicyResponse {
    let (source, refusals) = bundle.source();
    let test_count = number(source.tests.len());
    let mut findings = lint::examine(&source, refusals, std::iter::empty());
    findings.extend(lint::expired(&source, now));
    let outcomes = Policy::compile(bundle.source()).map(|policy| policy.try_out().1);
    let failed = outcomes
        .unwrap_or_default()
        .iter()
        .filter(|outcome| !outcome.passed())
        .count();
    wire::ValidatePolicyResponse {
        valid: findings.iter().all(|finding| finding.kind != lint::Kind::Refused),
        digest: bundle.digest(),
        test_count,
        failed_test_count: number(failed),
        findings: findings.into_iter().map(finding_to_proto).collect(),
    }
}

fn finding_to_proto(finding: lint::Finding) -> wire::Finding {
    let level = match finding.level {
        Level::Error => finding::Level::Error,
        Level::Warning => finding::Level::Warning,
        Level::Note => finding::Level::Note,
    };
    let (file, line) = finding.place.map_or_else(Default::default, |place| {
        (place.file, u32::try_from(place.line).unwrap_or(u32::MAX))
    });
    wire::Finding {
        level: level.into(),
        kind: finding.kind.as_str().to_owned(),
        file,
        line,
        message: finding.message,
    }
}

/// The cases to be judged again.
pub(super) fn cases(violations: &mut Violations, cases: Vec<wire::ReplayCase>, now: SystemTime) -> Vec<Case> {
    if cases.is_empty() || cases.len() > MAX_CASES {
        violations.add("cases", format!("must be 1 to {MAX_CASES}"));
    }
    let mut checked = Vec::with_capacity(cases.len());
    for (index, case) in cases.into_iter().enumerate() {
        let place = format!("cases[{index}]");
        violations.required(&format!("{place}.id"), &case.id);
        let operation = match case.operation {
            Some(replay_case::Operation::Instruction(instruction)) => {
                violations.max_bytes(&format!("{place}.instruction.text"), &instruction.text, MAX_TEXT_BYTES);
                Operation::Instruction {
                    instruction: instruction.text,
                }
            }
            Some(replay_case::Operation::ToolCall(call)) => {
                let field = format!("{place}.tool_call.arguments_json");
                violations.max_bytes(&field, &call.arguments_json, MAX_TEXT_BYTES);
                Operation::ToolCall {
                    tool: call.tool,
                    arguments_json: call.arguments_json,
                }
            }
            None => {
                violations.add(format!("{place}.operation"), "is required");
                continue;
            }
        };
        checked.push(Case {
            id: case.id,
            operation,
            context: Context {
                groups: case.groups,
                now: Some(now),
                ..Context::default()
            },
        });
    }
    checked
}

/// Which verdicts a candidate would change.
pub(super) fn replay(
    bundle: &Bundle,
    cases: &[Case],
    live: &Classifier,
) -> Result<wire::ReplayPolicyResponse, ClassifyError> {
    let candidate = Policy::compile(bundle.source()).map_err(ClassifyError::PolicyRefused)?;
    let candidate = candidate.try_out().0;
    let mut by_rule: BTreeMap<String, Vec<wire::ChangedVerdict>> = BTreeMap::new();
    for case in cases {
        let was = assess(live, &case.operation, &case.context);
        let is = assess(&candidate, &case.operation, &case.context);
        if let Some(difference) = Difference::between(&was, &is) {
            by_rule.entry(difference.rule).or_default().push(wire::ChangedVerdict {
                case_id: case.id.clone(),
                live_risk: risk_to_proto(was.risk.into()).into(),
                candidate_risk: risk_to_proto(is.risk.into()).into(),
                live_rule_ids: was.rules,
                candidate_rule_ids: is.rules,
            });
        }
    }
    Ok(wire::ReplayPolicyResponse {
        changed_count: number(by_rule.values().map(Vec::len).sum()),
        judged_count: number(cases.len()),
        changes: by_rule
            .into_iter()
            .map(|(rule_id, verdicts)| wire::RuleChanges { rule_id, verdicts })
            .collect(),
        candidate_digest: candidate.digest().to_owned(),
        live_digest: live.digest().to_owned(),
    })
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

//! Verdicts: an assessment bound to one action and signed.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use chassis::Clock;
use sha2::{Digest, Sha256};
use warrant::{Action, Operation, Signer, VERDICT_AUDIENCE, Verdict, numeric_date, reason_digest};

use crate::{
    assessment::Assessment, classifier::Classifier, error::ClassifyError, opinion::SecondOpinion, policies::Policies,
    rule::Context, tool::ToolCall,
};

/// How long a verdict can be acted on.
pub const LIFETIME: Duration = Duration::from_mins(1);
/// How many rule ids a verdict names, the gravest first; its size is bounded.
const MAX_RULES: usize = 32;

/// An assessment and its signed form.
#[derive(Debug)]
pub struct SignedAssessment {
    /// What the classifier says.
    pub assessment: Assessment,
    /// The verdict as compact JWS.
    pub jws: String,
    /// When the verdict expires.
    pub expires: SystemTime,
    /// The version of the policy that was applied.
    pub policy_version: String,
}

/// Judges actions and signs what it says.
#[derive(Debug)]
pub struct Judge {
    policies: Arc<Policies>,
    signer: Signer,
    opinion: Option<SecondOpinion>,
}

// === impl Judge ===

impl Judge {
    /// A judge by these policies, in the name of this signer.
    pub fn new(policies: Arc<Policies>, signer: Signer) -> Self {
        Self {
            policies,
            signer,
            opinion: None,
        }
    }

    /// The same judge, which asks for a second opinion.
    #[must_use]
    pub fn asking(self, opinion: Option<SecondOpinion>) -> Self {
        Self { opinion, ..self }
    }

    /// The policies at work.
    pub fn policies(&self) -> &Arc<Policies> {
        &self.policies
    }

    /// The signer.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Judges one action of a requester in these groups, who waits for `remaining` at most. The verdict's time begins when it
    /// is signed.
    pub async fn judge(
        &self,
        action: &Action,
        groups: &BTreeSet<String>,
        clock: &dyn Clock,
        remaining: Option<Duration>,
    ) -> Result<SignedAssessment, ClassifyError> {
        let loaded = self.policies.live.loaded();
        let mut assessment = assess(
            &loaded.classifier,
            &action.operation,
            &context(action, groups, clock.now()),
        );
        if let Some(opinion) = &self.opinion {
            assessment = opinion.consider(assessment, &action.operation, remaining).await;
        }
        let policy_version = loaded.classifier.policy().version.clone();
        let verdict = self.verdict(action, groups, &assessment, policy_version.clone(), clock.now());
        let expires = SystemTime::UNIX_EPOCH + Duration::from_secs(verdict.exp);
        Ok(SignedAssessment {
            jws: self.signer.sign(&verdict)?,
            assessment,
            expires,
            policy_version,
        })
    }

    fn verdict(
        &self,
        action: &Action,
        groups: &BTreeSet<String>,
        assessment: &Assessment,
        policy_version: String,
        now: SystemTime,
    ) -> Verdict {
        let issued = numeric_date(now);
        Verdict {
            iss: self.signer.issuer().to_owned(),
            aud: VERDICT_AUDIENCE.to_owned(),
            act_digest: action.digest(),
            run: action.run,
            tenant: action.tenant.clone(),
            issuer: action.issuer.clone(),
            requester: action.requester.clone(),
            ctx: context_digest(groups),
            risk: assessment.risk.into(),
            disposition: assessment.disposition.into(),
            rules: assessment.rules.iter().take(MAX_RULES).cloned().collect(),
            reason_digest: reason_digest(
                &assessment.reason,
                assessment.alternative.as_deref().unwrap_or_default(),
            ),
            policy: assessment.policy.clone(),
            policy_version,
            iat: issued,
            exp: issued + LIFETIME.as_secs(),
        }
    }
}

/// What a policy says of what is asked in this context.
pub(crate) fn assess(classifier: &Classifier, operation: &Operation, context: &Context) -> Assessment {
    match operation {
        Operation::Instruction { instruction } => classifier.assess_text(instruction, context),
        Operation::ToolCall { tool, arguments_json } => {
            classifier.assess_tool(&ToolCall::parse(tool, arguments_json), context)
        }
    }
}

/// What is known of an action of a requester in these groups.
pub(crate) fn context(action: &Action, groups: &BTreeSet<String>, now: SystemTime) -> Context {
    Context {
        tenant: Some(action.tenant.clone()),
        groups: groups.iter().cloned().collect(),
        agent: Some(action.agent.clone()),
        // The session of nobody's naming is the run itself.
        continued: Some(action.session != action.run.to_string()),
        now: Some(now),
        ..Context::default()
    }
}

/// Digest of what was judged besides the action: the requester's groups, in order and with their lengths.
fn context_digest(groups: &BTreeSet<String>) -> String {
    let mut hash = Sha256::new_with_prefix("countersign/context/v1");
    for group in groups {
        hash.update((group.len() as u64).to_be_bytes());
        hash.update(group);
    }
    format!("sha256:{}", hex::encode(hash.finalize()))
}

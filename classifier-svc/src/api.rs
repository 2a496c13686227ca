//! `ClassificationService`: who may have what classified, and what may be known of policies.

mod policies;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tonic::{Request, Response, Status};
use warrant::Action;

use chassis::{
    CallContext, Caller, Clock, Person, Violations,
    fault::{reason_of, to_status},
    page,
};
use proto::{classification::v1 as wire, common::v1 as common};
use wire::{batched_classification::Result as Batched, classification_service_server::ClassificationService};

use crate::{
    assessment::Assessment,
    convert,
    error::{ClassifyError, DOMAIN},
    policies::{Policies, Slot},
    rule::Context,
    verdict::{self, Judge, SignedAssessment},
};

/// How many actions are classified together at most.
const MAX_BATCH: usize = 256;

/// The service.
#[derive(Debug)]
pub struct ClassificationApi {
    judge: Judge,
    clock: Arc<dyn Clock>,
}

// === impl ClassificationApi ===

impl ClassificationApi {
    /// Serves what `judge` says, at the time of `clock`.
    pub fn new(judge: Judge, clock: Arc<dyn Clock>) -> Self {
        Self { judge, clock }
    }

    async fn classify(
        &self,
        action: Option<common::Action>,
        person: &Person,
        context: &CallContext,
    ) -> Result<wire::Classification, Status> {
        let action = convert::action(action)?;
        convert::check_requester(&action, person).map_err(|error| to_status(&error))?;
        let signed = self
            .judge
            .judge(&action, &person.groups, &*self.clock, context.remaining())
            .await
            .map_err(|error| to_status(&error))?;
        self.try_out(&action, person, &signed);
        Ok(convert::classification_to_proto(&action, signed))
    }

    /// Has the shadow judge the same action, in its own time: nobody waits for it.
    fn try_out(&self, action: &Action, person: &Person, signed: &SignedAssessment) {
        let Some(shadow) = &self.judge.policies().shadow else {
            return;
        };
        let Ok(place) = Arc::clone(&shadow.places).try_acquire_owned() else {
            return shadow.differences.pass_over();
        };
        let (policies, action) = (Arc::clone(self.judge.policies()), action.clone());
        let context = verdict::context(&action, &person.groups, self.clock.now());
        let live = signed.assessment.clone();
        tokio::spawn(async move {
            let _place = place;
            let Some(shadow) = &policies.shadow else { return };
            // Off the thread that serves.
            let _turn = shadow.turn.lock().await;
            let policies = Arc::clone(&policies);
            let judged = tokio::task::spawn_blocking(move || compare_with_shadow(&policies, &action, &context, &live));
            if let Err(error) = judged.await {
                tracing::error!(%error, "the shadow policy could not judge an action");
            }
        });
    }
}

/// Says where the shadow, if it has a policy, judges otherwise than the live one.
fn compare_with_shadow(policies: &Policies, action: &Action, context: &Context, live: &Assessment) {
    let Some(shadow) = &policies.shadow else { return };
    let Some(loaded) = shadow.slot().map(Slot::loaded) else {
        return;
    };
    let tried = verdict::assess(&loaded.classifier, &action.operation, context);
    if let Some(found) = shadow.differences.compare(live, &tried) {
        tracing::info!(
            action_digest = %action.digest(),
            run = %action.run,
            live_risk = found.live.as_str(),
            shadow_risk = found.shadow.as_str(),
            rule = found.rule,
            live_policy = live.policy,
            shadow_policy = tried.policy,
            "the shadow policy says something else"
        );
    }
}

#[tonic::async_trait]
impl ClassificationService for ClassificationApi {
    async fn classify_action(
        &self,
        request: Request<wire::ClassifyActionRequest>,
    ) -> Result<Response<wire::ClassifyActionResponse>, Status> {
        let (person, context) = (person(&request)?, CallContext::of(&request));
        let classification = self.classify(request.into_inner().action, &person, &context).await?;
        Ok(Response::new(wire::ClassifyActionResponse {
            classification: Some(classification),
        }))
    }

    async fn batch_classify_actions(
        &self,
        request: Request<wire::BatchClassifyActionsRequest>,
    ) -> Result<Response<wire::BatchClassifyActionsResponse>, Status> {
        let (person, context) = (person(&request)?, CallContext::of(&request));
        let actions = request.into_inner().actions;
        let mut violations = Violations::new(DOMAIN);
        if actions.is_empty() || actions.len() > MAX_BATCH {
            violations.add("actions", format!("must be 1 to {MAX_BATCH}"));
        }
        violations.check()?;
        let mut classifications = Vec::with_capacity(actions.len());
        for action in actions {
            let result = match self.classify(Some(action), &person, &context).await {
                Ok(classification) => Batched::Classification(classification),
                Err(status) => Batched::Error(wire::ClassificationError {
                    code: status.code().into(),
                    reason: reason_of(&status).unwrap_or_default().into(),
                    message: status.message().to_owned(),
                }),
            };
            classifications.push(wire::BatchedClassification { result: Some(result) });
            // A text of the greatest length takes milliseconds: others get their turn in between.
            tokio::task::yield_now().await;
        }
        Ok(Response::new(wire::BatchClassifyActionsResponse { classifications }))
    }

    async fn get_policy(
        &self,
        request: Request<wire::GetPolicyRequest>,
    ) -> Result<Response<wire::GetPolicyResponse>, Status> {
        let name = request.into_inner().name;
        let mut violations = Violations::new(DOMAIN);
        violations.required("name", &name);
        violations.check()?;
        let policy = policies::find(self.judge.policies(), &name);
        let policy = policy.ok_or_else(|| to_status(&ClassifyError::PolicyNotFound { name }))?;
        Ok(Response::new(wire::GetPolicyResponse { policy: Some(policy) }))
    }

    async fn list_policies(
        &self,
        request: Request<wire::ListPoliciesRequest>,
    ) -> Result<Response<wire::ListPoliciesResponse>, Status> {
        let wire::ListPoliciesRequest { page_size, page_token } = request.into_inner();
        let mut violations = Violations::new(DOMAIN);
        let size = page::size(&mut violations, page_size, 50, 1000);
        violations.check()?;
        let start = page::decode(DOMAIN, "ListPolicies", &page_token)?;
        let start = start.and_then(|start| start.parse().ok()).unwrap_or(0_usize);
        let all = policies::all(self.judge.policies());
        let end = start.saturating_add(size);
        let next_page_token = if end < all.len() {
            page::encode("ListPolicies", &end.to_string())
        } else {
            String::new()
        };
        Ok(Response::new(wire::ListPoliciesResponse {
            policies: all.into_iter().skip(start).take(size).collect(),
            next_page_token,
        }))
    }

    async fn validate_policy(
        &self,
        request: Request<wire::ValidatePolicyRequest>,
    ) -> Result<Response<wire::ValidatePolicyResponse>, Status> {
        let mut violations = Violations::new(DOMAIN);
        let bundle = policies::bundle(&mut violations, "files", request.into_inner().files);
        violations.check()?;
        let now = self.clock.now();
        let answer = blocking(move || Ok(policies::validate(&bundle, now))).await?;
        Ok(Response::new(answer))
    }

    async fn replay_policy(
        &self,
        request: Request<wire::ReplayPolicyRequest>,
    ) -> Result<Response<wire::ReplayPolicyResponse>, Status> {
        let wire::ReplayPolicyRequest { candidate, cases } = request.into_inner();
        let mut violations = Violations::new(DOMAIN);
        let bundle = policies::bundle(&mut violations, "candidate", candidate);
        let cases = policies::cases(&mut violations, cases, self.clock.now());
        violations.check()?;
        let live = self.judge.policies().live.loaded();
        let replayed = blocking(move || policies::replay(&bundle, &cases, &live.classifier)).await?;
        Ok(Response::new(replayed))
    }

    async fn get_key_set(
        &self,
        _: Request<wire::GetKeySetRequest>,
    ) -> Result<Response<wire::GetKeySetResponse>, Status> {
        let signer = self.judge.signer();
        let key_set = common::KeySet {
            jwks_json: signer.key_set().to_json(),
            issuer: signer.issuer().to_owned(),
        };
        Ok(Response::new(wire::GetKeySetResponse { key_set: Some(key_set) }))
    }
}

/// The person for whom something is to be classified.
fn person<T>(request: &Request<T>) -> Result<Person, Status> {
    let person = Caller::of(request)?.person().cloned();
    person.ok_or_else(|| to_status(&ClassifyError::SubjectMissing))
}

/// Compiling a policy takes too long for the threads that answer.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ClassifyError> + Send + 'static,
) -> Result<T, Status> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Status::internal("the work was given up"))?
        .map_err(|error| to_status(&error))
}

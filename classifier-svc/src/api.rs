//! `ClassificationService`: who may have what classified, and nothing else.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use tonic::{Request, Response, Status};

use chassis::{Caller, Clock, fault::to_status};
use proto::{classification::v1 as wire, common::v1::KeySet};
use wire::classification_service_server::ClassificationService;

use crate::{convert, error::ClassifyError, verdict::Judge};

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
}

#[tonic::async_trait]
impl ClassificationService for ClassificationApi {
    async fn classify_action(
        &self,
        request: Request<wire::ClassifyActionRequest>,
    ) -> Result<Response<wire::ClassifyActionResponse>, Status> {
        let person = Caller::of(&request)?.person().cloned();
        let person = person.ok_or_else(|| to_status(&ClassifyError::SubjectMissing))?;
        let action = convert::classify_action(request.into_inner())?;
        convert::check_requester(&action, &person).map_err(|error| to_status(&error))?;
        let signed = self
            .judge
            .judge(&action, &person.groups, self.clock.now())
            .map_err(|error| to_status(&error))?;
        let classification = convert::classification_to_proto(&action, signed, self.judge.classifier());
        Ok(Response::new(wire::ClassifyActionResponse {
            classification: Some(classification),
        }))
    }

    async fn get_key_set(
        &self,
        _: Request<wire::GetKeySetRequest>,
    ) -> Result<Response<wire::GetKeySetResponse>, Status> {
        let signer = self.judge.signer();
        let key_set = KeySet {
            jwks_json: signer.key_set().to_json(),
            issuer: signer.issuer().to_owned(),
        };
        Ok(Response::new(wire::GetKeySetResponse { key_set: Some(key_set) }))
    }
}

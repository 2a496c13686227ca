//! `WarrantService`: spending warrants, and saying what came of it.

use std::{sync::Arc, time::UNIX_EPOCH};

use chassis::Caller;
use proto::{
    approval::v1::{
        Claim, ClaimWarrantRequest, ClaimWarrantResponse, CompleteWarrantRequest, CompleteWarrantResponse,
        GetKeySetRequest, GetKeySetResponse, ReconcileWarrantRequest, ReconcileWarrantResponse, RenewClaimRequest,
        RenewClaimResponse, warrant_service_server::WarrantService,
    },
    common::v1::KeySet,
};
use tonic::{Request, Response, Status};

use crate::{
    access,
    api::{Shared, principal},
    approval::command::{ClaimWarrant, Command, ReconcileWarrant, RenewClaim},
    convert::{self, reply},
    error::ApprovalError,
    moment::Moment,
    store::{ApprovalStore, Committed},
};

/// `WarrantService` on a store.
#[derive(Debug)]
pub struct WarrantApi<S> {
    shared: Arc<Shared<S>>,
}

// === impl WarrantApi ===

impl<S: ApprovalStore> WarrantApi<S> {
    /// The service on what both share.
    pub fn new(shared: Arc<Shared<S>>) -> Self {
        Self { shared }
    }
}

#[tonic::async_trait]
impl<S: ApprovalStore> WarrantService for WarrantApi<S> {
    async fn claim_warrant(
        &self,
        request: Request<ClaimWarrantRequest>,
    ) -> Result<Response<ClaimWarrantResponse>, Status> {
        let request = convert::claim(request.into_inner())?;
        let shared = &self.shared;
        let warrant = shared.mint.read(&request.warrant_jws, shared.now())?;
        if warrant.act_digest != request.digest {
            return Err(ApprovalError::DigestMismatch.into());
        }
        let expire = UNIX_EPOCH + std::time::Duration::from_secs(warrant.exp);
        let claim = ClaimWarrant {
            jti: warrant.jti,
            revision: warrant.revision,
            mode: warrant.mode,
            digest: request.digest,
            expire: Moment::from(expire),
            request_id: request.request_id,
            executor: request.executor,
        };
        let committed = shared
            .store
            .execute(warrant.approval, Command::Claim(claim), None)
            .await?;
        Ok(Response::new(ClaimWarrantResponse {
            claim: Some(claim_of(&committed)?),
        }))
    }

    async fn renew_claim(&self, request: Request<RenewClaimRequest>) -> Result<Response<RenewClaimResponse>, Status> {
        let (id, fencing_token) = convert::renew(request.into_inner())?;
        let renew = Command::Renew(RenewClaim { fencing_token });
        let committed = self.shared.store.execute(id, renew, None).await?;
        Ok(Response::new(RenewClaimResponse {
            claim: Some(claim_of(&committed)?),
        }))
    }

    async fn complete_warrant(
        &self,
        request: Request<CompleteWarrantRequest>,
    ) -> Result<Response<CompleteWarrantResponse>, Status> {
        let caller = Caller::of(&request)?.clone();
        let mut request = request.into_inner();
        let key = convert::request_key(principal(&caller), "CompleteWarrant", &mut request, |request| {
            &mut request.request_id
        });
        let (id, complete) = convert::complete(request)?;
        let command = Command::Complete(complete);
        let approval = self.shared.store.execute(id, command, Some(key)).await?.stored.approval;
        Ok(Response::new(CompleteWarrantResponse {
            approval: Some(reply::approval(&approval)),
        }))
    }

    async fn reconcile_warrant(
        &self,
        request: Request<ReconcileWarrantRequest>,
    ) -> Result<Response<ReconcileWarrantResponse>, Status> {
        let caller = Caller::of(&request)?.clone();
        let mut request = request.into_inner();
        let key = convert::request_key(principal(&caller), "ReconcileWarrant", &mut request, |request| {
            &mut request.request_id
        });
        let (id, succeeded) = convert::reconcile(&request)?;
        let store = &self.shared.store;
        let decider = access::decider(&caller, &store.get(id).await?.approval.content, false)?;
        let reconcile = ReconcileWarrant {
            by: decider.id,
            etag: request.etag,
            succeeded,
            reason: request.reason,
        };
        let command = Command::Reconcile(reconcile);
        let approval = store.execute(id, command, Some(key)).await?.stored.approval;
        Ok(Response::new(ReconcileWarrantResponse {
            approval: Some(reply::approval(&approval)),
        }))
    }

    async fn get_key_set(&self, _request: Request<GetKeySetRequest>) -> Result<Response<GetKeySetResponse>, Status> {
        let mint = &self.shared.mint;
        let key_set = KeySet {
            jwks_json: mint.key_set_json(),
            issuer: mint.issuer().to_owned(),
        };
        Ok(Response::new(GetKeySetResponse { key_set: Some(key_set) }))
    }
}

fn claim_of(committed: &Committed) -> Result<Claim, ApprovalError> {
    let approval = &committed.stored.approval;
    let state = approval.state();
    let claim = approval
        .progress
        .claim
        .as_ref()
        .ok_or(ApprovalError::ClaimLost { state })?;
    Ok(reply::claim_of(approval, claim, committed.now))
}

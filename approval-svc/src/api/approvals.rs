//! `ApprovalService`: who asks, what they may, and what comes of it.

use std::{pin::Pin, sync::Arc, time::Duration};

use chassis::{CallContext, Caller, PartName, Violations, page, time::duration_from_proto};
use futures_util::Stream;
use prost::Message as _;
use proto::approval::v1::{
    AcquireApprovalsRequest, AcquireApprovalsResponse, CancelApprovalRequest, CancelApprovalResponse,
    CreateApprovalRequest, CreateApprovalResponse, DenyApprovalRequest, DenyApprovalResponse, Dispatch,
    GetApprovalRequest, GetApprovalResponse, GrantApprovalRequest, GrantApprovalResponse, ListApprovalsRequest,
    ListApprovalsResponse, RevokeApprovalRequest, RevokeApprovalResponse, WatchApprovalsRequest,
    WatchApprovalsResponse, approval_service_server::ApprovalService,
};
use tonic::{Request, Response, Status};
use warrant::{RunId, Verdict, approval_id};

use crate::{
    access,
    api::{Shared, principal},
    approval::{
        Approval, Content, Decision,
        command::{CancelApproval, CastVote, Command, RevokeGrant},
    },
    convert::{self, Judgement, NewApproval, reply},
    error::ApprovalError,
    moment::Moment,
    resolve::Rule,
    store::{ApprovalStore, Committed, Draft, Listing, Query, RequestKey},
    watch::Watch,
};

const DOMAIN: &str = PartName::Approval.domain();
const DEFAULT_ACQUIRED: usize = 16;
const MAX_ACQUIRED: usize = 64;
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How much a page of a list holds: clients take no message of more than 4 MiB unless told to.
const PAGE_BYTES: usize = 1024 * 1024;

/// `ApprovalService` on a store.
#[derive(Debug)]
pub struct ApprovalApi<S> {
    shared: Arc<Shared<S>>,
}

// === impl ApprovalApi ===

impl<S: ApprovalStore> ApprovalApi<S> {
    /// The service on what both share.
    pub fn new(shared: Arc<Shared<S>>) -> Self {
        Self { shared }
    }

    async fn create(
        &self,
        caller: &Caller,
        new: NewApproval,
        remaining: Option<Duration>,
    ) -> Result<CreateApprovalResponse, Status> {
        check_requester(caller, &new)?;
        check_run(&new)?;
        let shared = &self.shared;
        let verdict = shared.verdicts.check(&new, shared.now());
        let committed = match verdict {
            Ok(verdict) => {
                shared
                    .store
                    .create(Draft {
                        content: content(new, verdict),
                    })
                    .await?
            }
            Err(refusal) => self.existing(&new, refusal).await?,
        };
        let warrant = shared.first_warrant(&committed, remaining).await?;
        let approval = &committed.stored.approval;
        let lease = warrant.as_ref().map(|_| approval.progress.dispatch_time);
        Ok(CreateApprovalResponse {
            approval: Some(reply::approval(approval)),
            warrant_jws: warrant.unwrap_or_default(),
            dispatch_lease_expire_time: lease.and_then(reply::timestamp),
        })
    }

    /// The approval that an earlier request with the same id and action made: its verdict may have run out since.
    async fn existing(&self, new: &NewApproval, refusal: ApprovalError) -> Result<Committed, ApprovalError> {
        let stored = match self.shared.store.get(approval_id(&new.action.run)).await {
            Ok(stored) => stored,
            Err(ApprovalError::NotFound) => return Err(refusal),
            Err(error) => return Err(error),
        };
        if stored.approval.content.digest != new.action.digest() {
            return Err(ApprovalError::RequestIdReused);
        }
        Ok(Committed {
            stored,
            now: self.shared.now(),
            replayed: true,
        })
    }

    async fn vote(
        &self,
        caller: &Caller,
        judgement: Judgement,
        decision: Decision,
        key: RequestKey,
    ) -> Result<Approval, ApprovalError> {
        let Judgement { id, seen, reason } = judgement;
        let content = self.shared.store.get(id).await?.approval.content;
        let decider = access::decider(caller, &content, self.shared.simulation)?;
        let (voter, simulated) = (decider.id, decider.simulated);
        let vote = CastVote {
            voter,
            decision,
            seen,
            reason,
            simulated,
        };
        let committed = self.shared.store.execute(id, Command::Vote(vote), Some(key)).await?;
        Ok(committed.stored.approval)
    }

    async fn acquire(&self, max: usize, wait: Duration) -> Result<AcquireApprovalsResponse, Status> {
        let store = &self.shared.store;
        let mut signal = store.dispatch_signal();
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            signal.mark_unchanged();
            let acquired = store.acquire(max).await?;
            let now = acquired.now;
            let dispatches: Vec<Dispatch> = acquired
                .approvals
                .iter()
                .filter_map(|approval| self.dispatch(approval, now).transpose())
                .collect::<Result<_, _>>()?;
            let remaining = deadline.saturating_duration_since(tokio::time::Instant::now());
            if !dispatches.is_empty() || remaining.is_zero() {
                return Ok(AcquireApprovalsResponse { dispatches });
            }
            // What is leased from now on gives no signal when its lease ends.
            let next = acquired.next.map_or(remaining, |next| now.until(next).min(remaining));
            let next = next.min(self.shared.dispatch_lease);
            tokio::select! {
                () = self.shared.closing.cancelled() => return Ok(AcquireApprovalsResponse::default()),
                _changed = signal.changed() => {}
                () = tokio::time::sleep(next) => {}
            }
        }
    }

    fn dispatch(&self, approval: &Approval, now: Moment) -> Result<Option<Dispatch>, ApprovalError> {
        let Some(warrant_jws) = self.shared.mint.mint(approval, now)? else {
            return Ok(None);
        };
        Ok(Some(Dispatch {
            approval: Some(reply::approval(approval)),
            warrant_jws,
            lease_expire_time: reply::timestamp(approval.progress.dispatch_time),
        }))
    }
}

#[tonic::async_trait]
impl<S: ApprovalStore> ApprovalService for ApprovalApi<S> {
    async fn create_approval(
        &self,
        request: Request<CreateApprovalRequest>,
    ) -> Result<Response<CreateApprovalResponse>, Status> {
        let caller = Caller::of(&request)?.clone();
        let remaining = CallContext::of(&request).remaining();
        let new = convert::create(request.into_inner())?;
        Ok(Response::new(self.create(&caller, new, remaining).await?))
    }

    async fn get_approval(
        &self,
        request: Request<GetApprovalRequest>,
    ) -> Result<Response<GetApprovalResponse>, Status> {
        let person = access::person(Caller::of(&request)?)?.clone();
        let id = convert::get(&request.into_inner().name)?;
        let approval = self.shared.store.get(id).await?.approval;
        access::check_visible(&person, &approval.content)?;
        Ok(Response::new(GetApprovalResponse {
            approval: Some(reply::approval(&approval)),
        }))
    }

    async fn list_approvals(
        &self,
        request: Request<ListApprovalsRequest>,
    ) -> Result<Response<ListApprovalsResponse>, Status> {
        let person = access::person(Caller::of(&request)?)?.clone();
        let request = request.into_inner();
        let query = access::narrow(convert::list(&request)?, &person);
        let scope = format!("ListApprovals|{}|{}|{}", request.filter, person.tenant, person.id());
        let position = page::decode(DOMAIN, &scope, &request.page_token)?;
        let after = position.and_then(|position| position.parse().ok());

        let query = Query { after, ..query };
        let (mut page, next) = page_of(&self.shared.store.list(query).await?);
        page.next_page_token = next.map_or_else(String::new, |next| page::encode(&scope, &next.to_string()));
        Ok(Response::new(page))
    }

    async fn grant_approval(
        &self,
        request: Request<GrantApprovalRequest>,
    ) -> Result<Response<GrantApprovalResponse>, Status> {
        let caller = Caller::of(&request)?.clone();
        let mut request = request.into_inner();
        let key = convert::request_key(principal(&caller), "GrantApproval", &mut request, |request| {
            &mut request.request_id
        });
        let judgement = convert::grant(request)?;
        let approval = self.vote(&caller, judgement, Decision::Grant, key).await?;
        Ok(Response::new(GrantApprovalResponse {
            approval: Some(reply::approval(&approval)),
        }))
    }

    async fn deny_approval(
        &self,
        request: Request<DenyApprovalRequest>,
    ) -> Result<Response<DenyApprovalResponse>, Status> {
        let caller = Caller::of(&request)?.clone();
        let mut request = request.into_inner();
        let key = convert::request_key(principal(&caller), "DenyApproval", &mut request, |request| {
            &mut request.request_id
        });
        let judgement = convert::deny(request)?;
        let approval = self.vote(&caller, judgement, Decision::Deny, key).await?;
        Ok(Response::new(DenyApprovalResponse {
            approval: Some(reply::approval(&approval)),
        }))
    }

    async fn cancel_approval(
        &self,
        request: Request<CancelApprovalRequest>,
    ) -> Result<Response<CancelApprovalResponse>, Status> {
        let caller = Caller::of(&request)?.clone();
        let person = access::person(&caller)?;
        let mut request = request.into_inner();
        let key = convert::request_key(principal(&caller), "CancelApproval", &mut request, |request| {
            &mut request.request_id
        });
        let (id, reason) = convert::cancel(request)?;
        let store = &self.shared.store;
        access::check_visible(person, &store.get(id).await?.approval.content)?;
        let cancel = CancelApproval {
            by: access::id_of(person),
            reason,
        };
        let approval = store
            .execute(id, Command::Cancel(cancel), Some(key))
            .await?
            .stored
            .approval;
        Ok(Response::new(CancelApprovalResponse {
            approval: Some(reply::approval(&approval)),
        }))
    }

    async fn revoke_approval(
        &self,
        request: Request<RevokeApprovalRequest>,
    ) -> Result<Response<RevokeApprovalResponse>, Status> {
        let caller = Caller::of(&request)?.clone();
        let mut request = request.into_inner();
        let key = convert::request_key(principal(&caller), "RevokeApproval", &mut request, |request| {
            &mut request.request_id
        });
        let Judgement { id, seen, reason } = convert::revoke(request)?;
        let store = &self.shared.store;
        let decider = access::decider(&caller, &store.get(id).await?.approval.content, false)?;
        let revoke = RevokeGrant {
            by: decider.id,
            seen,
            reason,
        };
        let approval = store
            .execute(id, Command::Revoke(revoke), Some(key))
            .await?
            .stored
            .approval;
        Ok(Response::new(RevokeApprovalResponse {
            approval: Some(reply::approval(&approval)),
        }))
    }

    type WatchApprovalsStream = Pin<Box<dyn Stream<Item = Result<WatchApprovalsResponse, Status>> + Send>>;

    async fn watch_approvals(
        &self,
        request: Request<WatchApprovalsRequest>,
    ) -> Result<Response<Self::WatchApprovalsStream>, Status> {
        let person = access::person(Caller::of(&request)?)?.clone();
        let request = request.into_inner();
        let query = convert::watch(&request.filter)?;
        let (store, closing) = (self.shared.store.clone(), self.shared.closing.clone());
        let watch = Watch::open(store, person, query, &request.resume_token, closing)?;
        Ok(Response::new(Box::pin(watch.into_stream())))
    }

    async fn acquire_approvals(
        &self,
        request: Request<AcquireApprovalsRequest>,
    ) -> Result<Response<AcquireApprovalsResponse>, Status> {
        let remaining = CallContext::of(&request).remaining();
        let request = request.into_inner();
        let mut violations = Violations::new(DOMAIN);
        let max = match usize::try_from(request.max_approvals) {
            Ok(0) => DEFAULT_ACQUIRED,
            Ok(max) => max.min(MAX_ACQUIRED),
            Err(_) => {
                violations.add("max_approvals", "must not be negative");
                0
            }
        };
        let wait = request
            .wait_duration
            .as_ref()
            .map_or(Some(Duration::ZERO), duration_from_proto);
        if wait.is_none() {
            violations.add("wait_duration", "must be a duration of at least zero");
        }
        violations.check()?;
        // An empty answer in time is better than a deadline.
        let in_time = remaining.map_or(LONGEST_WAIT, |left| left.saturating_sub(super::ANSWER_TIME));
        let wait = wait.unwrap_or_default().min(LONGEST_WAIT).min(in_time);
        Ok(Response::new(self.acquire(max, wait).await?))
    }
}

/// As many of them as go on one page, at least one, and the position after which the next one goes on.
fn page_of(listing: &Listing) -> (ListApprovalsResponse, Option<u64>) {
    let (mut page, mut bytes) = (ListApprovalsResponse::default(), 0);
    let mut next = listing.next;
    let mut last = None;
    for listed in &listing.listed {
        let approval = reply::approval(&listed.approval);
        bytes += approval.encoded_len();
        if bytes > PAGE_BYTES && last.is_some() {
            next = last;
            break;
        }
        page.approvals.push(approval);
        last = Some(listed.position);
    }
    let unreadable = listing.unreadable.iter();
    let here = unreadable.filter(|(position, _)| next.is_none_or(|next| *position >= next));
    page.unreachable = here.map(|(_, id)| id.name()).collect();
    (page, next)
}

/// The action must name exactly the person whose credential was forwarded.
fn check_requester(caller: &Caller, new: &NewApproval) -> Result<(), ApprovalError> {
    let person = access::person(caller)?;
    let action = &new.action;
    let named = [
        ("tenant", &action.tenant, &person.tenant),
        ("issuer", &action.issuer, &person.issuer),
        ("requester", &action.requester, &person.subject),
    ];
    match named.into_iter().find(|(_, named, actual)| named != actual) {
        Some((field, ..)) => Err(ApprovalError::RequesterMismatch { field }),
        None => Ok(()),
    }
}

/// The run is derived from who asks and the request's id, so that the same request finds the same run.
fn check_run(new: &NewApproval) -> Result<(), Status> {
    let action = &new.action;
    let derived = RunId::derive(&action.tenant, &action.issuer, &action.requester, &new.request_id);
    let mut violations = Violations::new(DOMAIN);
    if derived != action.run {
        violations.add("action.run_id", "is not the run of this requester and request id");
    }
    violations.check()
}

fn content(new: NewApproval, verdict: Verdict) -> Content {
    let action = new.action;
    let requester = crate::approval::PersonId {
        issuer: action.issuer.clone(),
        subject: action.requester.clone(),
    };
    Content {
        id: approval_id(&action.run),
        digest: verdict.act_digest,
        // The store fills in the quorum and the times.
        rule: Rule {
            risk: verdict.risk,
            quorum: 1,
            requester,
            pending_expire: Moment::MAX,
        },
        rule_ids: verdict.rules,
        reason: new.reason,
        safe_alternative: new.safe_alternative,
        policy_digest: verdict.policy,
        verdict_jws: new.verdict_jws,
        traceparent: new.traceparent,
        create_time: Moment::MAX,
        action,
    }
}

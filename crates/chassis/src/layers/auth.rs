//! Authentication and the rights table.

use std::sync::Arc;

use http::{HeaderMap, header::AUTHORIZATION};
use tonic::Status;

use super::Request;
use crate::{
    auth::{Caller, Person, Principal, Refusal, Rights, SUBJECT_HEADER, Verifier},
    context::CallContext,
    fault::to_status,
};

/// Decides who may come in.
#[derive(Debug)]
pub(super) struct Gate {
    verifier: Arc<Verifier>,
    rights: Rights,
}

// === impl Gate ===

impl Gate {
    pub(super) const fn new(verifier: Arc<Verifier>, rights: Rights) -> Self {
        Self { verifier, rights }
    }

    /// Lets the call in and says in it who is calling; else why not.
    pub(super) fn admit(&self, request: &mut Request) -> Result<(), Status> {
        if Rights::is_open(request.uri().path()) {
            return Ok(());
        }
        let caller = self
            .caller(request.uri().path(), request.headers())
            .map_err(|refusal| {
                tracing::info!(path = request.uri().path(), reason = %refusal, detail = refusal.detail(), "call refused");
                to_status(&refusal)
            })?;
        forward_person(&caller, request);
        request.extensions_mut().insert(caller);
        Ok(())
    }

    fn caller(&self, path: &str, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let token = bearer(headers).ok_or(Refusal::Missing)?;
        let principal = self.verifier.verify(token)?;
        let subject = self.subject(headers)?;
        if subject.is_some() && matches!(principal, Principal::Person(_)) {
            return Err(Refusal::Forwarded);
        }
        let caller = Caller { principal, subject };
        self.rights.check(path, &caller)?;
        Ok(caller)
    }

    fn subject(&self, headers: &HeaderMap) -> Result<Option<Person>, Refusal> {
        let Some(value) = headers.get(SUBJECT_HEADER) else {
            return Ok(None);
        };
        match self
            .verifier
            .verify(value.to_str().map_err(|_| Refusal::Invalid("it is no text"))?)?
        {
            Principal::Person(person) => Ok(Some(person)),
            Principal::Service(_) => Err(Refusal::Invalid("what is forwarded is not a person's")),
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// A person's own token goes along to the parts that this part calls for them.
fn forward_person(caller: &Caller, request: &mut Request) {
    if caller.direct_person().is_none() {
        return;
    }
    let Some(token) = bearer(request.headers()).map(str::to_owned) else {
        return;
    };
    if let Some(context) = request.extensions_mut().get_mut::<CallContext>() {
        context.set_subject_token(&token);
    }
}

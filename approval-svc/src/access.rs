//! Who may see and decide what: the part of it that depends on the approval.

use chassis::{Caller, PartName, Person};

use crate::{
    approval::{Content, PersonId},
    error::ApprovalError,
    store::Query,
};

/// Groups whose members see all approvals of their tenant.
const TENANT_WIDE: [&str; 3] = ["approvers", "auditors", "operators"];
/// The issuer that the simulated approver's votes show.
const SIMULATED_ISSUER: &str = "countersign";

/// Whoever decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decider {
    /// As it stands in the vote.
    pub id: PersonId,
    /// Whether this is the simulated approver.
    pub simulated: bool,
}

/// The person who asks, directly or through a part.
pub fn person(caller: &Caller) -> Result<&Person, ApprovalError> {
    caller.person().ok_or(ApprovalError::SubjectMissing)
}

/// The person's id.
pub fn id_of(person: &Person) -> PersonId {
    PersonId {
        issuer: person.issuer.clone(),
        subject: person.subject.clone(),
    }
}

/// The simulated approver, as its votes show it.
pub fn simulated_approver() -> Decider {
    let subject = PartName::SimulatedApprover.as_str().to_owned();
    Decider {
        id: PersonId {
            issuer: SIMULATED_ISSUER.to_owned(),
            subject,
        },
        simulated: true,
    }
}

/// Refuses, as if there were nothing, whoever may not see the approval: requesters see their own, approvers, auditors
/// and operators all of their tenant.
pub fn check_visible(person: &Person, content: &Content) -> Result<(), ApprovalError> {
    if sees(person, content) {
        Ok(())
    } else {
        Err(ApprovalError::NotFound)
    }
}

/// Whether the person may see the approval.
pub fn sees(person: &Person, content: &Content) -> bool {
    let action = &content.action;
    let own = person.is(&action.issuer, &action.requester);
    person.tenant == action.tenant && (own || is_tenant_wide(person))
}

/// Narrows a query to what the person may see.
pub fn narrow(query: Query, person: &Person) -> Query {
    let requester = (!is_tenant_wide(person)).then(|| id_of(person));
    Query {
        tenant: Some(person.tenant.clone()),
        requester,
        ..query
    }
}

/// Who decides here: a person of the approval's tenant, directly; or, if it is switched on, the simulated approver.
pub fn decider(caller: &Caller, content: &Content, simulation: bool) -> Result<Decider, ApprovalError> {
    match (caller.direct_person(), caller.service()) {
        (Some(person), _) => {
            check_visible(person, content)?;
            Ok(Decider {
                id: id_of(person),
                simulated: false,
            })
        }
        (None, Some(PartName::SimulatedApprover)) if simulation => Ok(simulated_approver()),
        (None, Some(PartName::SimulatedApprover)) => Err(ApprovalError::SimulationDisabled),
        (None, _) => Err(ApprovalError::NotPermitted("only people decide")),
    }
}

fn is_tenant_wide(person: &Person) -> bool {
    TENANT_WIDE.iter().any(|group| person.in_group(group))
}

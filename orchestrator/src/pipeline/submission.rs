//! From a request to its committed approval, or to the certainty (or at least the plain statement) that there is none.

use chassis::{fault, part::PartName};
use proto::{
    approval::v1::{Approval, CreateApprovalResponse, approval},
    classification::v1::Classification,
};
use tonic::Status;

use crate::error::{OrchestratorError, is_refusal, is_timeout, relay};

/// How far a submission is.
#[derive(Debug)]
pub(crate) struct Submission {
    digest: String,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Classifying,
    Creating,
    /// Looking for a run that may have been committed; `otherwise` is said when there is none.
    ReadingBack {
        otherwise: Refusal,
    },
    Ended,
}

/// What happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// The classifier answered.
    Classified(Result<Option<Classification>, Status>),
    /// The approval service answered.
    Created(Result<CreateApprovalResponse, Status>),
    /// The approval service said what it has under the run's name.
    ReadBack(Result<Option<Approval>, Status>),
}

/// What to do.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Ask the classifier.
    Classify,
    /// Create the approval.
    Create(Box<Classification>),
    /// Read the approval by its name, which is derived from the run.
    ReadBack,
    /// The approval is committed. With a warrant: dispatch it.
    Commit {
        approval: Box<Approval>,
        warrant_jws: Option<String>,
    },
    /// There is no run, or none that can be vouched for.
    Refuse(Refusal),
}

/// Why there is no run.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Another part refused, or can't be reached, before anything was committed.
    Relayed(PartName, Status),
    /// The orchestrator's own refusal.
    Own(OrchestratorError),
}

// === impl Submission ===

impl Submission {
    /// Starts with the digest of the action that is asked.
    pub(crate) fn start(digest: String) -> (Self, Effect) {
        let submission = Self {
            digest,
            stage: Stage::Classifying,
        };
        (submission, Effect::Classify)
    }

    /// Takes one event to the next stage and what to do there.
    pub(crate) fn step(self, event: Event) -> (Self, Effect) {
        let Self { digest, stage } = self;
        let (stage, effect) = match (stage, event) {
            (Stage::Classifying, Event::Classified(answer)) => classified(answer),
            (Stage::Creating, Event::Created(answer)) => created(&digest, answer),
            (Stage::ReadingBack { otherwise }, Event::ReadBack(answer)) => {
                (Stage::Ended, read_back(&digest, answer, otherwise))
            }
            (_, _) => refuse(broken(PartName::Orchestrator, "an event that was awaited")),
        };
        (Self { digest, stage }, effect)
    }
}

fn classified(answer: Result<Option<Classification>, Status>) -> (Stage, Effect) {
    match answer {
        Ok(Some(classification)) => (Stage::Creating, Effect::Create(Box::new(classification))),
        Ok(None) => refuse(broken(PartName::Classifier, "classification")),
        // The classifier can't be asked, but the request may be a repetition: then its run is found.
        Err(status) if !is_refusal(&status) => read_back_or(Refusal::Relayed(PartName::Classifier, status)),
        Err(status) => refuse(Refusal::Relayed(PartName::Classifier, status)),
    }
}

fn created(digest: &str, answer: Result<CreateApprovalResponse, Status>) -> (Stage, Effect) {
    match answer {
        Ok(response) => match response.approval {
            Some(approval) => (Stage::Ended, commit(digest, approval, response.warrant_jws)),
            None => refuse(broken(PartName::Approval, "approval")),
        },
        Err(status) => match OrchestratorError::if_unanswered(PartName::Approval, &status) {
            Some(unanswered) => read_back_or(Refusal::Own(unanswered)),
            None => refuse(Refusal::Relayed(PartName::Approval, status)),
        },
    }
}

fn read_back(digest: &str, answer: Result<Option<Approval>, Status>, otherwise: Refusal) -> Effect {
    match answer {
        // Its warrant, if it has one, went with the answer that was lost: the dispatch loop gets another.
        Ok(Some(approval)) => commit(digest, approval, String::new()),
        Ok(None) => Effect::Refuse(otherwise),
        Err(status) => Effect::Refuse(otherwise.unless_committed_before(&status)),
    }
}

fn commit(digest: &str, approval: Approval, warrant_jws: String) -> Effect {
    if approval.action_digest != digest {
        return Effect::Refuse(Refusal::Own(OrchestratorError::RequestIdReused));
    }
    let dispatchable = approval.state() == approval::State::Granted && !warrant_jws.is_empty();
    Effect::Commit {
        approval: Box::new(approval),
        warrant_jws: dispatchable.then_some(warrant_jws),
    }
}

fn read_back_or(otherwise: Refusal) -> (Stage, Effect) {
    (Stage::ReadingBack { otherwise }, Effect::ReadBack)
}

fn refuse(refusal: Refusal) -> (Stage, Effect) {
    (Stage::Ended, Effect::Refuse(refusal))
}

fn broken(part: PartName, field: &'static str) -> Refusal {
    Refusal::Own(OrchestratorError::BrokenAnswer { part, field })
}

// === impl Refusal ===

impl Refusal {
    /// The same, where it can't be found out whether the request is the repetition of one that was committed.
    fn unless_committed_before(self, status: &Status) -> Self {
        match self {
            Self::Relayed(..) => Self::Own(OrchestratorError::CommitUnknown {
                part: PartName::Approval,
                timed_out: is_timeout(status),
            }),
            Self::Own(error) => Self::Own(error),
        }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Relayed(part, status) => relay(part, status),
            Refusal::Own(error) => fault::to_status(&error),
        }
    }
}

#[cfg(test)]
mod tests;

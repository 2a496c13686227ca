//! From a committed approval to its outcome, as its caller sees it.
//!
//! Two sources tell what happens: the approval (authoritative, from approval-svc) and, while this replica executes the
//! run, what the executor streams. While live output comes, only that is followed. Only the approval ever says how a run
//! ended: as approval-svc answered the executor, which passes it on with the end, else read again.

use std::{mem, sync::Arc};

use proto::{
    approval::v1::Approval,
    common::v1::Outcome,
    execution::v1::Accepted,
    governance::v1::{Run, run},
};

use crate::convert::{is_over, run_of, state_of};

/// How far a follower is.
#[derive(Debug)]
pub(crate) struct Following {
    approval: Approval,
    announced: Option<run::State>,
    source: Source,
    answer: Answer,
    /// Pieces of the answer were missed: what comes after them would read as if nothing had.
    gap: bool,
}

/// What is listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The approval, and live output should it begin.
    Approval,
    /// Live output alone.
    Live,
    /// Nothing more: it ended.
    Nothing,
}

/// The agent's answer as far as it was heard live.
#[derive(Debug)]
enum Answer {
    /// Every piece from the first on.
    Whole(String),
    /// Every piece, and the executor said that there is no further one.
    Complete(String),
    /// Not heard, or with gaps, or too long to keep.
    Missing,
}

/// What happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// The approval, as approval-svc has it or answered the executor.
    Seen(Box<Approval>),
    /// This replica's dispatch began.
    Dispatching,
    /// The executor claimed the warrant.
    Accepted(Accepted),
    /// The next piece of the agent's answer.
    Chunk(Arc<str>),
    /// Pieces were missed.
    Lagged,
    /// The executor said how it ended.
    Finished(Outcome),
    /// No more live output comes.
    Closed,
    /// The answer was read from the trace, or why it couldn't be.
    Answer(Result<String, String>),
}

/// What to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Effect {
    /// Tell the caller where the run is.
    Announce(Box<Run>),
    /// Pass a piece of the answer on.
    Forward(Arc<str>),
    /// Read the approval again.
    Reread,
    /// Read the answer from the trace.
    ReadAnswer,
}

/// The longest answer that a follower keeps; a longer one is read from the trace.
const ANSWER_MAX_BYTES: usize = 1024 * 1024;

// === impl Following ===

impl Following {
    /// Starts with the approval as it is; `dispatching` says whether this replica is about to execute it.
    pub(crate) fn start(approval: Approval, dispatching: bool) -> (Self, Vec<Effect>) {
        let mut following = Self {
            approval: approval.clone(),
            announced: None,
            source: Source::Approval,
            answer: Answer::Missing,
            gap: false,
        };
        let mut effects = following.step(Event::Seen(Box::new(approval)));
        if dispatching {
            effects.extend(following.step(Event::Dispatching));
        }
        (following, effects)
    }

    /// What to listen to now.
    pub(crate) const fn source(&self) -> Source {
        self.source
    }

    /// Takes one event to the next state; returns what to do, in order.
    pub(crate) fn step(&mut self, event: Event) -> Vec<Effect> {
        if self.source == Source::Nothing {
            return match event {
                Event::Answer(answer) => vec![self.last(answer)],
                _ => Vec::new(),
            };
        }
        match event {
            Event::Seen(approval) => self.seen(*approval),
            Event::Dispatching => {
                self.source = Source::Live;
                Vec::new()
            }
            Event::Accepted(accepted) => self.accepted(&accepted),
            Event::Chunk(text) => self.chunk(text),
            Event::Lagged => {
                self.answer = Answer::Missing;
                self.gap = true;
                Vec::new()
            }
            Event::Finished(outcome) => {
                self.finished(outcome);
                Vec::new()
            }
            Event::Closed => {
                self.source = Source::Approval;
                vec![Effect::Reread]
            }
            Event::Answer(_) => Vec::new(),
        }
    }

    fn seen(&mut self, approval: Approval) -> Vec<Effect> {
        if approval.name != self.approval.name || is_older(&approval, &self.approval) {
            return Vec::new();
        }
        self.approval = approval;
        let state = state_of(&self.approval);
        if !is_over(state) {
            return self.announce(state).into_iter().collect();
        }
        self.source = Source::Nothing;
        if state != run::State::Succeeded {
            return vec![Effect::Announce(Box::new(run_of(&self.approval)))];
        }
        match mem::replace(&mut self.answer, Answer::Missing) {
            Answer::Complete(text) => vec![self.last(Ok(text))],
            Answer::Whole(_) | Answer::Missing => vec![Effect::ReadAnswer],
        }
    }

    fn announce(&mut self, state: run::State) -> Option<Effect> {
        if self.announced == Some(state) {
            return None;
        }
        self.announced = Some(state);
        Some(Effect::Announce(Box::new(run_of(&self.approval))))
    }

    fn accepted(&mut self, accepted: &Accepted) -> Vec<Effect> {
        self.source = Source::Live;
        self.answer = Answer::Whole(String::new());
        self.gap = false;
        if self.announced == Some(run::State::Executing) {
            return Vec::new();
        }
        self.announced = Some(run::State::Executing);
        let mut run = run_of(&self.approval);
        run.set_state(run::State::Executing);
        run.update_time = accepted.accept_time.or(run.update_time);
        run.expire_time = None;
        vec![Effect::Announce(Box::new(run))]
    }

    fn chunk(&mut self, text: Arc<str>) -> Vec<Effect> {
        match &mut self.answer {
            Answer::Whole(answer) if answer.len() + text.len() <= ANSWER_MAX_BYTES => {
                answer.push_str(&text);
            }
            _ => self.answer = Answer::Missing,
        }
        if self.gap {
            return Vec::new();
        }
        vec![Effect::Forward(text)]
    }

    fn finished(&mut self, outcome: Outcome) {
        self.answer = match mem::replace(&mut self.answer, Answer::Missing) {
            Answer::Whole(text) if outcome == Outcome::Succeeded => Answer::Complete(text),
            _ => Answer::Missing,
        };
    }

    fn last(&self, answer: Result<String, String>) -> Effect {
        Effect::Announce(Box::new(with_answer(run_of(&self.approval), answer)))
    }
}

/// The run with the agent's answer, or with the reason why it can't be shown now.
pub(crate) fn with_answer(mut run: Run, answer: Result<String, String>) -> Run {
    match answer {
        Ok(text) => run.output = text,
        Err(why) if run.detail.is_empty() => run.detail = why,
        Err(why) => run.detail = format!("{}; {why}", run.detail),
    }
    run
}

/// Whether `approval` is an earlier state than `known`: streams may repeat what was read before.
fn is_older(approval: &Approval, known: &Approval) -> bool {
    let time = |approval: &Approval| approval.update_time.map(|time| (time.seconds, time.nanos));
    time(approval) < time(known)
}

#[cfg(test)]
mod tests;

//! What agents answer while this replica executes their runs, for whoever follows them here.
//!
//! Bounded, and of no consequence: the answer that counts is the one in the trace. A reader that comes late gets what
//! was said so far, one that falls too far behind is told so.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use prost::Message as _;
use proto::{approval::v1::Approval, common::v1::Outcome, execution::v1::Accepted};
use tokio::sync::watch;
use warrant::RunId;

/// The runs of which something is, or may be, said.
#[derive(Clone, Debug, Default)]
pub(crate) struct LiveRuns {
    topics: Arc<Mutex<HashMap<RunId, Entry>>>,
}

/// Says what happens in one execution; closes it when dropped.
#[derive(Debug)]
pub(crate) struct Speaker {
    membership: Membership,
}

/// Hears what happens in the executions of one run.
#[derive(Debug)]
pub(crate) struct Listener {
    membership: Membership,
    next: u64,
    signal: watch::Receiver<u64>,
}

/// What happens in an execution.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Said {
    /// The executor claimed the warrant.
    Accepted(Accepted),
    /// The next piece of the answer.
    Chunk(Arc<str>),
    /// The listener missed something.
    Lagged,
    /// The executor said how it ended.
    Finished(Outcome),
    /// The approval, as approval-svc answered the executor.
    Approval(Arc<Approval>),
    /// No more comes of this execution.
    Closed,
}

/// Bytes kept for each run.
const KEPT_BYTES: usize = 1024 * 1024;
/// What an item costs besides its text.
const ITEM_BYTES: usize = 64;

/// A topic and how many speak or listen.
#[derive(Debug)]
struct Entry {
    topic: Arc<Topic>,
    members: usize,
}

#[derive(Debug)]
struct Topic {
    kept: Mutex<Kept>,
    end: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    items: VecDeque<Said>,
    first: u64,
    bytes: usize,
}

/// Keeps a topic on the list; the last to leave takes it off.
#[derive(Debug)]
struct Membership {
    runs: LiveRuns,
    run: RunId,
    topic: Arc<Topic>,
}

// === impl LiveRuns ===

impl LiveRuns {
    /// Starts to speak of an execution of `run`.
    pub(crate) fn speak(&self, run: RunId) -> Speaker {
        Speaker {
            membership: self.join(run),
        }
    }

    /// Listens to the executions of `run`, from the start of what is kept.
    pub(crate) fn listen(&self, run: RunId) -> Listener {
        let membership = self.join(run);
        let signal = membership.topic.end.subscribe();
        Listener {
            membership,
            next: 0,
            signal,
        }
    }

    fn join(&self, run: RunId) -> Membership {
        let mut topics = self.lock();
        let entry = topics.entry(run).or_insert_with(|| Entry {
            topic: Arc::new(Topic::new()),
            members: 0,
        });
        entry.members += 1;
        Membership {
            runs: self.clone(),
            run,
            topic: Arc::clone(&entry.topic),
        }
    }

    fn leave(&self, run: RunId) {
        let mut topics = self.lock();
        if let Some(entry) = topics.get_mut(&run) {
            entry.members -= 1;
            if entry.members == 0 {
                topics.remove(&run);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RunId, Entry>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }
}

// === impl Speaker ===

impl Speaker {
    /// Tells everyone who listens.
    pub(crate) fn say(&self, said: Said) {
        self.membership.topic.push(said);
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.say(Said::Closed);
    }
}

// === impl Listener ===

impl Listener {
    /// The next thing said; waits for it. Nothing is lost when the future is dropped.
    pub(crate) async fn hear(&mut self) -> Said {
        loop {
            let (found, next) = self.membership.topic.get(self.next);
            self.next = next;
            if let Some(said) = found {
                return said;
            }
            if self.signal.changed().await.is_err() {
                // The topic holds the sender and this listener the topic, so this is never reached.
                return Said::Closed;
            }
        }
    }
}

// === impl Topic ===

impl Topic {
    fn new() -> Self {
        Self {
            kept: Mutex::default(),
            end: watch::Sender::new(0),
        }
    }

    fn push(&self, said: Said) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += cost(&said);
        kept.items.push_back(said);
        while kept.bytes > KEPT_BYTES && kept.items.len() > 1 {
            if let Some(dropped) = kept.items.pop_front() {
                kept.bytes -= cost(&dropped);
                kept.first += 1;
            }
        }
        let end = kept.first + kept.items.len() as u64;
        drop(kept);
        self.end.send_replace(end);
    }

    /// The item at `position` and the position after it.
    fn get(&self, position: u64) -> (Option<Said>, u64) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(offset) = position.checked_sub(kept.first) else {
            return (Some(Said::Lagged), kept.first);
        };
        let item = usize::try_from(offset).ok().and_then(|offset| kept.items.get(offset));
        match item {
            Some(said) => (Some(said.clone()), position + 1),
            None => (None, position),
        }
    }
}

fn cost(said: &Said) -> usize {
    match said {
        Said::Chunk(text) => ITEM_BYTES + text.len(),
        Said::Approval(approval) => ITEM_BYTES + approval.encoded_len(),
        Said::Accepted(_) | Said::Lagged | Said::Finished(_) | Said::Closed => ITEM_BYTES,
    }
}

// === impl Membership ===

impl Drop for Membership {
    fn drop(&mut self) {
        self.runs.leave(self.run);
    }
}

#[cfg(test)]
mod tests;

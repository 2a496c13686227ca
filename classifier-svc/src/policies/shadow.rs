//! The shadow: a policy that is tried out beside the live one, and that harms nothing if it can't be loaded.

use std::sync::{Arc, OnceLock};

use chassis::Clock;
use tokio::sync::{Mutex, Semaphore};

use super::{Differences, Loader, Refusal, Refused, Slot};

/// More actions than this are not kept waiting for the shadow: they are passed over, and counted.
const MAX_WAITING: usize = 64;

/// A policy that is tried out.
#[derive(Debug)]
pub struct Shadow {
    /// What it says otherwise than the live one.
    pub differences: Differences,
    /// How many actions wait to be judged.
    pub(crate) places: Arc<Semaphore>,
    /// Whose turn it is: one action is judged at a time, so that most of the machine is left to live requests.
    pub(crate) turn: Mutex<()>,
    loader: Loader,
    clock: Arc<dyn Clock>,
    slot: OnceLock<Slot>,
    /// Why nothing could be loaded yet.
    refused: Refusal,
}

// === impl Shadow ===

impl Shadow {
    pub(super) fn open(loader: Loader, clock: Arc<dyn Clock>) -> Self {
        let shadow = Self {
            differences: Differences::default(),
            places: Arc::new(Semaphore::new(MAX_WAITING)),
            turn: Mutex::default(),
            loader,
            clock,
            slot: OnceLock::new(),
            refused: Refusal::default(),
        };
        shadow.refresh();
        shadow
    }

    /// The policy; none until one could be loaded.
    pub fn slot(&self) -> Option<&Slot> {
        self.slot.get()
    }

    /// The bundle that was refused since, if any.
    pub fn refused(&self) -> Option<Refused> {
        self.slot().map_or_else(|| self.refused.last(), Slot::refused)
    }

    /// Looks at the files again; whether what is tried out is what they say.
    pub fn refresh(&self) -> bool {
        if let Some(slot) = self.slot() {
            return slot.refresh();
        }
        match Slot::open(self.loader.clone(), Arc::clone(&self.clock)) {
            Ok(slot) => self.slot.set(slot).is_ok(),
            Err(error) => {
                if self.refused.note(&error, None, self.clock.now()) {
                    tracing::error!(reason = %error, "the shadow policy is refused; none is tried out");
                }
                false
            }
        }
    }
}

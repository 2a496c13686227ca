//! The policies at work: the live one, whose verdicts count, and a shadow, which is tried out beside it.
//!
//! A policy is put to work whole: read, its signature checked, compiled, its own tests run, and only then swapped in.
//! Whatever is refused changes nothing; what was at work stays, and says why the new one was refused.

mod differences;
mod load;
pub mod reload;
mod shadow;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use arc_swap::ArcSwap;
use chassis::Clock;

use crate::{
    classifier::Classifier,
    policy::{PolicyError, bundle::Bundle},
};

pub use differences::{Difference, Differences};
pub use load::{Loaded, Loader};
pub use shadow::Shadow;

/// The policies at work.
#[derive(Debug)]
pub struct Policies {
    /// The one whose verdicts count.
    pub live: Slot,
    /// The one that is tried out.
    pub shadow: Option<Shadow>,
}

/// The place of one policy, in which a newer one may take over.
#[derive(Debug)]
pub struct Slot {
    loader: Loader,
    clock: Arc<dyn Clock>,
    loaded: ArcSwap<Loaded>,
    refused: Refusal,
}

/// The last refusal, until what is there is good.
#[derive(Debug, Default)]
struct Refusal(Mutex<Option<Refused>>);

/// A bundle that was refused.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Why.
    pub reason: String,
    /// When.
    pub time: SystemTime,
    /// It, if it could be read.
    bundle: Option<Bundle>,
}

// === impl Policies ===

impl Policies {
    /// These policies, as they are at the start. A shadow that can't be loaded is refused, and keeps nothing from working.
    pub fn open(live: Loader, shadow: Option<Loader>, clock: &Arc<dyn Clock>) -> Result<Self, PolicyError> {
        let live = Slot::open(live, Arc::clone(clock))?;
        let shadow = shadow.map(|loader| Shadow::open(loader, Arc::clone(clock)));
        Ok(Self { live, shadow })
    }

    /// One classifier, as it is.
    pub fn fixed(classifier: Classifier, clock: Arc<dyn Clock>) -> Self {
        Self {
            live: Slot::fixed(classifier, clock),
            shadow: None,
        }
    }

    /// Looks at the files of both again; whether what is at work is what they say.
    pub fn refresh(&self) -> bool {
        let live = self.live.refresh();
        self.shadow.as_ref().is_none_or(Shadow::refresh) && live
    }
}

// === impl Slot ===

impl Slot {
    fn open(loader: Loader, clock: Arc<dyn Clock>) -> Result<Self, PolicyError> {
        let first = loader.load(clock.now())?;
        Ok(Self {
            loader,
            clock,
            loaded: ArcSwap::from_pointee(first),
            refused: Refusal::default(),
        })
    }

    fn fixed(classifier: Classifier, clock: Arc<dyn Clock>) -> Self {
        let loaded = Loaded::unsigned(classifier, clock.now());
        Self {
            loader: Loader::default(),
            clock,
            loaded: ArcSwap::from_pointee(loaded),
            refused: Refusal::default(),
        }
    }

    /// The policy at work now. Whoever holds it has one policy from beginning to end.
    pub fn loaded(&self) -> Arc<Loaded> {
        self.loaded.load_full()
    }

    /// The bundle that was refused since, if any.
    pub fn refused(&self) -> Option<Refused> {
        self.refused.last()
    }

    /// Looks at the files again; whether what is at work is what they say.
    pub fn refresh(&self) -> bool {
        let current = self.loaded();
        let bundle = match self.loader.read() {
            Ok(Some(bundle)) => bundle,
            Ok(None) => return true,
            Err(error) => return self.refuse(&error, None),
        };
        if bundle.digest() == current.classifier.digest() {
            return match self.loader.check_signature(&bundle) {
                Ok(key_id) if key_id == current.key_id => {
                    self.refused.forget();
                    true
                }
                Ok(_) => self.take(&current, bundle),
                Err(error) => self.refuse(&error, Some(bundle)),
            };
        }
        if self.refused.is_of(&bundle) {
            return false;
        }
        self.take(&current, bundle)
    }

    fn take(&self, current: &Loaded, bundle: Bundle) -> bool {
        match self.loader.replace(current, &bundle, self.clock.now()) {
            Ok(loaded) => {
                self.loaded.store(Arc::new(loaded));
                self.refused.forget();
                true
            }
            Err(error) => self.refuse(&error, Some(bundle)),
        }
    }

    fn refuse(&self, error: &PolicyError, bundle: Option<Bundle>) -> bool {
        if self.refused.note(error, bundle, self.clock.now()) {
            tracing::error!(reason = %error, "a changed policy is refused; the one at work stays");
        }
        false
    }
}

// === impl Refusal ===

impl Refusal {
    fn last(&self) -> Option<Refused> {
        self.lock().clone()
    }

    /// Whether it was this bundle that was refused.
    fn is_of(&self, bundle: &Bundle) -> bool {
        self.lock()
            .as_ref()
            .is_some_and(|refused| refused.bundle.as_ref() == Some(bundle))
    }

    /// Notes a refusal; whether it is for another reason than the last.
    fn note(&self, error: &PolicyError, bundle: Option<Bundle>, time: SystemTime) -> bool {
        let reason = error.to_string();
        // A file that couldn't be read or written is no fault of the bundle, and who may sign may change: it is tried again.
        let bundle = bundle.filter(|_| !matches!(error, PolicyError::Read { .. } | PolicyError::Signature(_)));
        let mut refused = self.lock();
        let new = refused.as_ref().is_none_or(|known| known.reason != reason);
        *refused = Some(Refused { reason, time, bundle });
        new
    }

    fn forget(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Refused>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

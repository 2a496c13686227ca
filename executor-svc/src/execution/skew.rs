//! How far the clocks of executor-svc and approval-svc stand apart, which each claim shows.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use chassis::time;
use proto::approval::v1::Claim;

use crate::error::ExecutionError;

pub(super) const SKEW_WARNING: Duration = Duration::from_secs(5);
pub(super) const SKEW_LIMIT: Duration = warrant::CLOCK_LEEWAY;

/// How long a skew that was too large is taken to last. Every claim that finds it uses up an attempt of work that an
/// executor whose clock is right could do.
const MEMORY: Duration = Duration::from_mins(3);

/// The last skew that was too large.
#[derive(Debug, Default)]
pub(crate) struct KnownSkew(Mutex<Option<Found>>);

#[derive(Debug, Clone, Copy)]
struct Found {
    skew: Duration,
    /// By the monotonic clock, as the other one is wrong.
    at: Duration,
}

// === impl KnownSkew ===

impl KnownSkew {
    pub(super) fn remember(&self, skew: Duration, now: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Found { skew, at: now });
    }

    /// Checks that no skew is remembered.
    pub(super) fn check(&self, now: Duration) -> Result<(), ExecutionError> {
        match *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(Found { skew, at }) if now.saturating_sub(at) < MEMORY => Err(ExecutionError::ClockSkew(skew)),
            _ => Ok(()),
        }
    }
}

/// How far the server's clock stands outside the time in which it was asked.
pub(super) fn skew(claim: &Claim, before: SystemTime, after: SystemTime) -> Duration {
    let Some(server) = claim.server_time.as_ref().and_then(time::from_proto) else {
        return Duration::MAX;
    };
    let behind = before.duration_since(server).unwrap_or_default();
    let ahead = server.duration_since(after).unwrap_or_default();
    behind.max(ahead)
}

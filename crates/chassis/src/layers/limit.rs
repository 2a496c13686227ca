//! Load shedding: past the limit a call is refused at once, so that those inside finish.

use std::time::Duration;

use proto::common::v1::ErrorReason;
use tokio::sync::{Semaphore, SemaphorePermit};
use tonic::Status;

use crate::{
    fault::{Code, Fault, to_status},
    part::PartName,
};

/// How many calls may be inside a part at once.
#[derive(Debug)]
pub(super) struct Limit {
    part: PartName,
    places: Semaphore,
}

#[derive(Debug, thiserror::Error)]
#[error("too many calls at once")]
struct Overloaded(PartName);

// === impl Limit ===

impl Limit {
    pub(super) fn new(part: PartName, places: usize) -> Self {
        Self {
            part,
            places: Semaphore::new(places),
        }
    }

    /// A place inside; none is needed for health checks, which must be answered above all when there is much to do.
    pub(super) fn enter(&self, path: &str) -> Result<Option<SemaphorePermit<'_>>, Status> {
        if path.starts_with("/grpc.health.v1.") {
            return Ok(None);
        }
        self.places
            .try_acquire()
            .map(Some)
            .map_err(|_| to_status(&Overloaded(self.part)))
    }
}

// === impl Overloaded ===

impl Fault for Overloaded {
    fn domain(&self) -> &'static str {
        self.0.domain()
    }

    fn code(&self) -> Code {
        Code::ResourceExhausted
    }

    fn reason(&self) -> ErrorReason {
        ErrorReason::Overloaded
    }

    fn retry_after(&self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }
}

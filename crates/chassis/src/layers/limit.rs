//! Load shedding: past the limit a call is refused at once, so that those inside finish.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use proto::common::v1::ErrorReason;
use tokio::sync::Semaphore;

use super::refuse;
use crate::{
    fault::{Code, Fault, to_status},
    part::PartName,
};

/// How many calls may be inside a part at once.
#[derive(Debug, Clone)]
pub(crate) struct Limit {
    part: PartName,
    places: Arc<Semaphore>,
}

#[derive(Debug, thiserror::Error)]
#[error("too many calls at once")]
struct Overloaded(PartName);

pub(crate) async fn limit(State(limit): State<Limit>, request: Request, next: Next) -> Response {
    // Health checks must be answered above all when there is much to do.
    if request.uri().path().starts_with("/grpc.health.v1.") {
        return next.run(request).await;
    }
    let Ok(_place) = limit.places.try_acquire() else {
        return refuse(&to_status(&Overloaded(limit.part)));
    };
    next.run(request).await
}

// === impl Limit ===

impl Limit {
    pub(crate) fn new(part: PartName, places: usize) -> Self {
        Self { part, places: Arc::new(Semaphore::new(places)) }
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

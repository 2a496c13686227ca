//! Load shedding: past the limits a call is refused at once, so that those inside finish.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use prost::Message as _;
use prost_types::FileDescriptorSet;
use proto::common::v1::ErrorReason;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Status, body::Body};

use super::{
    Response,
    answer::{End, OpenAnswer},
    share::{Holder, Piece, Shares},
};
use crate::{
    BoxError,
    auth::Caller,
    config::NodeConfig,
    fault::{Code, Fault, to_status},
    part::PartName,
};

/// How many calls may be inside a part at once, and how many streaming answers open. They are counted apart: those who
/// watch for hours must not keep out those who decide.
#[derive(Debug)]
pub(super) struct Limit {
    part: PartName,
    calls: Bound,
    answers: Bound,
    streaming: BTreeSet<String>,
}

/// How many there may be at once: of all callers, and of one.
#[derive(Debug)]
struct Bound {
    of_all: Arc<Semaphore>,
    of_caller: Arc<Shares>,
}

/// One of them.
#[derive(Debug)]
struct Place {
    _of_all: OwnedSemaphorePermit,
    of_caller: Option<Piece>,
}

const HEALTH_CHECK: &str = "/grpc.health.v1.Health/Check";
/// What answers with a stream besides the contract's methods.
const OPEN_STREAMS: [&str; 3] = [
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// A call's places inside; none for health checks, which must be answered above all when there is much to do.
#[derive(Debug, Default)]
pub(super) struct Places {
    call: Option<Place>,
    answer: Option<Place>,
}

#[derive(Debug, thiserror::Error)]
#[error("too many {1} at once")]
struct Overloaded(PartName, &'static str);

// === impl Limit ===

impl Limit {
    pub(super) fn new(part: PartName, config: &NodeConfig) -> Result<Self, BoxError> {
        Ok(Self {
            part,
            calls: Bound::new(config.max_requests, config.max_requests_per_caller),
            answers: Bound::new(config.max_open_streams, config.max_open_streams_per_caller),
            streaming: streaming_methods()?,
        })
    }

    /// Places inside, before it is known who is calling.
    pub(super) fn enter(&self, path: &str) -> Result<Places, Status> {
        if path == HEALTH_CHECK {
            return Ok(Places::default());
        }
        let call = self.calls.enter().ok_or_else(|| self.full("calls"))?;
        let mut places = Places {
            call: Some(call),
            answer: None,
        };
        if self.streaming.contains(path) {
            places.answer = Some(self.answers.enter().ok_or_else(|| self.full("open streams"))?);
        }
        Ok(places)
    }

    /// Takes the places out of the caller's share as well.
    pub(super) fn share(&self, places: &mut Places, caller: Option<&Caller>) -> Result<(), Status> {
        let Some(holder) = Holder::of(caller) else {
            return Ok(());
        };
        if !self.calls.share(&mut places.call, &holder) {
            return Err(self.full("calls of one caller"));
        }
        if !self.answers.share(&mut places.answer, &holder) {
            return Err(self.full("open streams of one caller"));
        }
        Ok(())
    }

    fn full(&self, what: &'static str) -> Status {
        to_status(&Overloaded(self.part, what))
    }
}

/// The paths of the methods that answer with a stream.
fn streaming_methods() -> Result<BTreeSet<String>, BoxError> {
    let contract = FileDescriptorSet::decode(proto::FILE_DESCRIPTOR_SET)?;
    let mut paths = BTreeSet::from(OPEN_STREAMS.map(str::to_owned));
    for file in &contract.file {
        for service in &file.service {
            let streaming = service.method.iter().filter(|method| method.server_streaming());
            paths.extend(streaming.map(|method| format!("/{}.{}/{}", file.package(), service.name(), method.name())));
        }
    }
    Ok(paths)
}

// === impl Bound ===

impl Bound {
    fn new(of_all: usize, of_caller: usize) -> Self {
        Self {
            of_all: Arc::new(Semaphore::new(of_all)),
            of_caller: Arc::new(Shares::new(of_caller)),
        }
    }

    fn enter(&self) -> Option<Place> {
        let place = Arc::clone(&self.of_all).try_acquire_owned().ok()?;
        Some(Place {
            _of_all: place,
            of_caller: None,
        })
    }

    /// Whether the place, if there is one, was within the holder's share.
    fn share(&self, place: &mut Option<Place>, holder: &Holder) -> bool {
        let Some(place) = place else {
            return true;
        };
        place.of_caller = self.of_caller.take(holder);
        place.of_caller.is_some()
    }
}

// === impl Places ===

impl Places {
    /// The answer, which keeps its place while it is open; a streaming one is over at `end`, if not before.
    pub(super) fn hold(self, answer: Response, end: Option<End>) -> Response {
        match self.answer {
            Some(place) => answer.map(|body| Body::new(OpenAnswer::new(body, place, end))),
            None => answer,
        }
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

//! Load shedding: past the limits a call is refused at once, so that those inside finish.

use std::{
    collections::BTreeSet,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http_body::{Body as HttpBody, Frame, SizeHint};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use proto::common::v1::ErrorReason;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tonic::{Status, body::Body};

use super::{
    Response,
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
    calls: Semaphore,
    answers: Arc<Semaphore>,
    shares: Arc<Shares>,
    streaming: BTreeSet<String>,
}

const HEALTH_CHECK: &str = "/grpc.health.v1.Health/Check";
/// What answers with a stream besides the contract's methods.
const OPEN_STREAMS: [&str; 3] = [
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// A call's places inside.
#[derive(Debug, Default)]
pub(super) struct Places<'a> {
    _call: Option<SemaphorePermit<'a>>,
    answer: Option<AnswerPlace>,
}

/// A place for a streaming answer, out of all and out of its caller's share.
#[derive(Debug)]
struct AnswerPlace {
    _of_all: OwnedSemaphorePermit,
    of_caller: Option<Piece>,
}

/// A streaming answer that keeps its place until it is over or its reader has gone.
struct Open {
    body: Body,
    _place: AnswerPlace,
}

#[derive(Debug, thiserror::Error)]
#[error("too many {1} at once")]
struct Overloaded(PartName, &'static str);

// === impl Limit ===

impl Limit {
    pub(super) fn new(part: PartName, config: &NodeConfig) -> Result<Self, BoxError> {
        Ok(Self {
            part,
            calls: Semaphore::new(config.max_requests),
            answers: Arc::new(Semaphore::new(config.max_open_streams)),
            shares: Arc::new(Shares::new(config.max_open_streams_per_caller)),
            streaming: streaming_methods()?,
        })
    }

    /// Places inside; none is needed for health checks, which must be answered above all when there is much to do.
    pub(super) fn enter(&self, path: &str) -> Result<Places<'_>, Status> {
        if path == HEALTH_CHECK {
            return Ok(Places::default());
        }
        let call = self.calls.try_acquire().map_err(|_| self.full("calls"))?;
        let answer = if self.streaming.contains(path) {
            let place = Arc::clone(&self.answers).try_acquire_owned();
            Some(AnswerPlace {
                _of_all: place.map_err(|_| self.full("open streams"))?,
                of_caller: None,
            })
        } else {
            None
        };
        Ok(Places {
            _call: Some(call),
            answer,
        })
    }

    /// Takes a streaming answer's place out of its caller's share as well, once it is known who is calling.
    pub(super) fn share(&self, places: &mut Places<'_>, caller: Option<&Caller>) -> Result<(), Status> {
        let (Some(place), Some(holder)) = (&mut places.answer, Holder::of(caller)) else {
            return Ok(());
        };
        let piece = self.shares.take(holder);
        place.of_caller = Some(piece.ok_or_else(|| self.full("open streams of one caller"))?);
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

// === impl Places ===

impl Places<'_> {
    /// The answer, which keeps its place while it is open.
    pub(super) fn hold(self, answer: Response) -> Response {
        match self.answer {
            Some(place) => answer.map(|body| Body::new(Open { body, _place: place })),
            None => answer,
        }
    }
}

// === impl Open ===

impl HttpBody for Open {
    type Data = <Body as HttpBody>::Data;
    type Error = <Body as HttpBody>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
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

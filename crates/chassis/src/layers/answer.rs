//! Streaming answers while they are open.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use proto::common::v1::ErrorReason;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::{Status, body::Body};

use crate::{
    fault::{Code, status},
    part::PartName,
};

/// A streaming answer that keeps its place until it is over or its reader has gone.
pub(super) struct OpenAnswer<P> {
    body: Body,
    _place: P,
    end: Option<End>,
    ended: bool,
}

/// When an answer that never ends by itself ends: with `SHUTTING_DOWN`, when the part closes.
pub(super) struct End {
    part: PartName,
    closing: Pin<Box<WaitForCancellationFutureOwned>>,
}

// === impl OpenAnswer ===

impl<P> OpenAnswer<P> {
    pub(super) const fn new(body: Body, place: P, end: Option<End>) -> Self {
        Self {
            body,
            _place: place,
            end,
            ended: false,
        }
    }
}

impl<P: Unpin> HttpBody for OpenAnswer<P> {
    type Data = <Body as HttpBody>::Data;
    type Error = <Body as HttpBody>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame);
        }
        let Some(end) = &mut self.end else {
            return Poll::Pending;
        };
        ready!(end.closing.as_mut().poll(context));
        let last = end.trailers().map(Frame::trailers);
        self.ended = true;
        Poll::Ready(Some(last))
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

// === impl End ===

impl End {
    pub(super) fn new(part: PartName, closing: CancellationToken) -> Self {
        Self {
            part,
            closing: Box::pin(closing.cancelled_owned()),
        }
    }

    fn trailers(&self) -> Result<HeaderMap, Status> {
        let message = format!("{} is shutting down", self.part);
        let shut = status(
            self.part.domain(),
            Code::Unavailable,
            ErrorReason::ShuttingDown,
            message,
        );
        let mut trailers = HeaderMap::new();
        shut.add_header(&mut trailers)?;
        Ok(trailers)
    }
}

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
}

/// An answer that would never end by itself: when the part closes it ends with `SHUTTING_DOWN`.
pub(super) struct EndlessAnswer {
    part: PartName,
    body: Body,
    closing: Pin<Box<WaitForCancellationFutureOwned>>,
    over: bool,
}

// === impl OpenAnswer ===

impl<P> OpenAnswer<P> {
    pub(super) const fn new(body: Body, place: P) -> Self {
        Self { body, _place: place }
    }
}

impl<P: Unpin> HttpBody for OpenAnswer<P> {
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

// === impl EndlessAnswer ===

impl EndlessAnswer {
    pub(super) fn new(part: PartName, body: Body, closing: CancellationToken) -> Self {
        Self {
            part,
            body,
            closing: Box::pin(closing.cancelled_owned()),
            over: false,
        }
    }

    fn parting_words(&self) -> Result<HeaderMap, Status> {
        let message = format!("{} is shutting down", self.part);
        let mut trailers = HeaderMap::new();
        status(
            self.part.domain(),
            Code::Unavailable,
            ErrorReason::ShuttingDown,
            message,
        )
        .add_header(&mut trailers)?;
        Ok(trailers)
    }
}

impl HttpBody for EndlessAnswer {
    type Data = <Body as HttpBody>::Data;
    type Error = <Body as HttpBody>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.over {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame);
        }
        ready!(self.closing.as_mut().poll(context));
        self.over = true;
        Poll::Ready(Some(self.parting_words().map(Frame::trailers)))
    }
}

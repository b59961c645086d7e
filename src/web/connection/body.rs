//! Wrappers of request and response bodies that report to the progress of the connection.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use actix_http::Payload;
use actix_http::body::{BodySize, BoxBody, MessageBody};
use actix_http::error::PayloadError;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};

use super::progress::{Fault, Progress};

/// The payload as read by actix. It is kept until the request is answered, whether read or not:
/// only then does actix close the connection of a request with an incomplete body.
type SharedPayload = Rc<RefCell<Payload>>;

pub(super) struct RequestBody {
    payload: SharedPayload,
    progress: Rc<Progress>,
}

impl Stream for RequestBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(fault) = self.progress.fault() {
            return Poll::Ready(Some(Err(error_of(fault))));
        }
        let polled = self.payload.borrow_mut().poll_next_unpin(cx);
        match &polled {
            Poll::Ready(Some(Ok(piece))) => self.progress.body_arrived(piece.len()),
            Poll::Ready(Some(Err(_))) => {}
            Poll::Ready(None) => self.progress.body_ended(),
            Poll::Pending => self.progress.body_waits(cx.waker()),
        }
        polled
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.progress.body_left();
    }
}

/// Whether a body was aborted because it arrives too slowly.
pub(in crate::web) fn is_too_slow(error: &PayloadError) -> bool {
    matches!(error, PayloadError::Io(error) if error.kind() == io::ErrorKind::TimedOut)
}

fn error_of(fault: Fault) -> PayloadError {
    PayloadError::Io(match fault {
        Fault::Slow => io::Error::new(io::ErrorKind::TimedOut, "the body arrives too slowly"),
        Fault::Framing => {
            io::Error::new(io::ErrorKind::InvalidData, "the body has too much chunk framing")
        }
    })
}

/// A request in progress; dropping it marks the request as answered.
pub(super) struct RequestGuard {
    progress: Rc<Progress>,
    body: Option<SharedPayload>,
}

impl RequestGuard {
    /// Starts a request with this body; returns the wrapped body for the handler.
    pub(super) fn begin(progress: &Rc<Progress>, body: Payload) -> (Self, Payload) {
        if matches!(body, Payload::None) {
            progress.begin(false);
            return (Self { progress: Rc::clone(progress), body: None }, body);
        }
        progress.begin(true);
        let payload = Rc::new(RefCell::new(body));
        let guard = Self { progress: Rc::clone(progress), body: Some(Rc::clone(&payload)) };
        let body = RequestBody { payload, progress: Rc::clone(progress) };
        (guard, Payload::Stream { payload: Box::pin(body) })
    }

    /// The response is a stream with its own end conditions.
    pub(super) fn streams(&self) {
        self.progress.streams();
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        // The body is not read any further: check whether it has arrived completely.
        if let Some(payload) = &self.body {
            let cx = &mut Context::from_waker(Waker::noop());
            let mut payload = payload.borrow_mut();
            while let Poll::Ready(piece) = payload.poll_next_unpin(cx) {
                if !matches!(piece, Some(Ok(_))) {
                    if piece.is_none() {
                        self.progress.body_ended();
                    }
                    break;
                }
            }
        }
        self.progress.end();
    }
}

pub(super) struct AnswerBody {
    pub(super) body: BoxBody,
    /// Whether this is a `HEAD` response, which needs only the size.
    pub(super) is_of_head: bool,
    /// Dropped with the body, once it is written.
    pub(super) _guard: Option<RequestGuard>,
}

impl MessageBody for AnswerBody {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if self.is_of_head {
            return Poll::Ready(None);
        }
        Pin::new(&mut self.body).poll_next(cx)
    }
}

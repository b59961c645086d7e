//! The bodies of requests and answers, which tell the connection's progress how far they are.

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

/// What the library reads of a request's body. It is kept until the request is answered, read or
/// not: only then does the library end the connection of a request whose body is not whole.
type Whole = Rc<RefCell<Payload>>;

/// The body of a request.
pub(super) struct RequestBody {
    whole: Whole,
    progress: Rc<Progress>,
}

impl Stream for RequestBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(fault) = self.progress.fault() {
            return Poll::Ready(Some(Err(error_of(fault))));
        }
        let polled = self.whole.borrow_mut().poll_next_unpin(cx);
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

/// Whether a body was given up because it arrives too slowly.
pub(in crate::web) fn is_too_slow(error: &PayloadError) -> bool {
    matches!(error, PayloadError::Io(error) if error.kind() == io::ErrorKind::TimedOut)
}

fn error_of(fault: Fault) -> PayloadError {
    PayloadError::Io(match fault {
        Fault::Slow => io::Error::new(io::ErrorKind::TimedOut, "the body arrives too slowly"),
        Fault::Framing => {
            io::Error::new(io::ErrorKind::InvalidData, "the body has too much around it")
        }
    })
}

/// A request that is being answered. When this is dropped, it is.
pub(super) struct Answering {
    progress: Rc<Progress>,
    body: Option<Whole>,
}

impl Answering {
    /// Begins with a request that has this body; gives it back as the handler is to read it.
    pub(super) fn begin(progress: &Rc<Progress>, body: Payload) -> (Self, Payload) {
        if matches!(body, Payload::None) {
            progress.begin(false);
            return (Self { progress: Rc::clone(progress), body: None }, body);
        }
        progress.begin(true);
        let whole = Rc::new(RefCell::new(body));
        let answering = Self { progress: Rc::clone(progress), body: Some(Rc::clone(&whole)) };
        let body = RequestBody { whole, progress: Rc::clone(progress) };
        (answering, Payload::Stream { payload: Box::pin(body) })
    }

    /// The answer is a stream that ends by rules of its own.
    pub(super) fn streams(&self) {
        self.progress.streams();
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        // Nobody reads on, so what is left can go: has all of it arrived?
        if let Some(whole) = &self.body {
            let cx = &mut Context::from_waker(Waker::noop());
            let mut whole = whole.borrow_mut();
            while let Poll::Ready(piece) = whole.poll_next_unpin(cx) {
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

/// The body of an answer.
pub(super) struct AnswerBody {
    pub(super) body: BoxBody,
    /// Whether only its size is wanted.
    pub(super) is_of_head: bool,
    /// Dropped with the body, once that is written.
    pub(super) _answering: Option<Answering>,
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

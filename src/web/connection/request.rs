//! The middleware that reports the start and the end of requests to the progress of the connection.

use std::rc::Rc;

use actix_http::body::MessageBody;
use actix_http::{HttpMessage as _, Method, Request, Response};
use actix_web::Error;
use actix_web::dev::ServiceResponse;
use actix_web::http::header;

use super::Head;
use super::body::{AnswerBody, RequestGuard};
use super::progress::Progress;

pub(super) struct RequestInProgress {
    is_of_head: bool,
    guard: Option<RequestGuard>,
}

impl RequestInProgress {
    /// Starts a request and wraps it for the application.
    pub(super) fn of(request: &mut Request, head: Head) -> Self {
        let is_of_head = request.method() == Method::HEAD;
        if is_of_head && head == Head::AsGet {
            request.head_mut().method = Method::GET;
        }
        let progress = request.conn_data::<Rc<Progress>>().cloned();
        let guard = progress.map(|progress| {
            let headers = request.headers();
            if headers.contains_key(header::X_FORWARDED_FOR)
                || headers.contains_key(header::FORWARDED)
            {
                progress.slot().mark_forwarding();
            }
            let (guard, body) = RequestGuard::begin(&progress, request.take_payload());
            *request.payload() = body;
            guard
        });
        Self { is_of_head, guard }
    }

    /// The application's response, tracked until it is written.
    pub(super) fn answer<B>(
        self,
        answered: Result<ServiceResponse<B>, Error>,
    ) -> Response<AnswerBody>
    where
        B: MessageBody + 'static,
    {
        let response = match answered {
            Ok(response) => Response::from(response).map_into_boxed_body(),
            Err(error) => Response::from(error),
        };
        let kind = response.headers().get(header::CONTENT_TYPE);
        let is_stream = kind.is_some_and(|kind| kind == "text/event-stream");
        if let Some(guard) = self.guard.as_ref().filter(|_| is_stream) {
            guard.streams();
        }
        let Self { is_of_head, guard } = self;
        response.map_body(|_, body| AnswerBody { body, is_of_head, _guard: guard })
    }
}

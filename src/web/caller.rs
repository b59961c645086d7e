//! The caller of a request, as the door has recognised them.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use super::denial::Denial;
use crate::admin::Caller;

/// The caller, for a handler of the operator listener. Where nobody was recognised the handler is
/// not reached.
pub(super) struct AuthenticatedCaller(pub(super) Caller);

impl FromRequest for AuthenticatedCaller {
    type Error = Denial;
    type Future = Ready<Result<Self, Denial>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(request.extensions().get::<Caller>().cloned().map(Self).ok_or(Denial::NoKey))
    }
}

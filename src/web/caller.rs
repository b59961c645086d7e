//! The extractor of the authenticated caller.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use super::denial::Denial;
use crate::admin::Caller;

/// The authenticated caller of a request on the admin listener. Unauthenticated requests do not
/// reach the handler.
pub(super) struct AuthenticatedCaller(pub(super) Caller);

impl FromRequest for AuthenticatedCaller {
    type Error = Denial;
    type Future = Ready<Result<Self, Denial>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(request.extensions().get::<Caller>().cloned().map(Self).ok_or(Denial::NO_KEY))
    }
}

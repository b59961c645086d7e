//! Handshakes that are not verified: requests that only want to know whether somebody is here. They
//! are answered and not recorded. Verified ones are answered in `ingest`, and so are those that
//! bring a secret, once it is stored.

use std::sync::Arc;

use actix_web::HttpRequest;
use bytes::Bytes;

use super::head::{HeadLimits, check_head, head_for};
use super::problem::{Problem, ProblemResponse};
use super::report::Report;
use super::routes::Route;
use crate::ingest::Source;
use crate::verify::{BroughtSecret, HandshakeAnswer, HandshakeMethod, RawRequest, RequestHead};

/// The maximum body of a challenge. A larger one is not searched for one.
const MAX_BODY: usize = 64 * 1024;

/// Whether a source of this path answers some POST requests that are not verified.
pub(super) fn is_open(route: &Route) -> bool {
    route.sources.iter().any(|source| source.verifier.provider.has_open_handshake())
}

/// The source of this path that knows the request as a handshake, and its answer.
pub(super) fn answer(
    request: &HttpRequest,
    route: &Route,
    method: HandshakeMethod,
    body: &Bytes,
) -> Option<(Arc<Source>, Box<HandshakeAnswer>)> {
    if body.len() > MAX_BODY {
        return None;
    }
    route.sources.iter().find_map(|source| {
        let provider = &source.verifier.provider;
        let knows = match method {
            HandshakeMethod::Post => provider.has_open_handshake(),
            other => provider.handshake_methods().contains(&other),
        };
        if !knows {
            return None;
        }
        let raw = RawRequest::new(head_for(request, route, source), body.clone());
        Some((Arc::clone(source), Box::new(raw.handshake(&source.verifier, method)?)))
    })
}

/// The source of this path that knows the request as a handshake which brings a secret, with the
/// head that it reads.
pub(super) fn brought_secret(
    request: &HttpRequest,
    route: &Route,
    body: &Bytes,
) -> Option<(Arc<Source>, RequestHead, BroughtSecret)> {
    if body.len() > MAX_BODY {
        return None;
    }
    let mut sources = route.sources.iter().filter(|source| source.stored_secrets.is_some());
    sources.find_map(|source| {
        let head = head_for(request, route, source);
        let raw = RawRequest::new(head.clone(), body.clone());
        Some((Arc::clone(source), head, raw.brought_secret(&source.verifier)?))
    })
}

/// The answer to a request with another method than POST, on a path that may be of a known source.
/// Its body, if there is one, is not read.
pub(super) fn of_other_method(
    request: &HttpRequest,
    (route, is_known): (Option<&Route>, bool),
    limits: HeadLimits,
    report: &mut Report<'_>,
) -> Result<Box<HandshakeAnswer>, ProblemResponse> {
    let allow = route.map(Route::methods).unwrap_or_default();
    let (Some(route), Some(method)) = (route, allow.find(request.method().as_str())) else {
        return Err((Problem::MethodNotAllowed { allow }, "method"));
    };
    check_head(request, limits)?;
    let answered = answer(request, route, method, &Bytes::new());
    let first = route.sources.first().filter(|_| is_known);
    if let Some(source) = answered.as_ref().map(|(source, _)| source).or(first) {
        report.source(source);
    }
    // With a wrong token it looks like a path of no source.
    let (_, answer) = answered.ok_or((Problem::NotFound, "handshake"))?;
    Ok(answer)
}

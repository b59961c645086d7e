//! Checks of the request head: size, encoding, and the selection of the source.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderValue};
use bytes::Bytes;

use super::coding;
use super::decoy::Decoy;
use super::problem::{Problem, ProblemResponse};
use super::routes::Route;
use crate::ingest::Source;
use crate::verify::{EventMethod, Refusal, RequestHead, SenderInfo, Target};

#[derive(Debug, Clone, Copy)]
pub struct HeadLimits {
    /// Bytes of names and values.
    pub bytes: usize,
    pub lines: usize,
}

/// The maximum length of the request target.
const MAX_TARGET: usize = 2 * 1024;

/// Rejects a head that is too large, and an encoded body.
pub(super) fn check_head(request: &HttpRequest, most: HeadLimits) -> Result<(), ProblemResponse> {
    let headers = request.headers();
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if bytes > most.bytes || headers.len() > most.lines || target > MAX_TARGET {
        return Err((Problem::HeadTooLarge, "header_limit"));
    }
    if coding::is_encoded(headers) {
        return Err((Problem::Encoded, "content_encoding"));
    }
    Ok(())
}

/// A source, and the parts of the request head visible to its provider.
pub(super) type Chosen = (Arc<Source>, RequestHead);

/// Selects the source by the request headers. If several sources share a path, the first one that
/// does not disown the request is used. A rejection contains its source.
pub(super) fn choose(
    request: &HttpRequest,
    route: &Route,
    now: i64,
) -> Result<Chosen, (Refusal, Option<Box<Chosen>>)> {
    let mut refused = (Refusal::UnknownSource, None);
    let takes = |source: &&Arc<Source>| {
        source.verifier.provider.event_method().as_str() == request.method().as_str()
    };
    for source in route.sources.iter().filter(takes) {
        let head = head_for(request, route, source);
        match source.verifier.precheck(&head, now) {
            Ok(()) => return Ok((Arc::clone(source), head)),
            Err(Refusal::UnknownSource) => {}
            Err(other) => refused = (other, Some(Box::new((Arc::clone(source), head)))),
        }
    }
    Err(refused)
}

/// Unsigned metadata of the request, for display.
fn sender_info(request: &HttpRequest, method: EventMethod) -> SenderInfo {
    let value = |name| request.headers().get(name).map(HeaderValue::as_bytes);
    let content_type = match method {
        EventMethod::Get => Some(SenderInfo::FORM),
        EventMethod::Post => value(header::CONTENT_TYPE),
    };
    SenderInfo::new(content_type, value(header::USER_AGENT))
}

/// The method and the query of a request.
pub(super) fn target(request: &HttpRequest) -> Target {
    Target {
        method: request.method().as_str().to_owned(),
        query: request.uri().query().map(str::to_owned),
    }
}

/// The parts of the request head that the provider of a source reads.
pub(super) fn head_for(request: &HttpRequest, route: &Route, source: &Source) -> RequestHead {
    let provider = &source.verifier.provider;
    let query = request.uri().query();
    let mut head = RequestHead {
        action: route.action,
        query: RequestHead::reads(&**provider, query),
        target: provider.reads_target().then(|| Box::new(target(request))),
        sender_info: sender_info(request, provider.event_method()),
        ..RequestHead::default()
    };
    for name in provider.headers() {
        for value in request.headers().get_all(*name) {
            head.headers.push(name, Bytes::copy_from_slice(value.as_bytes()));
        }
    }
    head
}

/// Whether it has a signature of a kind used by any source.
pub(super) fn is_signed(request: &HttpRequest, decoy: &Decoy) -> bool {
    let mut names = decoy.headers.iter().filter(|name| name.contains("signature"));
    names.any(|name| request.headers().contains_key(*name))
}

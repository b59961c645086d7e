//! Responses: a page of a list or a single resource with an `ETag`, and the result of a change.

use actix_web::body::BoxBody;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, Responder};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::cursor::{self, List, Place};
use super::query::Limit;
pub(super) use crate::admin::Page;

pub(super) struct WithEtag<T>(pub(super) T);

/// As [`WithEtag`], but the field `at`, the time of the request, does not affect the tag.
pub(super) struct WithEtagIgnoringTime<T>(pub(super) T);

/// A page with a link to the next.
pub(super) struct ListPage<T>(pub(super) Page<T>);

/// A page with additional fields and a link to the next.
pub(super) struct Linked<T> {
    pub(super) page: T,
    pub(super) next: Option<String>,
}

pub(super) struct Done<T>(pub(super) T);

/// Builds a page from rows queried with [`Limit::and_one`]: the extra row shows that there is a
/// next page and is dropped. `place` returns the position of a row.
pub(super) fn page<T, P: Place>(
    (mut rows, limit): (Vec<T>, Limit),
    list: List,
    place: impl Fn(&T) -> P,
) -> Page<T> {
    let more = rows.len() > limit.most();
    rows.truncate(limit.most());
    let next = rows.last().filter(|_| more).map(|row| cursor::after(list, &place(row)));
    Page { items: rows, next }
}

impl<T: Serialize> Responder for WithEtag<T> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        respond(&self.0, request, None)
    }
}

impl<T: Serialize> Responder for WithEtagIgnoringTime<T> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let mut lasting = serde_json::to_value(&self.0).unwrap_or_default();
        lasting.as_object_mut().map(|fields| fields.remove("at"));
        let tag = tag_of(lasting.to_string().as_bytes());
        answer(written(&self.0), (&tag, "W/"), request, None)
    }
}

impl<T: Serialize> Responder for ListPage<T> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let link = self.0.next.as_deref().map(|next| link(request, next));
        respond(&self.0, request, link)
    }
}

impl<T: Serialize> Responder for Linked<T> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let link = self.next.as_deref().map(|next| link(request, next));
        respond(&self.page, request, link)
    }
}

impl<T: Serialize> Responder for Done<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Ok().json(self.0)
    }
}

fn written(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).unwrap_or_default()
}

fn tag_of(bytes: &[u8]) -> String {
    format!("\"{}\"", hex::encode(Sha256::digest(bytes)))
}

fn respond(body: &impl Serialize, request: &HttpRequest, link: Option<String>) -> HttpResponse {
    let body = written(body);
    let tag = tag_of(&body);
    answer(body, (&tag, ""), request, link)
}

/// Responds with a body, or 304 if the client already has it. A tag that ignores fields is weak
/// (`W/`).
fn answer(
    body: Vec<u8>,
    (tag, weak): (&str, &str),
    request: &HttpRequest,
    link: Option<String>,
) -> HttpResponse {
    let has_it = matches_etag(request, tag);
    let mut response = if has_it { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header((header::ETAG, format!("{weak}{tag}")));
    if let Some(link) = link {
        response.insert_header((header::LINK, link));
    }
    if has_it {
        return response.finish();
    }
    response.insert_header((header::CONTENT_TYPE, "application/json")).body(body)
}

/// Whether `If-None-Match` matches: any of a list of tags, weak or strong, or `*`.
fn matches_etag(request: &HttpRequest, tag: &str) -> bool {
    let values = request.headers().get_all(header::IF_NONE_MATCH);
    values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(|one| {
        let one = one.trim();
        one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag
    })
}

/// The `Link` of the next page: the same URL with another cursor, which also replaces `after`.
fn link(request: &HttpRequest, next: &str) -> String {
    let pairs = request.query_string().split('&');
    let is_place = |pair: &str| pair.starts_with("cursor=") || pair.starts_with("after=");
    let kept = pairs.filter(|pair| !pair.is_empty() && !is_place(pair));
    let mut query: String = kept.flat_map(|pair| [pair, "&"]).collect();
    query.extend(["cursor=", next]);
    format!("<{}?{query}>; rel=\"next\"", request.path())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use serde_json::json;

    use super::*;

    #[test]
    fn tag_ignores_only_the_request_time() {
        let tag = |at: u8, count: u8| {
            let request = TestRequest::default().to_http_request();
            let answer =
                WithEtagIgnoringTime(json!({ "at": at, "count": count })).respond_to(&request);
            answer.headers().get(header::ETAG).unwrap().to_str().unwrap().to_owned()
        };
        assert!(tag(1, 7).starts_with("W/\""), "{}", tag(1, 7));
        assert_eq!(tag(1, 7), tag(2, 7));
        assert_ne!(tag(1, 7), tag(1, 8));
        let known = TestRequest::default().insert_header((header::IF_NONE_MATCH, tag(1, 7)));
        let again = WithEtagIgnoringTime(json!({ "at": 2, "count": 7 }))
            .respond_to(&known.to_http_request());
        assert_eq!(again.status(), 304);
    }
}

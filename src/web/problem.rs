//! The error responses of the ingest listener, as `application/problem+json`. This is the only
//! place that maps an error to an HTTP status.

use actix_web::error::PayloadError;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde::Serialize;

use super::connection;
use super::routes::Methods;
use crate::ingest::{NotStored, Rejection};

/// `Retry-After` in seconds while the database is unavailable.
const RETRY_AFTER: u64 = 5;

/// A rejected request, and the reason for the log.
pub(super) type ProblemResponse = (Problem, &'static str);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Problem {
    NotFound,
    MethodNotAllowed {
        allow: Methods,
    },
    /// Any authentication failure: always the same bytes.
    Unauthorized,
    TooLarge {
        limit: usize,
    },
    BodyTimeout,
    /// The connection broke, or the body's framing is invalid.
    BodyBroken,
    /// The body has a content encoding, so the signature cannot be verified on the received bytes.
    Encoded,
    HeadTooLarge,
    TooMany {
        after: u64,
    },
    /// It is unknown whether the request was stored, or there is no capacity.
    Unavailable {
        after: u64,
    },
    /// The idempotency key was used with a different body.
    KeyReused,
    /// A request with this idempotency key is in progress.
    InProgress,
    /// A bug, or a value the database rejects.
    Internal,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

impl Problem {
    fn row(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::NotFound => ("not-found", StatusCode::NOT_FOUND, "Not found"),
            Self::MethodNotAllowed { .. } => (
                "method-not-allowed",
                StatusCode::METHOD_NOT_ALLOWED,
                "Method not allowed: use POST",
            ),
            Self::Unauthorized => (
                "unauthorized",
                StatusCode::UNAUTHORIZED,
                "Invalid signature, or timestamp outside the tolerance",
            ),
            Self::TooLarge { .. } => {
                ("too-large", StatusCode::PAYLOAD_TOO_LARGE, "Payload too large")
            }
            Self::BodyTimeout => {
                ("body-timeout", StatusCode::REQUEST_TIMEOUT, "Request body timeout")
            }
            Self::BodyBroken => {
                ("body-broken", StatusCode::BAD_REQUEST, "Request body incomplete or malformed")
            }
            Self::Encoded => (
                "content-encoding",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Content-Encoding not supported: send the body unencoded",
            ),
            Self::HeadTooLarge => (
                "head-too-large",
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "Request header too large",
            ),
            Self::TooMany { .. } => (
                "too-many-requests",
                StatusCode::TOO_MANY_REQUESTS,
                "Rate limited: too many requests",
            ),
            Self::Unavailable { .. } => (
                "unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                "Service unavailable: the request may not have been stored, send it again",
            ),
            Self::KeyReused => (
                "idempotency-key-reused",
                StatusCode::UNPROCESSABLE_ENTITY,
                "Idempotency-Key reused with a different body",
            ),
            Self::InProgress => (
                "idempotency-in-progress",
                StatusCode::CONFLICT,
                "A request with this Idempotency-Key is in progress",
            ),
            Self::Internal => (
                "internal",
                StatusCode::INTERNAL_SERVER_ERROR,
                "Internal error: send the request again later",
            ),
        }
    }

    /// The status alone, for the log.
    pub(super) fn status(self) -> u16 {
        self.row().1.as_u16()
    }

    /// `request_id` is left out where responses must be byte-identical.
    pub(super) fn respond(self, request_id: &str) -> HttpResponse {
        let (id, status, title) = self.row();
        let named = (self != Self::Unauthorized).then_some(request_id);
        let limit_bytes = match self {
            Self::TooLarge { limit } => Some(limit),
            _ => None,
        };
        let body = Body {
            r#type: format!("urn:sealpost:problem:{id}"),
            title,
            status: status.as_u16(),
            limit_bytes,
            request_id: named,
        };
        let mut response = HttpResponseBuilder::new(status);
        match self {
            Self::TooMany { after } | Self::Unavailable { after } => {
                response.insert_header((header::RETRY_AFTER, after));
            }
            Self::MethodNotAllowed { allow } => {
                response.insert_header((header::ALLOW, allow.allow()));
            }
            Self::InProgress => {
                response.insert_header((header::RETRY_AFTER, 1));
            }
            _ => {}
        }
        if self.leaves_body_unread() {
            response.force_close();
        }
        response
            .insert_header((header::CONTENT_TYPE, "application/problem+json"))
            .body(serde_json::to_vec(&body).unwrap_or_default())
    }

    /// Whether the rest of the body may still arrive; it is not read.
    fn leaves_body_unread(self) -> bool {
        matches!(
            self,
            Self::TooLarge { .. }
                | Self::BodyTimeout
                | Self::BodyBroken
                | Self::Encoded
                | Self::HeadTooLarge
        )
    }

    /// The database or the gateway is temporarily unavailable.
    pub(super) const fn unavailable() -> Self {
        Self::Unavailable { after: RETRY_AFTER }
    }
}

/// The response to a broken body, and the reason for the log.
pub(super) fn of_broken_body(error: &PayloadError) -> (Problem, &'static str) {
    if connection::is_too_slow(error) {
        (Problem::BodyTimeout, "body_timeout")
    } else {
        (Problem::BodyBroken, "http_framing")
    }
}

/// The response to a rejection, and the reason for the log.
pub(super) fn of_rejection(rejection: &Rejection) -> (Problem, &'static str) {
    match rejection {
        Rejection::Refused(refusal) => (Problem::Unauthorized, refusal.reason()),
        Rejection::KeysUnavailable(_) => (Problem::unavailable(), "keys_unavailable"),
        Rejection::SecretsUnavailable(_) => (Problem::unavailable(), "secrets_unavailable"),
        Rejection::KeyReused => (Problem::KeyReused, "idempotency_key_reused"),
        Rejection::InProgress => (Problem::InProgress, "idempotency_in_progress"),
        Rejection::RateLimited(wait) => {
            (Problem::TooMany { after: wait.as_secs().max(1) }, "rate_source")
        }
        Rejection::ChunkQuota => (Problem::unavailable(), "chunk_quota"),
        Rejection::NotStored(NotStored::Unknown) => (Problem::unavailable(), "not_stored"),
        Rejection::NotStored(NotStored::DiskFull) => (Problem::unavailable(), "disk_full"),
        Rejection::NotStored(NotStored::Refused) => (Problem::Internal, "store_refused"),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;

    use super::*;

    fn every() -> Vec<Problem> {
        vec![
            Problem::NotFound,
            Problem::MethodNotAllowed { allow: Methods::default() },
            Problem::Unauthorized,
            Problem::TooLarge { limit: 2_097_152 },
            Problem::BodyTimeout,
            Problem::BodyBroken,
            Problem::Encoded,
            Problem::HeadTooLarge,
            Problem::TooMany { after: 7 },
            Problem::unavailable(),
            Problem::KeyReused,
            Problem::InProgress,
            Problem::Internal,
        ]
    }

    #[actix_web::test]
    async fn every_problem_has_its_body() {
        let mut page = String::new();
        for problem in every() {
            let response = problem.respond("req-1");
            let after = response.headers().get(header::RETRY_AFTER).cloned();
            let body = to_bytes(response.into_body()).await.unwrap();
            let after = after.map_or(String::new(), |after| format!(" (Retry-After {after:?})"));
            page.extend([&*String::from_utf8_lossy(&body), &after, "\n"]);
        }
        insta::assert_snapshot!(page);
    }
}

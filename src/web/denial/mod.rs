//! The error responses of the admin listener, as `application/problem+json`.
//!
//! A [`Denial`] is an error with its details; its [`Kind`] is the problem type: `type` slug, status
//! and title. The `OpenAPI` document lists the same types.

mod from;
mod kind;

use std::borrow::Cow;

use actix_web::http::header;
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub(super) use kind::Kind;

use crate::admin::{Denied, Scope};

/// `Retry-After` in seconds for temporary errors.
const RETRY_AFTER: u64 = 5;
/// The detail for a key that is not accepted. It does not say why.
const INVALID_KEY: &str = "invalid API key: unknown, expired or revoked";
/// The prefix of every `type`.
pub(super) const URN: &str = "urn:sealpost:problem:";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Denial {
    /// Missing or invalid API key: always the same bytes for each.
    NoKey {
        /// Whether there was one.
        presented: bool,
    },
    TooManyFailures {
        after: u64,
    },
    Forbidden(Scope),
    /// A change with a session cookie that did not come from a page of the console.
    CsrfFailed,
    /// It covers all tenants, and the caller is limited to one.
    AllTenants,
    /// Not found; with a detail unless only the path is unknown.
    NotFound(Option<String>),
    /// The event was erased.
    Erased(String),
    MethodNotAllowed {
        /// The allowed methods, as in `Allow`.
        allow: String,
    },
    Malformed(Cow<'static, str>),
    Invalid(String),
    /// Conflict with the current state.
    Conflict(String),
    /// Conflict with the current state, unless this field of the body is true.
    NeedsOption {
        detail: String,
        option: &'static str,
    },
    /// The idempotency key was used with a different request.
    KeyReused,
    /// A request with this idempotency key is in progress.
    InProgress,
    /// It is unknown whether the request with this idempotency key was executed.
    OutcomeUnknown,
    /// It was executed, and its response is not stored.
    AnswerNotKept,
    BudgetSpent {
        limit: u32,
        resets_at: OffsetDateTime,
        after: u64,
    },
    TooLarge {
        limit: usize,
    },
    BodyTimeout,
    /// The connection broke, or the body's framing is invalid.
    BodyBroken,
    /// The body has a content encoding.
    Encoded,
    NotJson,
    /// The caller is rate limited.
    TooMany {
        after: u64,
    },
    /// The stream position is unknown or expired.
    Gone,
    /// The maximum number of stream clients is reached.
    Full,
    /// The database is unavailable, or the gateway is stopping.
    Unavailable,
    /// A bug, or a value the database rejects.
    Internal,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    option: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resets_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

impl std::fmt::Display for Denial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.reason())
    }
}

impl ResponseError for Denial {
    fn error_response(&self) -> HttpResponse {
        self.respond()
    }
}

impl Denial {
    /// A request without an API key or a session.
    pub(super) const NO_KEY: Self = Self::NoKey { presented: false };

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::NoKey { .. } => Kind::NoKey,
            Self::TooManyFailures { .. } => Kind::TooManyFailures,
            Self::Forbidden(_) => Kind::Forbidden,
            Self::CsrfFailed => Kind::CsrfFailed,
            Self::AllTenants => Kind::AllTenants,
            Self::NotFound(_) => Kind::NotFound,
            Self::Erased(_) => Kind::Erased,
            Self::MethodNotAllowed { .. } => Kind::MethodNotAllowed,
            Self::Malformed(_) => Kind::Malformed,
            Self::Invalid(_) => Kind::Invalid,
            Self::Conflict(_) | Self::NeedsOption { .. } => Kind::Conflict,
            Self::KeyReused => Kind::KeyReused,
            Self::InProgress => Kind::InProgress,
            Self::OutcomeUnknown => Kind::OutcomeUnknown,
            Self::AnswerNotKept => Kind::AnswerNotKept,
            Self::BudgetSpent { .. } => Kind::BudgetSpent,
            Self::TooLarge { .. } => Kind::TooLarge,
            Self::BodyTimeout => Kind::BodyTimeout,
            Self::BodyBroken => Kind::BodyBroken,
            Self::Encoded => Kind::Encoded,
            Self::NotJson => Kind::NotJson,
            Self::TooMany { .. } => Kind::TooMany,
            Self::Gone => Kind::Gone,
            Self::Full => Kind::Full,
            Self::Unavailable => Kind::Unavailable,
            Self::Internal => Kind::Internal,
        }
    }

    pub(super) fn reason(&self) -> &'static str {
        self.kind().id()
    }

    fn detail(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::NoKey { presented: true } => Some(Cow::Borrowed(INVALID_KEY)),
            Self::Malformed(detail) => Some(Cow::Borrowed(detail)),
            Self::Invalid(detail)
            | Self::Erased(detail)
            | Self::Conflict(detail)
            | Self::NeedsOption { detail, .. }
            | Self::NotFound(Some(detail)) => Some(Cow::Borrowed(detail)),
            Self::Forbidden(scope) => Some(Cow::Owned(Denied(*scope).to_string())),
            _ => None,
        }
    }

    pub(super) fn respond(&self) -> HttpResponse {
        self.respond_to(None)
    }

    /// The response to a request with an id. Unauthenticated responses omit the id: they must be
    /// byte-identical.
    pub(super) fn respond_to(&self, request_id: Option<&str>) -> HttpResponse {
        let (id, status, title) = self.kind().row();
        let mut response = HttpResponseBuilder::new(status);
        match self {
            Self::NoKey { .. } => {
                let challenge = "Bearer realm=\"sealpost operator\"";
                response.insert_header((header::WWW_AUTHENTICATE, challenge));
            }
            Self::TooManyFailures { after }
            | Self::TooMany { after }
            | Self::BudgetSpent { after, .. } => {
                response.insert_header((header::RETRY_AFTER, *after));
            }
            Self::Full | Self::Unavailable => {
                response.insert_header((header::RETRY_AFTER, RETRY_AFTER));
            }
            Self::InProgress => {
                response.insert_header((header::RETRY_AFTER, 1));
            }
            Self::MethodNotAllowed { allow } => {
                response.insert_header((header::ALLOW, allow.as_str()));
            }
            // The rest of the body may still arrive; it is not read.
            Self::TooLarge { .. } | Self::BodyTimeout | Self::BodyBroken | Self::Encoded => {
                response.force_close();
            }
            _ => {}
        }
        let (limit, resets_at) = match self {
            Self::BudgetSpent { limit, resets_at, .. } => {
                (Some(*limit), resets_at.format(&Rfc3339).ok())
            }
            _ => (None, None),
        };
        let detail = self.detail();
        let body = Body {
            r#type: format!("{URN}{id}"),
            title,
            status: status.as_u16(),
            detail: detail.as_deref(),
            scope: if let Self::Forbidden(scope) = self { Some(scope.as_str()) } else { None },
            option: if let Self::NeedsOption { option, .. } = self { Some(*option) } else { None },
            limit_bytes: if let Self::TooLarge { limit } = self { Some(*limit) } else { None },
            limit,
            resets_at,
            request_id: request_id.filter(|_| self.kind() != Kind::NoKey),
        };
        response
            .insert_header((header::CONTENT_TYPE, "application/problem+json"))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .body(serde_json::to_vec(&body).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;
    use time::macros::datetime;

    use super::*;

    fn every() -> Vec<Denial> {
        vec![
            Denial::NoKey { presented: false },
            Denial::TooManyFailures { after: 7 },
            Denial::Forbidden(Scope::EventsReplay),
            Denial::CsrfFailed,
            Denial::AllTenants,
            Denial::NotFound(None),
            Denial::Erased("event 1 was erased on 2026-11-20T12:00:00Z by ada: asked for".into()),
            Denial::MethodNotAllowed { allow: "GET, HEAD".into() },
            Denial::Malformed("unknown parameter `colour`".into()),
            Denial::Invalid("missing field `reason`".into()),
            Denial::Conflict("already replayed".into()),
            Denial::KeyReused,
            Denial::InProgress,
            Denial::OutcomeUnknown,
            Denial::AnswerNotKept,
            Denial::BudgetSpent {
                limit: 3,
                resets_at: datetime!(2026-11-21 0:00 UTC),
                after: 3600,
            },
            Denial::TooLarge { limit: 262_144 },
            Denial::BodyTimeout,
            Denial::BodyBroken,
            Denial::Encoded,
            Denial::NotJson,
            Denial::TooMany { after: 1 },
            Denial::Gone,
            Denial::Full,
            Denial::Unavailable,
            Denial::Internal,
        ]
    }

    #[actix_web::test]
    async fn every_denial_has_its_body() {
        let kinds: Vec<Kind> = every().iter().map(Denial::kind).collect();
        assert_eq!(kinds, Kind::ALL, "every denial is covered");
        let mut page = String::new();
        for denial in every() {
            let response = denial.respond_to(Some("req-1"));
            assert_eq!(response.status(), denial.kind().status());
            let header = |name| response.headers().get(name).cloned();
            let (after, allow) = (header(header::RETRY_AFTER), header(header::ALLOW));
            let body = to_bytes(response.into_body()).await.unwrap();
            page.push_str(&String::from_utf8_lossy(&body));
            for (name, value) in [("Retry-After", after), ("Allow", allow)] {
                if let Some(value) = value {
                    page.extend([" (", name, ": ", value.to_str().unwrap(), ")"]);
                }
            }
            page.push('\n');
        }
        insta::assert_snapshot!(page);
    }
}

//! The problem types of the admin listener: `type` slug, status and title.

use actix_web::http::StatusCode;

/// A problem type; one for each [`Denial`](super::Denial) of the same name, except that
/// `NeedsOption` is a `Conflict`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::web) enum Kind {
    NoKey,
    TooManyFailures,
    Forbidden,
    CsrfFailed,
    AllTenants,
    NotFound,
    Erased,
    MethodNotAllowed,
    Malformed,
    Invalid,
    Conflict,
    KeyReused,
    InProgress,
    OutcomeUnknown,
    AnswerNotKept,
    BudgetSpent,
    TooLarge,
    BodyTimeout,
    BodyBroken,
    Encoded,
    NotJson,
    TooMany,
    Gone,
    Full,
    Unavailable,
    Internal,
}

impl Kind {
    pub(in crate::web) const ALL: [Self; 26] = [
        Self::NoKey,
        Self::TooManyFailures,
        Self::Forbidden,
        Self::CsrfFailed,
        Self::AllTenants,
        Self::NotFound,
        Self::Erased,
        Self::MethodNotAllowed,
        Self::Malformed,
        Self::Invalid,
        Self::Conflict,
        Self::KeyReused,
        Self::InProgress,
        Self::OutcomeUnknown,
        Self::AnswerNotKept,
        Self::BudgetSpent,
        Self::TooLarge,
        Self::BodyTimeout,
        Self::BodyBroken,
        Self::Encoded,
        Self::NotJson,
        Self::TooMany,
        Self::Gone,
        Self::Full,
        Self::Unavailable,
        Self::Internal,
    ];

    pub(super) fn row(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::NoKey => (
                "key-required",
                StatusCode::UNAUTHORIZED,
                "API key required: Authorization: Bearer slp_...",
            ),
            Self::TooManyFailures => (
                "too-many-failures",
                StatusCode::TOO_MANY_REQUESTS,
                "Too many failed authentication attempts",
            ),
            Self::Forbidden => ("scope-missing", StatusCode::FORBIDDEN, "Missing scope"),
            Self::CsrfFailed => (
                "csrf-failed",
                StatusCode::FORBIDDEN,
                "CSRF check failed: reload the page and try again",
            ),
            Self::AllTenants => {
                ("all-tenants", StatusCode::FORBIDDEN, "Requires access to all tenants")
            }
            Self::NotFound => ("not-found", StatusCode::NOT_FOUND, "Not found"),
            Self::Erased => ("erased", StatusCode::GONE, "The event was erased"),
            Self::MethodNotAllowed => {
                ("method-not-allowed", StatusCode::METHOD_NOT_ALLOWED, "Method not allowed")
            }
            Self::Malformed => ("malformed", StatusCode::BAD_REQUEST, "Invalid query or header"),
            Self::Invalid => ("invalid", StatusCode::BAD_REQUEST, "Invalid request body"),
            Self::Conflict => ("conflict", StatusCode::CONFLICT, "Conflict with the current state"),
            Self::KeyReused => (
                "idempotency-key-reused",
                StatusCode::UNPROCESSABLE_ENTITY,
                "Idempotency-Key reused with a different request",
            ),
            Self::InProgress => (
                "idempotency-in-progress",
                StatusCode::CONFLICT,
                "A request with this Idempotency-Key is in progress",
            ),
            Self::OutcomeUnknown => (
                "idempotency-outcome-unknown",
                StatusCode::CONFLICT,
                "The outcome of the request with this Idempotency-Key is unknown: check the current \
                 state, and retry with a new key if needed",
            ),
            Self::AnswerNotKept => (
                "idempotency-answer-not-kept",
                StatusCode::CONFLICT,
                "The request with this Idempotency-Key succeeded; its response is shown only once",
            ),
            Self::BudgetSpent => (
                "budget-spent",
                StatusCode::TOO_MANY_REQUESTS,
                "Daily quota exceeded; it resets at midnight UTC",
            ),
            Self::TooLarge => ("too-large", StatusCode::PAYLOAD_TOO_LARGE, "Payload too large"),
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
            Self::NotJson => (
                "not-json",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Content-Type must be application/json",
            ),
            Self::TooMany => (
                "too-many-requests",
                StatusCode::TOO_MANY_REQUESTS,
                "Rate limited: too many requests",
            ),
            Self::Gone => (
                "position-gone",
                StatusCode::GONE,
                "Unknown or expired stream position: reconnect without it, or with after=start for all \
                 retained changes",
            ),
            Self::Full => {
                ("too-many-clients", StatusCode::SERVICE_UNAVAILABLE, "Too many stream clients")
            }
            Self::Unavailable => (
                "unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                "Service unavailable: the database did not respond, or the gateway is stopping",
            ),
            Self::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR, "Internal error"),
        }
    }

    pub(in crate::web) fn id(self) -> &'static str {
        self.row().0
    }

    pub(in crate::web) fn status(self) -> StatusCode {
        self.row().1
    }

    pub(in crate::web) fn title(self) -> &'static str {
        self.row().2
    }
}

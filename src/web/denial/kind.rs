//! The rows of the table: a closed identifier, a status and a title each.

use actix_web::http::StatusCode;

/// A row of the table: one for each [`Denial`](super::Denial) of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::web) enum Kind {
    NoKey,
    TooManyFailures,
    Forbidden,
    CsrfFailed,
    AllTenants,
    NotFound,
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
    /// Every row.
    pub(in crate::web) const ALL: [Self; 25] = [
        Self::NoKey,
        Self::TooManyFailures,
        Self::Forbidden,
        Self::CsrfFailed,
        Self::AllTenants,
        Self::NotFound,
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

    /// The closed identifier, the status and the title.
    pub(super) fn row(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::NoKey => (
                "key-required",
                StatusCode::UNAUTHORIZED,
                "Send an API key: Authorization: Bearer slp_...",
            ),
            Self::TooManyFailures => {
                ("too-many-failures", StatusCode::TOO_MANY_REQUESTS, "Too many bad keys")
            }
            Self::Forbidden => {
                ("scope-missing", StatusCode::FORBIDDEN, "You may not: a scope is missing")
            }
            Self::CsrfFailed => (
                "csrf-failed",
                StatusCode::FORBIDDEN,
                "This was not sent from a page of this session: load the page again",
            ),
            Self::AllTenants => (
                "all-tenants",
                StatusCode::FORBIDDEN,
                "This is about all tenants: a key of one does not see it",
            ),
            Self::NotFound => ("not-found", StatusCode::NOT_FOUND, "Nothing is here"),
            Self::MethodNotAllowed => (
                "method-not-allowed",
                StatusCode::METHOD_NOT_ALLOWED,
                "This path does not take this method",
            ),
            Self::Malformed => (
                "malformed",
                StatusCode::BAD_REQUEST,
                "The query or a header is not what this call takes",
            ),
            Self::Invalid => {
                ("invalid", StatusCode::BAD_REQUEST, "The body is not what this call takes")
            }
            Self::Conflict => {
                ("conflict", StatusCode::CONFLICT, "It is in the way of something that is there")
            }
            Self::KeyReused => (
                "idempotency-key-reused",
                StatusCode::UNPROCESSABLE_ENTITY,
                "This Idempotency-Key was used before with another request",
            ),
            Self::InProgress => (
                "idempotency-in-progress",
                StatusCode::CONFLICT,
                "A request with this Idempotency-Key is at work",
            ),
            Self::OutcomeUnknown => (
                "idempotency-outcome-unknown",
                StatusCode::CONFLICT,
                "A request with this Idempotency-Key was broken off: look whether it was carried \
                 out, and if not ask with a new key",
            ),
            Self::AnswerNotKept => (
                "idempotency-answer-not-kept",
                StatusCode::CONFLICT,
                "The request with this Idempotency-Key was carried out, and its answer was shown \
                 only once",
            ),
            Self::BudgetSpent => (
                "budget-spent",
                StatusCode::TOO_MANY_REQUESTS,
                "The budget of the day is spent; a day ends at midnight UTC",
            ),
            Self::TooLarge => ("too-large", StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"),
            Self::BodyTimeout => {
                ("body-timeout", StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time")
            }
            Self::BodyBroken => {
                ("body-broken", StatusCode::BAD_REQUEST, "The body did not arrive whole")
            }
            Self::Encoded => (
                "content-encoding",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Send the body as it is, without a content encoding",
            ),
            Self::NotJson => (
                "not-json",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Send the body as JSON: Content-Type: application/json",
            ),
            Self::TooMany => {
                ("too-many-requests", StatusCode::TOO_MANY_REQUESTS, "Too many requests")
            }
            Self::Gone => (
                "position-gone",
                StatusCode::GONE,
                "What followed this position may have been removed, or it is not one of this \
                 database: begin anew without it, or with after=start for everything that is kept",
            ),
            Self::Full => {
                ("too-many-clients", StatusCode::SERVICE_UNAVAILABLE, "Too many clients watch")
            }
            Self::Unavailable => (
                "unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                "The database does not answer in time, or the gateway stops",
            ),
            Self::Internal => {
                ("internal", StatusCode::INTERNAL_SERVER_ERROR, "Something is wrong on our side")
            }
        }
    }

    /// The closed identifier.
    pub(in crate::web) fn id(self) -> &'static str {
        self.row().0
    }

    /// The status.
    pub(in crate::web) fn status(self) -> StatusCode {
        self.row().1
    }

    /// What it means, for people.
    pub(in crate::web) fn title(self) -> &'static str {
        self.row().2
    }
}

//! Why the operator listener does not do what it is asked for.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use serde_json::json;

use crate::operator::{Denied, Scope};

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denial {
    /// No key, or one that is not good: always the same bytes.
    NoKey,
    /// Whoever it is may not do this.
    Missing(Scope),
    /// A change that comes with a session, and not from one of our own pages.
    Forged,
    /// It is about all tenants together, and they see one.
    AllTenants,
    /// Too many of those.
    TooManyFailures {
        /// After how many seconds to come again.
        after: u64,
    },
    /// What stands in the query or in `Last-Event-ID` is not what may.
    Malformed(&'static str),
    /// The position is not in the stream: it was removed, or was never there.
    Gone,
    /// Every seat is taken.
    Full,
    /// The database does not answer, or the gateway stops.
    Unavailable,
}

impl std::fmt::Display for Denial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.reason())
    }
}

impl From<Denied> for Denial {
    fn from(Denied(scope): Denied) -> Self {
        Self::Missing(scope)
    }
}

impl ResponseError for Denial {
    fn error_response(&self) -> HttpResponse {
        self.respond()
    }
}

/// Seconds after which it may be different.
const RETRY_AFTER: u64 = 5;

impl Denial {
    /// The closed word.
    pub(super) fn reason(self) -> &'static str {
        self.row().0
    }

    fn row(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::NoKey => (
                "key-required",
                StatusCode::UNAUTHORIZED,
                "Send an API key: Authorization: Bearer slp_...",
            ),
            Self::Missing(scope) => ("scope-missing", StatusCode::FORBIDDEN, missing(scope)),
            Self::Forged => (
                "not-from-our-page",
                StatusCode::FORBIDDEN,
                "This was not sent from a page of this session: load the page again",
            ),
            Self::AllTenants => (
                "all-tenants",
                StatusCode::FORBIDDEN,
                "This is about all tenants: a key of one does not see it",
            ),
            Self::TooManyFailures { .. } => {
                ("too-many-failures", StatusCode::TOO_MANY_REQUESTS, "Too many bad keys")
            }
            Self::Malformed(what) => ("malformed", StatusCode::BAD_REQUEST, what),
            Self::Gone => (
                "position-gone",
                StatusCode::GONE,
                "What followed this position may have been removed, or it is not one of this \
                 database: begin anew without it, or with after=start for everything that is kept",
            ),
            Self::Full => {
                ("too-many-clients", StatusCode::SERVICE_UNAVAILABLE, "Too many clients watch")
            }
            Self::Unavailable => {
                ("unavailable", StatusCode::SERVICE_UNAVAILABLE, "The stream cannot be read now")
            }
        }
    }

    /// The answer.
    pub(super) fn respond(self) -> HttpResponse {
        let (id, status, title) = self.row();
        let mut response = HttpResponseBuilder::new(status);
        match self {
            Self::NoKey => {
                let challenge = "Bearer realm=\"sealpost operator\"";
                response.insert_header((header::WWW_AUTHENTICATE, challenge));
            }
            Self::TooManyFailures { after } => {
                response.insert_header((header::RETRY_AFTER, after));
            }
            Self::Full | Self::Unavailable => {
                response.insert_header((header::RETRY_AFTER, RETRY_AFTER));
            }
            Self::Missing(_)
            | Self::Forged
            | Self::AllTenants
            | Self::Malformed(_)
            | Self::Gone => {}
        }
        let body = json!({
            "type": format!("urn:sealpost:problem:{id}"),
            "title": title,
            "status": status.as_u16(),
        });
        response
            .insert_header((header::CONTENT_TYPE, "application/problem+json"))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .body(body.to_string())
    }
}

/// What is missing, in words.
fn missing(scope: Scope) -> &'static str {
    match scope {
        Scope::EventsRead => "This needs the scope events:read",
        Scope::PayloadRead => "This needs the scope payload:read",
        Scope::EventsReplay => "This needs the scope events:replay",
        Scope::SourcesWrite => "This needs the scope sources:write",
        Scope::SecretsWrite => "This needs the scope secrets:write",
        Scope::Admin => "This needs the scope admin",
    }
}

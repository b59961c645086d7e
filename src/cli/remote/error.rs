//! Why a request to the API failed.

use std::fmt;

use serde::Deserialize;

use crate::cli::Exit;

/// Why a request to the API failed.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum ApiError {
    /// The options, the context or the key cannot be used.
    #[error("{0}")]
    Usage(String),
    /// No response.
    #[error("no response from {url}: {why}")]
    Unreachable {
        /// The gateway.
        url: String,
        /// The innermost cause.
        why: String,
    },
    /// The gateway refused.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// Something else responded, or another version of the gateway.
    #[error("unexpected response from {url}: {why}")]
    Unexpected {
        /// The gateway.
        url: String,
        /// What is unexpected.
        why: String,
    },
    /// Something else responded.
    #[error(
        "no Sealpost API at {url}: use the admin listener's address (default port 8081), without \
         /api/v1"
    )]
    NoApi {
        /// The given URL.
        url: String,
    },
    /// No context of this name is saved.
    #[error("{0}")]
    NoContext(String),
}

/// An error response of the gateway, `application/problem+json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, thiserror::Error)]
#[serde(default)]
pub(in crate::cli) struct Problem {
    title: String,
    detail: Option<String>,
    option: Option<String>,
    #[serde(skip)]
    status: u16,
}

impl ApiError {
    pub(in crate::cli) fn usage(why: impl Into<String>) -> Self {
        Self::Usage(why.into())
    }

    /// Whether the gateway responded that there is no such item.
    pub(in crate::cli) fn is_not_found(&self) -> bool {
        // Without a detail, the path itself is unknown.
        matches!(self, Self::Problem(Problem { status: 404, detail: Some(_), .. }))
    }

    /// Whether the gateway does not accept the key.
    pub(in crate::cli) fn is_unauthenticated(&self) -> bool {
        matches!(self, Self::Problem(Problem { status: 401, .. }))
    }

    /// The option of the action that does it anyway.
    pub(in crate::cli) fn needed_option(&self) -> Option<&str> {
        match self {
            Self::Problem(problem) => problem.option.as_deref(),
            _ => None,
        }
    }

    /// Whether there is nothing at the path.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Problem(Problem { status: 404, .. }))
    }

    pub(in crate::cli) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::Problem(Problem { status: 400, .. }) => Exit::Usage,
            Self::Unreachable { .. } | Self::Problem(Problem { status: 502..=504, .. }) => {
                Exit::Unavailable
            }
            Self::Problem(_) if self.is_not_found() => Exit::NothingMatched,
            Self::NoContext(_) => Exit::NothingMatched,
            Self::Problem(_) | Self::Unexpected { .. } | Self::NoApi { .. } => Exit::Failed,
        }
    }
}

impl Problem {
    /// Reads the body of an error response. It may be of a proxy, and not of the gateway.
    pub(in crate::cli) fn read(status: u16, body: &[u8]) -> Self {
        let problem: Self = serde_json::from_slice(body).unwrap_or_default();
        Self { status, ..problem }
    }

    pub(in crate::cli) fn title(&self) -> &str {
        &self.title
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.detail, self.status, self.title.as_str()) {
            // As the command says it without an API.
            (Some(detail), 400 | 401 | 404 | 409, _) => f.write_str(detail),
            (Some(detail), _, title) => write!(f, "{title}: {detail}"),
            (None, status, "") => write!(f, "the gateway responded with {status}"),
            (None, _, title) => f.write_str(title),
        }
    }
}

/// The innermost cause, which is the most specific.
pub(in crate::cli) fn cause(error: &reqwest::Error) -> String {
    let mut error: &dyn std::error::Error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(status: u16, body: &str) -> ApiError {
        Problem::read(status, body.as_bytes()).into()
    }

    #[test]
    fn problems_are_exit_codes_and_texts() {
        let found = r#"{"type":"urn:x","title":"Not found","detail":"delivery 9 not found"}"#;
        for (status, body, exit, text) in [
            (404, found, Exit::NothingMatched, "delivery 9 not found"),
            (404, r#"{"title":"Not found"}"#, Exit::Failed, "Not found"),
            (404, "<html>", Exit::Failed, "the gateway responded with 404"),
            (400, r#"{"title":"Invalid","detail":"no"}"#, Exit::Usage, "no"),
            (
                403,
                r#"{"title":"Missing scope","detail":"scope `admin` required","scope":"admin"}"#,
                Exit::Failed,
                "Missing scope: scope `admin` required",
            ),
            (503, r#"{"title":"Unavailable"}"#, Exit::Unavailable, "Unavailable"),
        ] {
            let error = problem(status, body);
            assert_eq!((error.exit(), error.to_string().as_str()), (exit, text), "{status} {body}");
        }
        assert!(problem(404, found).is_not_found() && !problem(404, "").is_not_found());
        assert!(problem(401, "").is_unauthenticated());
    }
}

//! The client for Stripe's API.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use time::OffsetDateTime;
use url::Url;

use super::super::values::Id;
use crate::dispatch::Failure;
use crate::outbound::{Answer, Call, Outbound, OutboundError};
use crate::store::DeathReason;
use crate::verify::Secret;

pub(crate) const DEFAULT_BASE: &str = "https://api.stripe.com";
/// The API version in which responses are requested.
pub(crate) const DEFAULT_VERSION: &str = "2025-09-30.clover";

/// The timeout of one request: a handler makes two within its own timeout.
const DEADLINE: Duration = Duration::from_secs(10);
/// The maximum size of a response, in bytes. Stripe's objects are a few kilobytes.
const MAX_ANSWER: usize = 1024 * 1024;

/// Stripe's API, with the key of one account.
pub(crate) struct StripeClient {
    outbound: Outbound,
    base: Url,
    key: Secret,
    version: String,
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
enum ClientError {
    #[error("request to Stripe failed")]
    Request(#[source] OutboundError),
    #[error("Stripe rejected the API key ({status}{code})")]
    Key { status: u16, code: ErrorCode },
    #[error("Stripe has no {what} with this id, or no longer keeps it")]
    Unknown { what: &'static str },
    #[error("Stripe responded {status}{code}")]
    Status { status: u16, code: ErrorCode },
    #[error("Stripe's response is not text")]
    NotText,
    #[error("`{0}` is not a valid path of a Stripe object")]
    Path(String),
}

/// Stripe's error code. Its message is left out: it may repeat what was sent.
#[derive(Debug, Default)]
struct ErrorCode(Option<String>);

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|word| write!(f, " {word}"))
    }
}

impl StripeClient {
    pub(crate) fn new(outbound: Outbound, base: Url, key: Secret, version: String) -> Self {
        Self { outbound, base, key, version }
    }

    /// Fetches a whole event, as text.
    ///
    /// # Errors
    /// Transient if Stripe is unreachable, overloaded (with its `Retry-After`) or failing;
    /// permanent if it rejects the key or does not know the event, which it deletes after 30 days.
    pub(crate) async fn event(
        &self,
        id: &Id,
        context: Option<&str>,
        now: OffsetDateTime,
    ) -> Result<String, Failure> {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["v2", "core", "events", id.as_str()]);
        }
        self.get("event", url, context, now).await
    }

    /// Fetches the object at the path that an event refers to, as text.
    ///
    /// # Errors
    /// As for [`StripeClient::event`]; permanent if the path is not in the v1 API.
    pub(crate) async fn object(
        &self,
        path: &str,
        context: Option<&str>,
        now: OffsetDateTime,
    ) -> Result<String, Failure> {
        let url = path.starts_with("/v1/").then(|| self.base.join(path).ok()).flatten();
        let Some(url) = url.filter(|url| url.path().starts_with("/v1/")) else {
            return Err(permanent(ClientError::Path(path.to_owned())));
        };
        self.get("object", url, context, now).await
    }

    async fn get(
        &self,
        what: &'static str,
        url: Url,
        context: Option<&str>,
        now: OffsetDateTime,
    ) -> Result<String, Failure> {
        let key = String::from_utf8_lossy(self.key.expose());
        let mut headers = vec![
            ("authorization".to_owned(), format!("Bearer {key}")),
            ("stripe-version".to_owned(), self.version.clone()),
            ("accept".to_owned(), "application/json".to_owned()),
        ];
        headers.extend(context.map(|context| ("stripe-context".to_owned(), context.to_owned())));
        let call = Call {
            method: "GET",
            url,
            headers,
            body: Bytes::new(),
            deadline: DEADLINE,
            max_answer: MAX_ANSWER,
        };
        let answer = match self.outbound.send(call).await {
            Ok(answer) => answer,
            Err(
                error @ (OutboundError::AnswerTooLarge { status: 200, .. }
                | OutboundError::Header(_)),
            ) => {
                return Err(permanent(ClientError::Request(error)));
            }
            Err(error) => return Err(Failure::transient(ClientError::Request(error))),
        };
        text(what, answer, now)
    }
}

fn text(what: &'static str, answer: Answer, now: OffsetDateTime) -> Result<String, Failure> {
    let status = answer.status;
    match status {
        200 => String::from_utf8(answer.body.into()).map_err(|_| permanent(ClientError::NotText)),
        401 | 403 => Err(permanent(ClientError::Key { status, code: code(&answer) })),
        404 => Err(permanent(ClientError::Unknown { what })),
        // Conflict, rate limit, or a server error.
        408 | 409 | 425 | 429 | 500.. => Err(Failure::Transient {
            retry_after: answer.retry_after(now),
            error: ClientError::Status { status, code: code(&answer) }.into(),
        }),
        _ => Err(permanent(ClientError::Status { status, code: code(&answer) })),
    }
}

fn permanent(error: ClientError) -> Failure {
    Failure::permanent(DeathReason::Permanent, error)
}

fn code(answer: &Answer) -> ErrorCode {
    #[derive(Deserialize)]
    struct Body {
        error: Words,
    }

    #[derive(Deserialize)]
    struct Words {
        code: Option<String>,
        r#type: Option<String>,
    }

    let body: Option<Body> = serde_json::from_slice(&answer.body).ok();
    let word = body.and_then(|body| body.error.code.or(body.error.r#type));
    ErrorCode(word.filter(|word| {
        word.len() <= 100 && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    }))
}

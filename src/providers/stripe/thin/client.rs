//! Asking Stripe.

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

/// Where Stripe is.
pub(crate) const DEFAULT_BASE: &str = "https://api.stripe.com";
/// The version of Stripe's interface in whose words answers come.
pub(crate) const DEFAULT_VERSION: &str = "2025-09-30.clover";

/// The longest time for one answer: two are asked for within a handler's deadline.
const DEADLINE: Duration = Duration::from_secs(10);
/// The largest answer, in bytes. Stripe's objects have some kilobytes.
const MAX_ANSWER: usize = 1024 * 1024;

/// Stripe's interface, with the key of one account.
pub(crate) struct StripeClient {
    outbound: Outbound,
    base: Url,
    key: Secret,
    version: String,
}

/// Why Stripe did not say.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("request to Stripe failed")]
    NotAsked(#[source] OutboundError),
    #[error("Stripe rejected the API key ({status}{said})")]
    Key { status: u16, said: Said },
    #[error("Stripe has no {what} with this id, or no longer keeps it")]
    Unknown { what: &'static str },
    #[error("Stripe responded {status}{said}")]
    Status { status: u16, said: Said },
    #[error("Stripe's response is not text")]
    NotText,
    #[error("`{0}` is not a valid path of a Stripe object")]
    Place(String),
}

/// The words of Stripe's own for what is wrong, without the sentence, which may repeat what was
/// sent.
#[derive(Debug, Default)]
struct Said(Option<String>);

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|word| write!(f, " {word}"))
    }
}

impl StripeClient {
    pub(crate) fn new(outbound: Outbound, base: Url, key: Secret, version: String) -> Self {
        Self { outbound, base, key, version }
    }

    /// The whole of an event, as text.
    ///
    /// # Errors
    /// Transient where Stripe cannot be reached, is overloaded (with its `Retry-After`) or fails;
    /// permanent where it does not take the key or does not know the event, which it deletes
    /// after 30 days.
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
        self.ask("event", url, context, now).await
    }

    /// The object at a place that an event points at, as text.
    ///
    /// # Errors
    /// As for [`StripeClient::event`]; permanent where the place is none of the older interface's.
    pub(crate) async fn object(
        &self,
        place: &str,
        context: Option<&str>,
        now: OffsetDateTime,
    ) -> Result<String, Failure> {
        let url = place.starts_with("/v1/").then(|| self.base.join(place).ok()).flatten();
        let Some(url) = url.filter(|url| url.path().starts_with("/v1/")) else {
            return Err(permanent(AskError::Place(place.to_owned())));
        };
        self.ask("object", url, context, now).await
    }

    async fn ask(
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
                return Err(permanent(AskError::NotAsked(error)));
            }
            Err(error) => return Err(Failure::transient(AskError::NotAsked(error))),
        };
        text(what, answer, now)
    }
}

fn text(what: &'static str, answer: Answer, now: OffsetDateTime) -> Result<String, Failure> {
    let status = answer.status;
    match status {
        200 => String::from_utf8(answer.body.into()).map_err(|_| permanent(AskError::NotText)),
        401 | 403 => Err(permanent(AskError::Key { status, said: said(&answer) })),
        404 => Err(permanent(AskError::Unknown { what })),
        // Two requests at once, too many, or Stripe's own trouble.
        408 | 409 | 425 | 429 | 500.. => Err(Failure::Transient {
            retry_after: answer.retry_after(now),
            error: AskError::Status { status, said: said(&answer) }.into(),
        }),
        _ => Err(permanent(AskError::Status { status, said: said(&answer) })),
    }
}

fn permanent(error: AskError) -> Failure {
    Failure::permanent(DeathReason::Permanent, error)
}

fn said(answer: &Answer) -> Said {
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
    Said(word.filter(|word| {
        word.len() <= 100 && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    }))
}

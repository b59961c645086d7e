//! Discord's incoming webhooks: an address that holds its own secret takes a message.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::message;
use crate::gate::Secret;
use crate::outbound::{Answer, Call, Outbound, OutboundError};
use crate::store::PendingAlert;

/// The longest time for one message.
const DEADLINE: Duration = Duration::from_secs(10);
/// The largest answer that is read.
const MAX_ANSWER: usize = 64 * 1024;
/// No previews of addresses: what strangers wrote is fetched by nobody.
const SUPPRESS_EMBEDS: u32 = 1 << 2;

/// The address of a channel. Who knows it can write there: it is never shown.
#[derive(Clone)]
pub struct Webhook(Url);

/// A channel, and the way to it.
#[derive(Debug, Clone)]
pub struct Discord {
    outbound: Outbound,
    webhook: Webhook,
}

/// The address cannot be used. It is not part of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// It is none.
    #[error("is not an address")]
    NotAnAddress,
    /// It would be sent in a way that cannot be meant.
    #[error("does not begin with https://")]
    Scheme,
}

/// Why a message did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum NotTold {
    /// There was no answer.
    #[error("discord was not reached")]
    NoAnswer(#[from] OutboundError),
    /// Too many messages.
    #[error("discord asks to wait {0:?}")]
    TooMany(Duration),
    /// The address leads nowhere any more.
    #[error("discord answered {0}: the webhook is gone, or its address is not complete")]
    Gone(u16),
    /// Any other answer.
    #[error("discord answered {0}")]
    Refused(u16),
}

impl Webhook {
    /// Reads the address out of a secret.
    ///
    /// # Errors
    /// [`WebhookError`].
    pub fn new(secret: &Secret) -> Result<Self, WebhookError> {
        let text = std::str::from_utf8(secret.expose()).map_err(|_| WebhookError::NotAnAddress)?;
        let mut url = Url::parse(text).map_err(|_| WebhookError::NotAnAddress)?;
        // Whether plain HTTP may go anywhere is for the way out to say.
        if !matches!(url.scheme(), "https" | "http") {
            return Err(WebhookError::Scheme);
        }
        if url.query_pairs().all(|(name, _)| name != "wait") {
            // Without it, success is answered before the message is there.
            url.query_pairs_mut().append_pair("wait", "true");
        }
        Ok(Self(url))
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Webhook({})", self.0.host_str().unwrap_or_default())
    }
}

impl Discord {
    /// A channel.
    pub fn new(outbound: Outbound, webhook: Webhook) -> Self {
        Self { outbound, webhook }
    }

    /// Tells these alerts, in one message. If Discord takes offence at it, their number alone is
    /// told: one text must not keep all others from being told.
    ///
    /// # Errors
    /// [`NotTold`].
    pub async fn tell(&self, alerts: &[PendingAlert]) -> Result<(), NotTold> {
        match self.post(&message::of_alerts(alerts)).await {
            Err(NotTold::Refused(400..=499)) => self.post(&message::of_number(alerts.len())).await,
            told => told,
        }
    }

    /// Sends a message of the operator's own.
    ///
    /// # Errors
    /// [`NotTold`].
    pub async fn test(&self, text: &str) -> Result<(), NotTold> {
        self.post(&message::of_test(text)).await
    }

    async fn post(&self, content: &str) -> Result<(), NotTold> {
        let body = json!({
            "content": content,
            "allowed_mentions": { "parse": [] },
            "flags": SUPPRESS_EMBEDS,
        });
        let answer = self
            .outbound
            .send(Call {
                method: "POST",
                url: self.webhook.0.clone(),
                headers: vec![("content-type".to_owned(), "application/json".to_owned())],
                body: Bytes::from(body.to_string()),
                deadline: DEADLINE,
                max_answer: MAX_ANSWER,
            })
            .await?;
        match answer.status {
            200..=299 => Ok(()),
            429 => Err(NotTold::TooMany(retry_after(&answer))),
            status @ (401 | 403 | 404 | 410) => Err(NotTold::Gone(status)),
            status => Err(NotTold::Refused(status)),
        }
    }
}

impl NotTold {
    /// How long Discord asked to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooMany(wait) => Some(*wait),
            Self::NoAnswer(_) | Self::Gone(_) | Self::Refused(_) => None,
        }
    }
}

/// Seconds, with a fraction; in the body more exactly than in the header.
fn retry_after(answer: &Answer) -> Duration {
    #[derive(Deserialize)]
    struct Body {
        retry_after: f64,
    }
    let header = || answer.header("retry-after")?.trim().parse::<f64>().ok();
    let body = serde_json::from_slice::<Body>(&answer.body).ok().map(|body| body.retry_after);
    let seconds = body.into_iter().chain(header()).fold(0.0, f64::max);
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook(text: &str) -> Result<Webhook, WebhookError> {
        Webhook::new(&Secret::new(text).unwrap())
    }

    #[test]
    fn an_address_shows_its_host_and_never_its_token() {
        let webhook = webhook("https://discord.test/api/webhooks/1/token?thread_id=5").unwrap();
        assert_eq!(format!("{webhook:?}"), "Webhook(discord.test)");
        assert!(webhook.0.as_str().ends_with("/token?thread_id=5&wait=true"));
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_repeated() {
        assert_eq!(webhook("0123456789abcdef").unwrap_err(), WebhookError::NotAnAddress);
        assert_eq!(webhook("ftp://discord.test/0123").unwrap_err(), WebhookError::Scheme);
    }

    #[test]
    fn the_longer_of_two_waits_counts_and_nonsense_does_not() {
        let wait = |header: Option<&str>, body: &'static str| {
            let headers = header.map(|value| ("retry-after".to_owned(), value.to_owned()));
            let headers = headers.into_iter().collect();
            retry_after(&Answer { status: 429, headers, body: Bytes::from_static(body.as_bytes()) })
        };
        assert_eq!(wait(Some("2"), r#"{"retry_after":1.5}"#), Duration::from_secs(2));
        assert_eq!(wait(None, r#"{"retry_after":1.5}"#), Duration::from_millis(1500));
        assert_eq!(wait(Some("soon"), "<html>"), Duration::ZERO);
        assert_eq!(wait(Some("-1"), r#"{"retry_after":1e999}"#), Duration::ZERO);
        assert_eq!(wait(Some("inf"), ""), Duration::MAX);
        assert_eq!(wait(Some("NaN"), ""), Duration::ZERO);
    }
}

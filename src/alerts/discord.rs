//! Discord's incoming webhooks. The URL of one contains its own secret.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use url::{Host, Url};

use super::message;
use crate::outbound::{Answer, Call, Outbound, OutboundError};
use crate::store::PendingAlert;
use crate::verify::Secret;

const DEADLINE: Duration = Duration::from_secs(10);
const MAX_ANSWER: usize = 64 * 1024;
/// Discord's hosts; subdomains `ptb.` and `canary.` are allowed too.
const DISCORD: [&str; 2] = ["discord.com", "discordapp.com"];
/// Suppresses link previews, so that nothing in untrusted text is fetched.
const SUPPRESS_EMBEDS: u32 = 1 << 2;

/// The URL of a channel. It is a secret and never shown.
#[derive(Clone)]
pub struct Webhook(Url);

/// A channel with its HTTP client.
#[derive(Debug, Clone)]
pub struct Discord {
    outbound: Outbound,
    webhook: Webhook,
}

/// Why the URL cannot be used. The URL itself is not part of the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// Not a URL.
    #[error("is not a valid URL")]
    NotAnAddress,
    /// Neither HTTP nor HTTPS.
    #[error("does not begin with https://")]
    Scheme,
    /// Neither a Discord webhook nor a listed host.
    #[error(
        "is not a Discord webhook URL (https://discord.com/api/webhooks/…); any other host must be \
         in a network listed in `outbound.allow`, and be given with http or as an IP address"
    )]
    NotDiscord,
    /// Rejected by the outbound policy.
    #[error("cannot be used: {0}")]
    Guarded(String),
}

/// Why a message was not sent.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    #[error("cannot reach Discord")]
    NoAnswer(#[from] OutboundError),
    /// Rate limited.
    #[error("Discord rate limited the webhook for {0:?}")]
    TooMany(Duration),
    /// The webhook was deleted.
    #[error("Discord responded {0}: the webhook was deleted, or its URL is incomplete")]
    Gone(u16),
    /// Any other response.
    #[error("Discord responded {0}")]
    Refused(u16),
}

impl Webhook {
    /// Parses the URL from a secret.
    pub fn new(secret: &Secret) -> Result<Self, WebhookError> {
        let text = std::str::from_utf8(secret.expose()).map_err(|_| WebhookError::NotAnAddress)?;
        let mut url = Url::parse(text).map_err(|_| WebhookError::NotAnAddress)?;
        // The outbound policy decides whether plain HTTP is allowed.
        if !matches!(url.scheme(), "https" | "http") {
            return Err(WebhookError::Scheme);
        }
        if url.query_pairs().all(|(name, _)| name != "wait") {
            // Otherwise Discord responds before the message is stored.
            url.query_pairs_mut().append_pair("wait", "true");
        }
        Ok(Self(url))
    }

    fn is_discord(&self) -> bool {
        let host = self.0.host_str().unwrap_or_default();
        let host = host.strip_suffix('.').unwrap_or(host);
        let known = DISCORD.iter().any(|known| {
            host.strip_suffix(known).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        });
        known && self.0.scheme() == "https" && self.0.path().starts_with("/api/") && {
            self.0.path().contains("/webhooks/")
        }
    }

    /// Whether it is the operator's own relay: only the networks in `outbound.allow` can be reached
    /// in this way.
    fn is_relay(&self) -> bool {
        self.0.scheme() == "http" || !matches!(self.0.host(), Some(Host::Domain(_)))
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Webhook({})", self.0.host_str().unwrap_or_default())
    }
}

impl Discord {
    /// Checks the URL as for a message, so that an unusable one is rejected at startup.
    ///
    /// # Errors
    /// The error does not contain the URL.
    pub fn new(outbound: Outbound, webhook: Webhook) -> Result<Self, WebhookError> {
        let guarded = |error: OutboundError| {
            let why = std::error::Error::source(&error).map(|why| format!(": {why}"));
            WebhookError::Guarded(format!("{error}{}", why.unwrap_or_default()))
        };
        outbound.check(&webhook.0).map_err(guarded)?;
        if !webhook.is_discord() && !webhook.is_relay() {
            return Err(WebhookError::NotDiscord);
        }
        Ok(Self { outbound, webhook })
    }

    /// Sends these alerts as one message. If Discord rejects it, only their number is sent, so that
    /// one text cannot block all alerts.
    pub async fn send_alerts(&self, alerts: &[PendingAlert]) -> Result<(), NotifyError> {
        match self.post(&message::of_alerts(alerts)).await {
            Err(NotifyError::Refused(400..=499)) => {
                self.post(&message::of_number(alerts.len())).await
            }
            result => result,
        }
    }

    pub async fn test(&self, text: &str) -> Result<(), NotifyError> {
        self.post(&message::of_test(text)).await
    }

    /// Sends a message that is not an alert in the database.
    pub(super) async fn send_text(&self, text: &'static str) -> Result<(), NotifyError> {
        self.post(text).await
    }

    async fn post(&self, content: &str) -> Result<(), NotifyError> {
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
            429 => Err(NotifyError::TooMany(retry_after(&answer))),
            status @ (401 | 403 | 404 | 410) => Err(NotifyError::Gone(status)),
            status => Err(NotifyError::Refused(status)),
        }
    }
}

impl NotifyError {
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooMany(wait) => Some(*wait),
            Self::NoAnswer(_) | Self::Gone(_) | Self::Refused(_) => None,
        }
    }
}

/// Seconds with a fraction; the body is more precise than the header.
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
    fn webhook_shows_its_host_but_not_its_token() {
        let webhook = webhook("https://discord.test/api/webhooks/1/token?thread_id=5").unwrap();
        assert_eq!(format!("{webhook:?}"), "Webhook(discord.test)");
        assert!(webhook.0.as_str().ends_with("/token?thread_id=5&wait=true"));
    }

    #[test]
    fn invalid_webhook_is_rejected_without_repeating_it() {
        assert_eq!(webhook("0123456789abcdef").unwrap_err(), WebhookError::NotAnAddress);
        assert_eq!(webhook("ftp://discord.test/0123").unwrap_err(), WebhookError::Scheme);
    }

    #[test]
    fn channel_is_at_discord_or_in_a_listed_network() {
        let made = |allow: &[&str], text: &str| {
            let allow = allow.iter().map(|net| net.parse().unwrap()).collect();
            let outbound = Outbound::new(&crate::outbound::Policy { allow }).unwrap();
            Discord::new(outbound, webhook(text).unwrap()).map(|_| ())
        };
        for good in [
            "https://discord.com/api/webhooks/1/token-0123456789",
            "https://ptb.discord.com/api/webhooks/1/token-0123456789",
            "https://discordapp.com/api/v10/webhooks/1/token-0123456789",
        ] {
            assert_eq!(made(&[], good), Ok(()), "{good}");
        }
        for bad in [
            "https://me:secret@discord.com/api/webhooks/1/token-0123456789",
            "http://discord.com/api/webhooks/1/token-0123456789",
            "https://discord.com.evil.example/api/webhooks/1/token-0123456789",
            "https://evildiscord.com/api/webhooks/1/token-0123456789",
            "https://disc\u{f6}rd.com/api/webhooks/1/token-0123456789",
            "https://discord.com:444/api/webhooks/1/token-0123456789",
            "https://discord.com/channels/1/2-0123456789",
            "https://127.0.0.1/api/webhooks/1/token-0123456789",
            "https://localhost/api/webhooks/1/token-0123456789",
            "https://relay.internal/api/webhooks/1/token-0123456789",
            "https://[::1]/api/webhooks/1/token-0123456789",
        ] {
            let error = made(&[], bad).unwrap_err().to_string();
            assert!(!error.contains("token"), "{error}");
        }
        assert_eq!(
            made(&["127.0.0.0/8"], "http://127.0.0.1:9/api/webhooks/1/token-0123456"),
            Ok(())
        );
    }

    #[test]
    fn longer_retry_after_wins_and_invalid_ones_are_ignored() {
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

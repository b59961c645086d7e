//! Discord's incoming webhooks: an address that holds its own secret takes a message.

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

/// The longest time for one message.
const DEADLINE: Duration = Duration::from_secs(10);
/// The largest answer that is read.
const MAX_ANSWER: usize = 64 * 1024;
/// Discord's own hosts; `ptb.` and `canary.` of them too.
const DISCORD: [&str; 2] = ["discord.com", "discordapp.com"];
/// No previews of addresses: untrusted text is fetched by nobody.
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
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// It is none.
    #[error("is not a valid URL")]
    NotAnAddress,
    /// It would be sent in a way that cannot be meant.
    #[error("does not begin with https://")]
    Scheme,
    /// A host that is not Discord's, or a path that is none of its webhooks.
    #[error(
        "is not a Discord webhook URL (https://discord.com/api/webhooks/…); any other host must be \
         in a network listed in `outbound.allow`, and be given with http or as an IP address"
    )]
    NotDiscord,
    /// No request may go there.
    #[error("cannot be used: {0}")]
    Guarded(String),
}

/// Why a message did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// There was no answer.
    #[error("cannot reach Discord")]
    NoAnswer(#[from] OutboundError),
    /// Too many messages.
    #[error("Discord rate limited the webhook for {0:?}")]
    TooMany(Duration),
    /// The address leads nowhere any more.
    #[error("Discord responded {0}: the webhook was deleted, or its URL is incomplete")]
    Gone(u16),
    /// Any other answer.
    #[error("Discord responded {0}")]
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

    /// Whether it is a webhook at Discord itself.
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

    /// Whether it leads to a network that the configuration lists, since nothing else lets it out:
    /// what stands there is the operator's own.
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
    /// A channel. Judged as every message will be: an address that no message may go to is refused
    /// now, and not when there is something to tell.
    ///
    /// # Errors
    /// [`WebhookError`], without the address.
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

    /// Tells these alerts, in one message. If Discord takes offence at it, their number alone is
    /// told: one text must not keep all others from being told.
    ///
    /// # Errors
    /// [`NotifyError`].
    pub async fn tell(&self, alerts: &[PendingAlert]) -> Result<(), NotifyError> {
        match self.post(&message::of_alerts(alerts)).await {
            Err(NotifyError::Refused(400..=499)) => {
                self.post(&message::of_number(alerts.len())).await
            }
            told => told,
        }
    }

    /// Sends a message of the operator's own.
    ///
    /// # Errors
    /// [`NotifyError`].
    pub async fn test(&self, text: &str) -> Result<(), NotifyError> {
        self.post(&message::of_test(text)).await
    }

    /// Says something that is no alert of the database.
    ///
    /// # Errors
    /// [`NotifyError`].
    pub(super) async fn say(&self, text: &'static str) -> Result<(), NotifyError> {
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
    fn a_channel_is_at_discord_or_in_a_listed_network() {
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

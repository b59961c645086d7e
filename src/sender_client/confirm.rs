//! Confirms subscriptions: fetches a URL that the sender named in a verified request.

use std::error::Error;
use std::time::Duration;

use tracing::{info, warn};
use url::Url;

use super::{FetchError, SenderClient};
use crate::outbound::OutboundError;

/// How many subscriptions are confirmed at the same time.
pub(super) const AT_ONCE: usize = 16;
/// How many tasks may wait. Far more than a sender asks for: the bound is for memory.
const MAX_WAITING: usize = 1_000;
/// The delays after failures; there is none after the last.
const TRIES: [Option<Duration>; 3] =
    [Some(Duration::from_secs(1)), Some(Duration::from_secs(5)), None];

impl SenderClient {
    /// Fetches the URL once in the background, which confirms a subscription. Failures are retried
    /// twice.
    pub fn confirm(&self, url: Url) {
        if self.0.tasks.len() >= MAX_WAITING {
            warn!(url = shown(&url), "too many subscriptions at once, one is not confirmed");
            return;
        }
        let client = self.clone();
        self.spawn(async move { client.confirm_now(&url).await });
    }

    async fn confirm_now(&self, url: &Url) {
        let Ok(_permit) = self.0.confirming.acquire().await else { return };
        let shown = shown(url);
        for wait in TRIES {
            let Err(error) = self.visit(url).await else {
                info!(url = shown, "subscription confirmed");
                return;
            };
            warn!(
                error = &error as &dyn Error,
                url = shown,
                is_retried = wait.is_some(),
                "cannot confirm a subscription"
            );
            if let Some(wait) = wait {
                tokio::time::sleep(wait).await;
            }
        }
    }

    async fn visit(&self, url: &Url) -> Result<(), FetchError> {
        let status = match self.send(url).await {
            Ok(answer) => answer.status,
            // Only the status matters.
            Err(OutboundError::AnswerTooLarge { status, .. }) => status,
            Err(error) => return Err(error.into()),
        };
        if (200..300).contains(&status) { Ok(()) } else { Err(FetchError::Status(status)) }
    }
}

/// Host and path, for the log. The query contains the token of the subscription.
fn shown(url: &Url) -> String {
    format!("{}{}", url.host_str().unwrap_or_default(), url.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_not_shown() {
        let url = "https://user:secret@sns.example.com/a/b?Action=x&Token=secret#secret";
        assert_eq!(shown(&url.parse().unwrap()), "sns.example.com/a/b");
    }
}

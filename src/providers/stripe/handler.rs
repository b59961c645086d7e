//! Processes Stripe's events: invoices become paid, refunded and disputed; subscriptions and
//! connected accounts are tracked.
//!
//! Stripe guarantees no order and repeats events, and any connected account can write any invoice
//! id into its metadata. Every write is therefore idempotent and independent of the order
//! ([`super::lifecycle`]), and an object belongs to the account that named it first: events of
//! another account may not change it. If all events of a source must come from one account, the
//! option `account` enforces it, and nothing depends on which event is first.

use async_trait::async_trait;

use super::applied::{Applied, stamp};
use super::changes::{Change, KINDS};
use super::payload::Event;
use super::refusal::{check_account, read};
use super::thin::{self, StripeClient};
use crate::dispatch::{Attempt, Failure, Handler};
use crate::store::{DeathReason, Effects, StoredEvent};

pub(super) struct Stripe {
    pub(super) livemode: bool,
    pub(super) account: Option<String>,
    /// The API client for thin events, if the source has an API key.
    pub(super) api: Option<StripeClient>,
}

#[async_trait]
impl Handler for Stripe {
    fn name(&self) -> &'static str {
        "stripe"
    }

    async fn handle(&self, event: &StoredEvent, attempt: Attempt) -> Result<Effects, Failure> {
        let kind = event.event_type.as_str();
        let handled = KINDS.contains(&kind.strip_prefix("v1.").unwrap_or(kind));
        let body: Event<'_> = match read(&event.body) {
            Err(_) if !handled => return Ok(Effects::ignored()),
            read => read?,
        };
        if body.livemode.is_some_and(|livemode| livemode != self.livemode) {
            return self.other_mode(&body, handled);
        }
        if body.is_thin() {
            let (api, account) = (self.api.as_ref(), self.account.as_deref());
            return thin::handle(api, account, event, &body, attempt).await;
        }
        if !KINDS.contains(&kind) {
            return Ok(Effects::ignored());
        }
        let account = body.account.as_ref().map(|account| account.as_str().to_owned());
        check_account(self.account.as_deref(), account.as_deref())?;
        let stamp = stamp(event, &body, account)?;
        let object = body.data.as_ref().and_then(|data| data.object);
        Ok(match Change::read(&event.event_type, object, &stamp)? {
            Some(change) => Effects::write(Applied { stamp, change }),
            None => Effects::ignored(),
        })
    }
}

impl Stripe {
    /// Handles an event of the mode that the source does not accept.
    ///
    /// Stripe also sends the test events of connected accounts to a platform's live endpoint and
    /// expects it to check `livemode`: those are ignored. An event of the platform itself never has
    /// the other mode, and a live event never reaches a test endpoint: there the source is
    /// misconfigured, which becomes a dead letter. Events without a handler are ignored first:
    /// nothing of them is lost.
    fn other_mode(&self, body: &Event<'_>, handled: bool) -> Result<Effects, Failure> {
        if !handled || (self.livemode && body.is_of_a_connected_account()) {
            return Ok(Effects::ignored());
        }
        let detail = if self.livemode {
            "test event of the platform's own account at a live source"
        } else {
            "live event at a test source"
        };
        Err(Failure::permanent(DeathReason::LivemodeMismatch, detail))
    }
}

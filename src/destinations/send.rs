//! One attempt to hand an event over.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::time::Instant;
use tracing::info;
use url::Url;

use super::filter::Filter;
use super::sign::Form;
use super::types::Types;
use super::{answer, body, headers};
use crate::dispatch::{Attempt, Failure, Handler};
use crate::gate::Provider;
use crate::outbound::{Call, Outbound};
use crate::store::{EffectError, Effects, Outcome, StoredEvent, Tx, Write};

/// How much of an answer is read, in bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// What the handlers of one destination share.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) handler: &'static str,
    pub(super) url: Url,
    pub(super) filter: Option<Filter>,
    pub(super) form: Form,
    pub(super) timeout: Duration,
    pub(super) concurrency: NonZeroU32,
    pub(super) rate: Option<Rate>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) provider_headers: bool,
    pub(super) outbound: Outbound,
}

/// How many requests this gateway begins a second.
#[derive(Debug)]
pub(super) struct Rate(DefaultDirectRateLimiter);

/// A destination, as a handler of one source.
pub(super) struct To {
    pub(super) sender: Arc<Sender>,
    pub(super) types: Arc<Types>,
    pub(super) provider: Arc<dyn Provider>,
}

/// The destination took the event.
struct Taken(&'static str);

impl Rate {
    pub(super) fn new(per_second: NonZeroU32) -> Self {
        Self(RateLimiter::direct(Quota::per_second(per_second)))
    }

    /// Waits for a turn. Not long: no more wait at a time than may be at work at a time.
    async fn turn(&self) {
        while let Err(wait) = self.0.check() {
            tokio::time::sleep(wait.wait_time_from(DefaultClock::default().now())).await;
        }
    }
}

#[async_trait]
impl Handler for To {
    fn name(&self) -> &'static str {
        self.sender.handler
    }

    fn takes(&self, kind: &str) -> bool {
        self.types.contain(kind)
    }

    fn at_a_time(&self) -> Option<NonZeroU32> {
        Some(self.sender.concurrency)
    }

    async fn handle(&self, event: &StoredEvent, attempt: Attempt) -> Result<Effects, Failure> {
        let Sender { handler, filter, form, rate, .. } = &*self.sender;
        if filter.as_ref().is_some_and(|filter| !filter.matches(body::judged(event))) {
            return Ok(Effects::ignored());
        }
        if let Some(rate) = rate {
            rate.turn().await;
        }
        let fixed = &self.sender.headers;
        let body = body::of(event, &*self.provider);
        let mut headers =
            headers::of(event, attempt.number, fixed, self.sender.provider_headers, form);
        let guild = headers::guild(event, fixed);
        for (name, value) in form.sign(event.id, attempt.started_at, guild, &body) {
            // The bot's signer suggests a type of content too.
            if name != "content-type" {
                headers.push((name, value));
            }
        }
        let call = Call {
            method: "POST",
            url: self.sender.url.clone(),
            headers,
            body,
            deadline: self.sender.timeout,
            max_answer: MAX_ANSWER,
        };
        let began = Instant::now();
        let result = self.sender.outbound.send(call).await;
        let class = match &result {
            Ok(answer) => class(answer.status),
            Err(_) => "none",
        };
        metrics::counter!("sealpost_destination_requests_total",
            "handler" => *handler, "answer" => class)
        .increment(1);
        metrics::histogram!("sealpost_destination_request_seconds", "handler" => *handler)
            .record(began.elapsed());
        answer::judge(result, attempt.started_at)?;
        Ok(Effects::write(Taken(handler)))
    }
}

#[async_trait]
impl Write for Taken {
    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Outcome, EffectError> {
        if let Some(opened_at) = tx.destination_answered(self.0).await? {
            info!(since = %opened_at, "the destination answers again: its deliveries go on");
        }
        Ok(Outcome::Handled)
    }
}

fn class(status: u16) -> &'static str {
    match status {
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        500..=599 => "5xx",
        _ => "other",
    }
}

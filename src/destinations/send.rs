//! One delivery attempt.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use time::OffsetDateTime;
use tokio::time::Instant;
use tracing::info;
use url::Url;

use super::filter::Filter;
use super::sign::Form;
use super::types::Types;
use super::{answer, body, headers};
use crate::dispatch::{Attempt, Failure, Handler};
use crate::outbound::{Call, Outbound};
use crate::store::{
    EffectError, Effects, EventId, Outcome, RecordedResponse, ResponseLog, StoredEvent, Tx, Write,
};
use crate::verify::Provider;

/// The maximum size of a response, in bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// The state shared by all handlers of one destination.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) name: Arc<str>,
    /// The stored handler name.
    pub(super) handler: &'static str,
    pub(super) url: Url,
    pub(super) filter: Option<Filter>,
    pub(super) form: Form,
    pub(super) timeout: Duration,
    pub(super) concurrency: NonZeroU32,
    pub(super) rate: Option<Rate>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) provider_headers: bool,
    pub(super) answers: ResponseLog,
    pub(super) outbound: Outbound,
}

/// The context of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestContext {
    pub(super) event: EventId,
    pub(super) at: OffsetDateTime,
    /// `None` for a test event.
    pub(super) delivery: Option<i64>,
}

/// The limit of requests per second of this gateway.
#[derive(Debug)]
pub(super) struct Rate(DefaultDirectRateLimiter);

/// A destination as a handler of one source.
pub(super) struct DestinationHandler {
    pub(super) sender: Arc<Sender>,
    pub(super) types: Arc<Types>,
    pub(super) provider: Arc<dyn Provider>,
}

/// The effect of an event that the destination of this name accepted.
struct MarkAccepted(Arc<str>);

impl Rate {
    pub(super) fn new(per_second: NonZeroU32) -> Self {
        Self(RateLimiter::direct(Quota::per_second(per_second)))
    }

    /// Waits for a permit. The wait is short: no more requests wait than may be in flight.
    async fn wait_for_permit(&self) {
        while let Err(wait) = self.0.check() {
            tokio::time::sleep(wait.wait_time_from(DefaultClock::default().now())).await;
        }
    }
}

#[async_trait]
impl Handler for DestinationHandler {
    fn name(&self) -> &'static str {
        self.sender.handler
    }

    fn accepts(&self, event_type: &str) -> bool {
        self.types.contain(event_type)
    }

    fn max_in_flight(&self) -> Option<NonZeroU32> {
        Some(self.sender.concurrency)
    }

    async fn handle(&self, event: &StoredEvent, attempt: Attempt) -> Result<Effects, Failure> {
        let Sender { name: destination, filter, form, rate, .. } = &*self.sender;
        if filter.as_ref().is_some_and(|filter| !filter.matches(body::filter_input(event))) {
            return Ok(Effects::ignored());
        }
        if let Some(rate) = rate {
            rate.wait_for_permit().await;
        }
        let fixed = &self.sender.headers;
        let body = body::of(event, &*self.provider);
        let mut headers = headers::of(event, &attempt, fixed, self.sender.provider_headers, form);
        let guild = headers::guild(event, fixed);
        for (name, value) in form.sign(event.id, attempt.started_at, guild, &body) {
            // The bot's signer also proposes a content type.
            if name != "content-type" {
                headers.push((name, value));
            }
        }
        let (at, delivery) = (attempt.started_at, attempt.origin.delivery);
        let context = RequestContext { event: event.id, at, delivery };
        let (outcome, response) = self.sender.send(context, headers, body).await;
        self.sender.answers.record(destination, response);
        outcome?;
        Ok(Effects::write(MarkAccepted(Arc::clone(destination))))
    }
}

impl Sender {
    /// Sends one request; returns its outcome and the response for display.
    pub(super) async fn send(
        &self,
        context: RequestContext,
        headers: Vec<(String, String)>,
        body: Bytes,
    ) -> (Result<(), Failure>, RecordedResponse) {
        let call = Call {
            method: "POST",
            url: self.url.clone(),
            headers,
            body,
            deadline: self.timeout,
            max_answer: MAX_ANSWER,
        };
        let began = Instant::now();
        // A repetition is safe: it has the same event id, so the receiver can deduplicate it.
        let result = self.outbound.send_repeatable(call).await;
        let took = began.elapsed();
        let class = match &result {
            Ok(answer) => class(answer.status),
            Err(_) => "none",
        };
        metrics::counter!("sealpost_destination_requests_total",
            "handler" => self.handler, "answer" => class)
        .increment(1);
        metrics::histogram!("sealpost_destination_request_seconds", "handler" => self.handler)
            .record(took);
        let (status, headers, body) = answer::for_display(&result);
        let outcome = answer::evaluate(result, context.at);
        let response = RecordedResponse {
            at: context.at,
            took: time::Duration::try_from(took).unwrap_or(time::Duration::MAX),
            delivery: context.delivery,
            event: context.event,
            status,
            headers,
            body,
            error: outcome.as_ref().err().map(answer::error_chain),
        };
        (outcome, response)
    }
}

#[async_trait]
impl Write for MarkAccepted {
    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Outcome, EffectError> {
        if let Some(opened_at) = tx.record_destination_success(&self.0).await? {
            info!(since = %opened_at, "destination recovered, deliveries resume");
        }
        Ok(Outcome::Handled)
    }

    fn shared(&self) -> Option<&str> {
        Some(&self.0)
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

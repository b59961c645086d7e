//! Destinations: verified events are delivered to an application, signed anew.
//!
//! - A *destination* is a URL with a secret. Each source that it subscribes to has it as a handler
//!   with the stored name `to:` plus its name, so queueing, retries, dead letters, replays and lane
//!   order work as for any handler.
//! - Its types select events before a delivery is created; its filter examines the body when the
//!   delivery is due.
//! - The *body* is the received one, byte for byte. A chunked payload is sent as the sender would
//!   have sent it in one piece: as text, so that every verifier accepts it.
//! - The *form* of the signature is Standard Webhooks or the bot's native one.
//! - The meaning of each response is defined in `answer`.
//!
//! A destination that keeps failing, or responds that it is gone, is blocked: see `store::breaker`
//! and `store::destinations`. Its deliveries are kept.

mod answer;
mod body;
mod filter;
mod headers;
mod send;
mod sign;
mod test;
mod types;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use url::Url;

use crate::dispatch::Handler;
use crate::outbound::{Outbound, OutboundError};
use crate::store::{HandlerName, RecordedResponse, ResponseLog};
use crate::verify::{Provider, Secret};

use filter::{Filter, FilterError};
use send::{Rate, Sender};
use sign::{Form, KeyError};
use types::{Types, TypesError};

/// The definition of a destination.
#[derive(Debug, Clone)]
pub struct Spec {
    pub name: String,
    pub url: Url,
    /// The patterns of the event types it accepts.
    pub types: Vec<String>,
    /// A query over the decoded body.
    pub filter: Option<String>,
    pub sign: Sign,
    /// The signing secret.
    pub secret: Secret,
    /// A bearer token to send, if the application requires one.
    pub token: Option<Secret>,
    /// The timeout of one request, from resolving the host name to the last byte of the response.
    pub timeout: Duration,
    /// The maximum number of requests in flight, over all gateways.
    pub concurrency: NonZeroU32,
    /// The maximum number of requests that this gateway starts per second.
    pub rate: Option<NonZeroU32>,
    /// Additional headers of every request.
    pub headers: Vec<(String, String)>,
    /// Whether the stored headers of the sender's request are forwarded.
    pub provider_headers: bool,
    /// The log of its responses.
    pub answers: ResponseLog,
}

/// How requests are signed.
#[derive(Debug, Clone)]
pub enum Sign {
    Standard {
        /// The prefix of the header names.
        prefix: Prefix,
    },
    /// The signature of the bot's API when it calls the bot.
    Bot {
        /// The name of the calling service.
        service: String,
    },
}

/// The prefix of the Standard Webhooks headers. Receivers older than the standard know only the
/// names of the service it originates from; the header values are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefix {
    /// `webhook-id`, `webhook-timestamp`, `webhook-signature`.
    Webhook,
    /// `svix-id`, `svix-timestamp`, `svix-signature`.
    Svix,
}

/// Why a destination is invalid.
#[derive(Debug, thiserror::Error)]
pub enum DestinationError {
    #[error("invalid URL")]
    Url(#[source] OutboundError),
    #[error(
        "the header `{0}` cannot be set: it is reserved for the request or the signature, or would \
         contain a secret"
    )]
    Header(String),
    #[error("invalid types")]
    Types(#[source] TypesError),
    #[error("invalid filter")]
    Filter(#[source] FilterError),
    #[error("invalid secret")]
    Key(#[source] KeyError),
}

/// A validated destination.
#[derive(Debug, Clone)]
pub struct Destination {
    sender: Arc<Sender>,
    types: Arc<Types>,
}

impl Destination {
    /// Validates everything that can be checked before a request is sent.
    pub fn new(spec: Spec, outbound: &Outbound) -> Result<Self, DestinationError> {
        outbound.check(&spec.url).map_err(DestinationError::Url)?;
        let form =
            Form::new(&spec.sign, &spec.secret, spec.token).map_err(DestinationError::Key)?;
        for (name, value) in &spec.headers {
            if !headers::may_be_set(name, value, &form) {
                return Err(DestinationError::Header(name.clone()));
            }
        }
        let filter = spec.filter.as_deref().map(Filter::new).transpose();
        let handler = HandlerName::Destination(&spec.name).to_string();
        let sender = Sender {
            // Leaked once per destination at startup: the name is stored with every delivery.
            handler: Box::leak(handler.into_boxed_str()),
            name: spec.name.into(),
            url: spec.url,
            filter: filter.map_err(DestinationError::Filter)?,
            form,
            timeout: spec.timeout,
            concurrency: spec.concurrency,
            rate: spec.rate.map(Rate::new),
            headers: spec.headers,
            provider_headers: spec.provider_headers,
            answers: spec.answers,
            outbound: outbound.clone(),
        };
        let types = Types::new(&spec.types).map_err(DestinationError::Types)?;
        Ok(Self { sender: Arc::new(sender), types: Arc::new(types) })
    }

    /// Sends a test event and returns the response.
    pub async fn send_test(&self, now: OffsetDateTime) -> RecordedResponse {
        test::send(&self.sender, now).await
    }

    /// The destination as a handler of a source with this provider.
    pub fn handler(&self, provider: Arc<dyn Provider>) -> Arc<dyn Handler> {
        let (sender, types) = (Arc::clone(&self.sender), Arc::clone(&self.types));
        Arc::new(send::DestinationHandler { sender, types, provider })
    }
}

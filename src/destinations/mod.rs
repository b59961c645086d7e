//! Destinations: an event that was verified here reaches an application, signed anew.
//!
//! - A *destination* is a URL with a secret. Every source that it takes from has it as one of its
//!   handlers, under the stored name `to:` and its name: what waits, what is retried, what became a
//!   dead letter and what is replayed is as for any handler, and so is the order of lanes.
//! - Its types say which events it takes, before a delivery is made of an event; its
//!   filter looks into the body when the delivery is due.
//! - The *body* is the one that was received, byte for byte. What came in chunks is sent as its
//!   sender would have sent it in one piece: text, so that every verifier takes it.
//! - The *form* of the signature is that of Standard Webhooks, or the bot's native one.
//! - What an answer means is said in one place, in `answer`.
//!
//! A destination that fails again and again is blocked, and so is one that answers that it is
//! gone: see `store::breaker` and `store::destinations`. What waits for it is kept.

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
use crate::store::{DestinationResponse, ResponseLog, TO};
use crate::verify::{Provider, Secret};

use filter::{Filter, FilterError};
use send::{Rate, Sender};
use sign::{Form, KeyError};
use types::{Types, TypesError};

/// What a destination is made of.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub url: Url,
    /// Patterns of event types.
    pub types: Vec<String>,
    /// A query over the decoded body.
    pub filter: Option<String>,
    /// How requests are signed.
    pub sign: Sign,
    /// With what they are signed.
    pub secret: Secret,
    /// What is sent as a bearer token, where the application wants one.
    pub token: Option<Secret>,
    /// The longest time for one request, from resolving the name to the answer's last byte.
    pub timeout: Duration,
    /// How many requests may run at a time, over all gateways.
    pub concurrency: NonZeroU32,
    /// How many requests this gateway begins a second, at most.
    pub rate: Option<NonZeroU32>,
    /// Headers that every request has.
    pub headers: Vec<(String, String)>,
    /// Whether the headers that are kept of the sender's request are sent on.
    pub provider_headers: bool,
    /// Where its answers are noted.
    pub answers: ResponseLog,
}

/// How requests are signed.
#[derive(Debug, Clone)]
pub enum Sign {
    /// As Standard Webhooks says.
    Standard {
        /// What the names of its headers begin with.
        prefix: Prefix,
    },
    /// As the bot's API signs when it calls the bot.
    Bot {
        /// The name of the service that calls.
        service: String,
    },
}

/// What the names of the headers of Standard Webhooks begin with. Receivers that are older than the
/// standard know only the names of the service that it comes from; what the headers hold is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefix {
    /// `webhook-id`, `webhook-timestamp`, `webhook-signature`.
    Webhook,
    /// `svix-id`, `svix-timestamp`, `svix-signature`.
    Svix,
}

/// Why there cannot be such a destination.
#[derive(Debug, thiserror::Error)]
pub enum DestinationError {
    /// Its URL cannot be reached.
    #[error("invalid URL")]
    Url(#[source] OutboundError),
    /// One of its headers cannot be set.
    #[error(
        "the header `{0}` cannot be set: it is reserved for the request or the signature, or would \
         contain a secret"
    )]
    Header(String),
    /// Its patterns of types are none.
    #[error("invalid types")]
    Types(#[source] TypesError),
    /// Its filter is no query.
    #[error("invalid filter")]
    Filter(#[source] FilterError),
    /// Nothing can be signed with its secret.
    #[error("invalid secret")]
    Key(#[source] KeyError),
}

/// A destination, ready to be sent to.
#[derive(Debug, Clone)]
pub struct Destination {
    sender: Arc<Sender>,
    types: Arc<Types>,
}

impl Destination {
    /// Makes it, and checks all that can be checked before anything is sent.
    ///
    /// # Errors
    /// [`DestinationError`].
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
        let sender = Sender {
            // Once per destination and start: the name is stored with every delivery.
            handler: Box::leak(format!("{TO}{}", spec.name).into_boxed_str()),
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

    /// Sends it a test event, which says that it is one, and gives what came of it.
    pub async fn send_test(&self, now: OffsetDateTime) -> DestinationResponse {
        test::send(&self.sender, now).await
    }

    /// It as a handler of a source of this provider.
    pub fn handler(&self, provider: Arc<dyn Provider>) -> Arc<dyn Handler> {
        let (sender, types) = (Arc::clone(&self.sender), Arc::clone(&self.types));
        Arc::new(send::To { sender, types, provider })
    }
}

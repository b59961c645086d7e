//! What a provider answers to the applications themselves, beside the webhooks that it takes.
//!
//! An [`ProviderEndpoint`] is one kind of thing that an application may ask of a source, such as runs. It is
//! made with the source's provider, and `http` mounts it on the operator listener, at
//! `/api/v1/{provider}/{resource}`. It knows neither paths nor statuses: it takes a [`Call`] and
//! gives a [`Reply`] or a [`Fault`].

use async_trait::async_trait;
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::openapi::{RefOr, Schema};

use crate::store::{Store, StoreError};
use crate::verify::Secret;

/// What an application may ask of one source.
#[async_trait]
pub trait ProviderEndpoint: Send + Sync + 'static {
    /// What is asked for: the last part of the path.
    fn resource(&self) -> &'static str;

    /// Makes one. Called again with the same idempotency key and body, it gives the same one.
    ///
    /// # Errors
    /// A [`Fault`]; nothing was made then.
    async fn create(&self, call: Call<'_>) -> Result<Reply, Fault>;
}

/// What an [`ProviderEndpoint`] says about itself, whatever its source.
#[derive(Clone)]
pub struct Described {
    /// As [`ProviderEndpoint::resource`].
    pub resource: &'static str,
    /// What to call the operation, such as `startRun`.
    pub operation: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// What it does, in full.
    pub description: &'static str,
    /// The name of the body's schema.
    pub request: &'static str,
    /// The name of the answer's schema.
    pub reply: &'static str,
    /// Every schema, by name.
    pub schemas: Vec<(String, RefOr<Schema>)>,
}

/// One call.
#[derive(Clone, Copy)]
pub struct Call<'c> {
    /// The database.
    pub store: &'c Store,
    /// The source's first secret, to sign with.
    pub secret: &'c Secret,
    /// The time of the call.
    pub now: OffsetDateTime,
    /// The caller's `Idempotency-Key`.
    pub key: Option<&'c str>,
    /// The body: JSON, in which `source` is the name of the source, if it is there.
    pub body: &'c [u8],
}

/// The answer to a call.
#[derive(Debug)]
pub struct Reply {
    /// Whether it is a new one.
    pub made: Made,
    /// What was made, or was there.
    pub body: Value,
}

/// How what a reply speaks of came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// It was made by this call.
    New,
    /// It was made by a call with the same idempotency key, of which this one is a duplicate.
    RetryUntil,
    /// It was there.
    Known,
}

/// Why nothing was made.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The body is not what this call takes.
    #[error("{0}")]
    Invalid(String),
    /// Conflict with the current state.
    #[error("{0}")]
    Conflict(String),
    /// The idempotency key was used with another body.
    #[error("the idempotency key was already used with a different body")]
    KeyReused,
    /// The budget is spent.
    #[error("the budget of {limit} is exhausted until {resets_at}")]
    Spent {
        /// The budget.
        limit: u32,
        /// When there is a new one.
        resets_at: OffsetDateTime,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

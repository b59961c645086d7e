//! The endpoints that a provider offers to applications, in addition to its webhooks.
//!
//! A [`ProviderEndpoint`] is one kind of resource that an application may create at a source, such
//! as runs. It is built with the source's provider and mounted at `/api/v1/{provider}/{resource}`
//! on the admin listener. It knows neither paths nor statuses: it takes a [`Call`] and returns a
//! [`Reply`] or a [`Fault`].

use async_trait::async_trait;
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::openapi::{RefOr, Schema};

use crate::store::{Store, StoreError};
use crate::verify::Secret;

/// A resource that an application may create at one source.
#[async_trait]
pub trait ProviderEndpoint: Send + Sync + 'static {
    /// The last segment of the path.
    fn resource(&self) -> &'static str;

    /// Creates a resource. A repeated call with the same idempotency key and body returns the same
    /// one.
    ///
    /// # Errors
    /// A [`Fault`]; nothing was created then.
    async fn create(&self, call: Call<'_>) -> Result<Reply, Fault>;
}

/// The description of a [`ProviderEndpoint`], for all sources.
#[derive(Clone)]
pub struct Described {
    pub resource: &'static str,
    /// The operation id, such as `startRun`.
    pub operation: &'static str,
    pub summary: &'static str,
    pub description: &'static str,
    /// The name of the request schema.
    pub request: &'static str,
    /// The name of the response schema.
    pub reply: &'static str,
    /// All schemas, by name.
    pub schemas: Vec<(String, RefOr<Schema>)>,
}

#[derive(Clone, Copy)]
pub struct Call<'c> {
    pub store: &'c Store,
    /// The source's first secret, to sign with.
    pub secret: &'c Secret,
    pub now: OffsetDateTime,
    /// The caller's `Idempotency-Key`.
    pub key: Option<&'c str>,
    /// The JSON body; its optional `source` is the name of the source.
    pub body: &'c [u8],
}

#[derive(Debug)]
pub struct Reply {
    pub made: Made,
    /// The resource.
    pub body: Value,
}

/// How the resource of a reply came to exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// Created by this call.
    New,
    /// Created by an earlier call with the same idempotency key.
    RetryUntil,
    /// It already existed.
    Known,
}

/// Why nothing was created.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The body is invalid.
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    Conflict(String),
    /// The idempotency key was used with another body.
    #[error("the idempotency key was already used with a different body")]
    KeyReused,
    /// The budget is exhausted.
    #[error("the budget of {limit} is exhausted until {resets_at}")]
    Spent { limit: u32, resets_at: OffsetDateTime },
    #[error(transparent)]
    Store(#[from] StoreError),
}

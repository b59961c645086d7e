//! One source in the configuration file.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::retention::SourceRetention;
use super::schema::{Options, Size, Span};
use crate::verify::SchemeDefinition;

/// One source.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceEntry {
    /// Its name, as in `/hooks/{name}`.
    #[schemars(extend("pattern" = "^[a-z0-9_-]{1,64}$"))]
    pub name: String,
    /// Its provider.
    pub provider: String,
    /// Its tenant.
    #[serde(default = "default_tenant")]
    pub tenant: String,
    /// Whether it accepts requests.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// One to three secrets; a request signed with any of them verifies. None for senders that
    /// publish their keys; optional for those that bring their secret in a handshake.
    #[serde(default, deserialize_with = "at_least_one")]
    #[schemars(extend("minItems" = 1, "maxItems" = 3))]
    pub secrets: Vec<SecretRef>,
    /// Retired secrets: they never verify, they only help to diagnose rejected requests.
    #[serde(default)]
    pub retired: Vec<SecretRef>,
    /// How long rejected requests with a signature are kept, for diagnosis and reprocessing; by
    /// default they are not kept.
    #[serde(default, with = "humantime_serde")]
    #[schemars(with = "Option<Span>")]
    pub keep_rejected: Option<Duration>,
    /// An additional secret, for providers that require one.
    pub token: Option<SecretRef>,
    /// Additional paths of the source.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Maximum body size; defaults to the provider's.
    #[schemars(with = "Option<Size>")]
    pub max_body: Option<ByteSize>,
    /// Timeout of a body; the default is longer for larger `max_body`.
    #[serde(default, with = "humantime_serde")]
    #[schemars(with = "Option<Span>")]
    pub body_deadline: Option<Duration>,
    /// Maximum age of a signature; defaults to the provider's.
    #[serde(default, with = "humantime_serde")]
    #[schemars(with = "Option<Span>")]
    pub max_age: Option<Duration>,
    /// How far in the future a signature may be.
    #[serde(default, with = "humantime_serde")]
    #[schemars(with = "Option<Span>")]
    pub max_future: Option<Duration>,
    /// Rate limit of authentic requests; defaults to the provider's.
    pub limit: Option<LimitEntry>,
    /// Effect of a dead letter on later deliveries in its lane.
    #[serde(default)]
    pub dead_head: DeadHead,
    /// How long its events are kept, where that differs from `[retention]`.
    pub retention: Option<SourceRetention>,
    /// How the sender signs, for the provider `custom`.
    #[schemars(with = "Option<SchemeDefinition>")]
    pub scheme: Option<toml::Table>,
    /// Options of the provider.
    #[serde(default)]
    #[schemars(with = "Options")]
    pub options: toml::Table,
}

/// The location of a secret: exactly one of these. Never the secret itself.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct SecretRef {
    /// Environment variable.
    pub env: Option<String>,
    /// File; a trailing line break is removed.
    pub file: Option<PathBuf>,
}

/// A rate limit.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitEntry {
    /// Average requests per second.
    pub per_second: NonZeroU32,
    /// Maximum burst.
    pub burst: NonZeroU32,
}

impl LimitEntry {
    /// A limit with these values; at least one of each.
    pub(super) fn of(per_second: u32, burst: u32) -> Self {
        let count = |count: u32| NonZeroU32::MIN.saturating_add(count.saturating_sub(1));
        Self { per_second: count(per_second), burst: count(burst) }
    }
}

/// Effect of a dead letter on later deliveries in its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeadHead {
    /// None: later deliveries continue.
    #[default]
    Park,
    /// Later deliveries wait until it is replayed or discarded.
    Block,
}

/// An empty list is a mistake; without the key, the provider decides.
fn at_least_one<'de, D: Deserializer<'de>>(value: D) -> Result<Vec<SecretRef>, D::Error> {
    let secrets = Vec::deserialize(value)?;
    if secrets.is_empty() {
        return Err(D::Error::custom("must be 1 to 3 secrets"));
    }
    Ok(secrets)
}

fn default_tenant() -> String {
    "default".to_owned()
}

fn yes() -> bool {
    true
}

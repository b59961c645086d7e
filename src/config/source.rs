//! One source, as the file describes it.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

/// One source.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SourceEntry {
    /// Its name, as in `/hooks/{name}`.
    pub name: String,
    /// What kind of sender it is.
    pub provider: String,
    /// To whom it belongs.
    #[serde(default = "default_tenant")]
    pub tenant: String,
    /// Whether it lets anything in.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// One to three secrets, any of which may have signed.
    pub secrets: Vec<SecretRef>,
    /// Secrets that it had once: they never verify, they only explain why a request is refused.
    #[serde(default)]
    pub retired: Vec<SecretRef>,
    /// For how long a refused request that carries a signature is held, to be explained and
    /// verified again; by default none is.
    #[serde(default, with = "humantime_serde")]
    pub keep_rejected: Option<Duration>,
    /// A further secret, for providers that want one.
    pub token: Option<SecretRef>,
    /// Other paths that lead to it.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// The largest body; by default the provider's.
    pub max_body: Option<ByteSize>,
    /// How long a body may take to arrive; by default longer where larger ones are taken.
    #[serde(default, with = "humantime_serde")]
    pub body_deadline: Option<Duration>,
    /// How old a signature may be; by default the provider's.
    #[serde(default, with = "humantime_serde")]
    pub max_age: Option<Duration>,
    /// How far in the future a signature may lie.
    #[serde(default, with = "humantime_serde")]
    pub max_future: Option<Duration>,
    /// How many authentic requests it may send; by default the provider's.
    pub limit: Option<LimitEntry>,
    /// What a dead letter does to the deliveries behind it in its lane.
    #[serde(default)]
    pub dead_head: DeadHead,
    /// What its provider wants to know.
    #[serde(default)]
    pub options: toml::Table,
}

/// Where a secret is: exactly one of these. Never the secret itself.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SecretRef {
    /// In this variable.
    pub env: Option<String>,
    /// In this file; one line break at its end is not part of it.
    pub file: Option<PathBuf>,
}

/// How many requests may be sent.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LimitEntry {
    /// On average.
    pub per_second: NonZeroU32,
    /// At once.
    pub burst: NonZeroU32,
}

impl LimitEntry {
    /// One of as many; at least one of each.
    pub(super) fn of(per_second: u32, burst: u32) -> Self {
        let count = |count: u32| NonZeroU32::MIN.saturating_add(count.saturating_sub(1));
        Self { per_second: count(per_second), burst: count(burst) }
    }
}

/// What a dead letter does to the deliveries behind it in its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeadHead {
    /// Nothing: they go on.
    #[default]
    Park,
    /// It holds them until it is replayed or discarded.
    Block,
}

fn default_tenant() -> String {
    "default".to_owned()
}

fn yes() -> bool {
    true
}

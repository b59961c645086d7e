//! What users see of a provider.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::verify::Strength;

/// A provider in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProviderSummary {
    /// Its name in the configuration of a source.
    pub name: String,
    /// The name of the sender.
    pub title: String,
    /// How well the facts about it are proven.
    pub level: ProviderLevel,
    /// Whether the sender's own package, or a signature that it published, agrees in the tests.
    pub proven: bool,
    /// Whether it has handlers, which write tables of the gateway.
    pub has_handler: bool,
    /// The algorithm of the proof.
    pub algorithm: String,
    /// What a proof covers.
    pub strength: Strength,
    /// What makes an old request invalid.
    pub replay_protection: ReplayProtection,
    /// Whether an old request stays valid, because no time is signed.
    pub replayable: bool,
    /// Default maximum age of a signature, in seconds; null if no time is signed.
    pub max_age_seconds: Option<u64>,
}

/// A provider: how a kind of sender signs, what its events are, and how that is proven.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Provider {
    /// Its name in the configuration of a source.
    pub name: String,
    /// The name of the sender.
    pub title: String,
    /// The sender's page about its webhooks; null if it is not known.
    pub docs: Option<String>,
    /// How well the facts about it are proven.
    pub level: ProviderLevel,
    /// Whether the sender's own package, or a signature that it published, agrees in the tests.
    pub proven: bool,
    /// Whether it has handlers, which write tables of the gateway.
    pub has_handler: bool,
    /// The algorithm of the proof.
    pub algorithm: String,
    /// What a proof covers.
    pub strength: Strength,
    /// The signed texts, as templates; any of them may match. Empty for tokens.
    pub signed: Vec<String>,
    /// Where the signature is, in words.
    pub signature: String,
    /// Where the signed time is, in words; null if no time is signed.
    pub timestamp: Option<String>,
    /// What makes an old request invalid.
    pub replay_protection: ReplayProtection,
    /// Whether an old request stays valid, because no time is signed.
    pub replayable: bool,
    /// The form of the secret, in words; null if the sender publishes its keys.
    pub secret: Option<String>,
    /// Where the sender publishes its keys, in words; null if a source has a secret.
    pub published_keys: Option<String>,
    /// The options of a source.
    pub options: Vec<ProviderOption>,
    /// Where the event type is, in words; null if every event has the type `event`.
    pub event_type: Option<String>,
    /// Where the sender's event id is, in words; with several, all of them together.
    pub event_id: Vec<String>,
    /// What events have in common that are delivered in order, in words; empty without an order.
    pub event_lane: Vec<String>,
    /// Where the time of occurrence is, in words; null if it is the time of arrival.
    pub event_time: Option<String>,
    /// How duplicates are recognized, in words.
    pub deduplication: String,
    /// Where the events of a request with several are, in words; null if they cannot be split.
    pub batch: Option<String>,
    /// The requests that are answered and not recorded, in words.
    pub handshakes: Vec<String>,
    /// Default maximum body size in bytes.
    pub max_body_bytes: u64,
    /// Default maximum age of a signature, in seconds; null if no time is signed.
    pub max_age_seconds: Option<u64>,
    /// Default rate limit for authentic requests, per second.
    pub per_second: u32,
    /// Burst of that rate limit.
    pub burst: u32,
    /// How long a request beyond the rate limit waits at most, in seconds.
    pub max_delay_seconds: f64,
    /// Payload bytes of a chunk; null if the sender splits nothing.
    pub chunk_bytes: Option<u64>,
    /// The tables that its handlers write.
    pub tables: Vec<String>,
    /// What the sender does.
    pub sender: ProviderSender,
    /// What agrees with these facts.
    pub proofs: Vec<ProviderProof>,
    /// Where the facts were looked up.
    pub sources: Vec<String>,
    /// A source of this provider for the configuration file, to fill in.
    pub example: String,
}

/// An option of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProviderOption {
    /// Its name.
    pub name: String,
    /// Its meaning.
    pub meaning: String,
    /// Whether a source needs it.
    pub required: bool,
}

/// What a sender does, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProviderSender {
    /// How long it waits for a response.
    pub timeout: Option<String>,
    /// How it retries.
    pub retries: Option<String>,
    /// The responses that it takes for success.
    pub success: Option<String>,
    /// The responses that make it stop.
    pub stops: Option<String>,
    /// What to set at the sender.
    pub setup: Option<String>,
    /// What else to know.
    pub notes: Vec<String>,
}

/// Something that agrees with the facts about a provider: a package, or what was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProviderProof {
    /// Registry and name of a package of the sender.
    pub package: Option<String>,
    /// The version of the package.
    pub version: Option<String>,
    /// What the package does in the tests: `signs` or `verifies`.
    pub how: Option<String>,
    /// A signature that the sender published.
    pub published: Option<String>,
}

/// How well the facts about a provider are proven.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    ToSchema,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::Display,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ProviderLevel {
    /// The sender's own package, or a signature that it published, agrees in the tests.
    Proven,
    /// Example code of the sender agrees.
    Sample,
    /// The sender documents it.
    Documented,
    /// Others report it.
    Reported,
    /// It has handlers in the gateway, with fixtures of its own.
    BuiltIn,
}

/// What makes an old request invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReplayProtection {
    /// A signed time, which must be recent.
    Time,
    /// A signed time, if the request has one.
    OptionalTime,
    /// Nothing: no time is signed.
    None,
}

impl ProviderLevel {
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl ReplayProtection {
    /// In a few words, for lists.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Time => "signed time",
            Self::OptionalTime => "signed time, if any",
            Self::None => "none",
        }
    }
}

impl From<&Provider> for ProviderSummary {
    fn from(provider: &Provider) -> Self {
        Self {
            name: provider.name.clone(),
            title: provider.title.clone(),
            level: provider.level,
            proven: provider.proven,
            has_handler: provider.has_handler,
            algorithm: provider.algorithm.clone(),
            strength: provider.strength,
            replay_protection: provider.replay_protection,
            replayable: provider.replayable,
            max_age_seconds: provider.max_age_seconds,
        }
    }
}

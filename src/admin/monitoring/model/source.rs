//! Sources and settings.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::Counts;
use crate::store::Pause;
use crate::verify::SignedTime;

/// A source.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// Its provider.
    pub provider: String,
    /// Its tenant.
    pub tenant: String,
    /// Whether it is enabled.
    pub enabled: bool,
    /// How far it is set up.
    pub setup: SourceSetup,
    /// The pause; null if it is not paused.
    pub paused: Option<Pause>,
    /// How long rejected requests are kept, in seconds; null if they are not kept.
    pub keep_rejected_seconds: Option<f64>,
    /// The webhook URLs, the source's own first.
    pub urls: Vec<String>,
    /// Whether `urls` are public URLs. Without a public URL in the configuration they contain the
    /// listener's own address, which may be behind a proxy.
    pub urls_are_public: bool,
    /// The paths of the source, its own first. `{action}` stands for one of `actions`.
    pub paths: Vec<String>,
    /// The actions that may follow the path; empty if the path ends with the source.
    pub actions: Vec<String>,
    /// The headers that carry the signature and its inputs.
    pub headers: Vec<String>,
    /// Maximum body size in bytes.
    pub max_body_bytes: u64,
    /// Where the sender signs a time.
    pub signed_time: SignedTime,
    /// Maximum age of a signature, in seconds; null without a signed timestamp.
    pub max_age_seconds: Option<i64>,
    /// How far in the future the timestamp may be, in seconds; null without one.
    pub max_future_seconds: Option<i64>,
    /// Rate limit for authentic requests, per second.
    pub per_second: u32,
    /// Burst of that rate limit.
    pub burst: u32,
    /// Whether a dead letter blocks the deliveries behind it in its lane.
    pub lane_blocks: bool,
    /// The names of its handlers, including destinations.
    pub handlers: Vec<String>,
    /// Whether it accepts a handshake that brings a secret; null if its sender brings none.
    pub handshake: Option<SourceHandshake>,
    /// Its secrets in configured order, then those of handshakes, oldest first, then secrets used in
    /// the past.
    pub secrets: Vec<SourceSecret>,
    /// When the last authentic request was received.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_event_at: Option<OffsetDateTime>,
    /// The counts of the last hour.
    pub hour: Counts,
    /// The counts of the last 24 hours.
    pub day: Counts,
}

/// The set-up state of a source: disabled, no request yet, no authentic request yet, or working.
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
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum SourceSetup {
    /// It is disabled.
    Disabled,
    /// No request has arrived yet.
    Waiting,
    /// Requests arrive, but none was authentic yet.
    Refusing,
    /// It has received an authentic request.
    Receiving,
}

/// Whether a source accepts a handshake that brings a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SourceHandshake {
    /// When the window closes; null if no handshake is accepted now.
    #[serde(with = "time::serde::rfc3339::option")]
    pub open_until: Option<OffsetDateTime>,
    /// Who opened it.
    pub opened_by: Option<String>,
}

/// A secret of a source, without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SourceSecret {
    /// Its fingerprint: the beginning of its digest.
    pub fingerprint: String,
    /// Its position among the configured secrets, from 1; null if not configured.
    pub place: Option<usize>,
    /// When a handshake brought it; null if none did.
    #[serde(with = "time::serde::rfc3339::option")]
    pub stored_at: Option<OffsetDateTime>,
    /// Number of requests it has verified.
    pub requests: u64,
    /// When it first verified a request.
    #[serde(with = "time::serde::rfc3339::option")]
    pub first_at: Option<OffsetDateTime>,
    /// When it last verified a request.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_at: Option<OffsetDateTime>,
    /// Whether it can be removed: it was used in the past, and only other secrets were used for a
    /// week.
    pub removable: bool,
}

/// A key of the effective configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Setting {
    /// Its path, such as `dispatch.lease`.
    pub key: String,
    /// Its value. For a secret, its location and never the secret itself.
    pub value: String,
}

impl Source {
    /// How old a request may be, in words; empty if that is not known.
    pub fn freshness(&self) -> String {
        match (self.signed_time, self.max_age_seconds, self.max_future_seconds) {
            (SignedTime::Timestamp, Some(age), Some(future)) => {
                format!("up to {age} s old, up to {future} s in the future")
            }
            (SignedTime::Timestamp, ..) => String::new(),
            (SignedTime::Token, ..) => "as the token says".to_owned(),
            (SignedTime::None, ..) => "none: the sender signs no time".to_owned(),
        }
    }
}

impl SourceSetup {
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

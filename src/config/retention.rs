//! How long events are kept.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::Span;

const DAY: Duration = Duration::from_hours(24);

/// How long events are kept after they were finished. What is unfinished is always kept.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Events whose deliveries all succeeded.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "Span")]
    pub done: Duration,
    /// Events with a dead letter, resolved or not.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "Span")]
    pub dead: Duration,
    /// Authentic requests that no handler could take.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "Span")]
    pub quarantined: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self { done: 30 * DAY, dead: 90 * DAY, quarantined: 90 * DAY }
    }
}

/// The retention of one source, where it differs from `[retention]`.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SourceRetention {
    /// Events whose deliveries all succeeded.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "Option<Span>")]
    pub done: Option<Duration>,
    /// Events with a dead letter, resolved or not.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "Option<Span>")]
    pub dead: Option<Duration>,
    /// Authentic requests that no handler could take.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "Option<Span>")]
    pub quarantined: Option<Duration>,
}

impl Retention {
    /// With the values that a source sets itself.
    #[must_use]
    pub fn with(self, of_source: Option<SourceRetention>) -> Self {
        let of_source = of_source.unwrap_or_default();
        Self {
            done: of_source.done.unwrap_or(self.done),
            dead: of_source.dead.unwrap_or(self.dead),
            quarantined: of_source.quarantined.unwrap_or(self.quarantined),
        }
    }
}

//! A delivery and its attempts, as users see them.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::{Class, DeathReason, EventId};

/// The processing of an event by one handler or destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Delivery {
    /// The id.
    pub id: i64,
    /// The event.
    pub event: EventId,
    /// The source of the event.
    pub source: String,
    /// The name of the handler; `quarantine` if the event reached no handler.
    pub handler: String,
    /// The event type; null if the event was deleted.
    #[serde(rename = "type")]
    pub event_type: Option<String>,
    /// The state.
    pub state: DeliveryState,
    /// What created it.
    pub triggered_by: Trigger,
    /// The delivery this one replays or resends.
    pub replay_of: Option<i64>,
    /// Number of attempts started.
    pub attempts: i32,
    /// Why it was dead-lettered; null for other deliveries.
    pub death_reason: Option<DeathReason>,
    /// The last error; in lists the first line, up to 300 characters. Null without the scope
    /// `payload:read`.
    pub error: Option<String>,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When its next attempt is due; null unless it waits for one.
    #[serde(with = "time::serde::rfc3339::option")]
    pub due_at: Option<OffsetDateTime>,
    /// When it was completed or dead-lettered.
    #[serde(with = "time::serde::rfc3339::option")]
    pub finished_at: Option<OffsetDateTime>,
    /// How it was resolved; null while it is open.
    pub resolution: Option<Resolution>,
    /// When it was resolved.
    #[serde(with = "time::serde::rfc3339::option")]
    pub resolved_at: Option<OffsetDateTime>,
    /// The lane: deliveries of one lane are processed in order. Null without the scope
    /// `payload:read`.
    pub lane: Option<String>,
    /// Number of deliveries in its lane blocked until it is resolved; 1001 if more than 1000.
    pub waiting: i64,
    /// The group of a dead letter; null for other deliveries, and for a dead letter that is not
    /// grouped yet.
    pub group: Option<i64>,
    /// The class of its group.
    pub class: Option<Class>,
}

/// The state of a delivery.
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
pub enum DeliveryState {
    /// It waits for its next attempt.
    Ready,
    /// An attempt is running.
    Leased,
    /// Completed.
    Done,
    /// A dead letter.
    Dead,
}

/// What created a delivery.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
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
#[schema(as = DeliveryTrigger)]
pub enum Trigger {
    /// The event was received.
    #[default]
    Arrival,
    /// An operator replayed a delivery.
    Replay,
    /// An operator had the event delivered again, or for the first time.
    Resend,
    /// An operator edited the event.
    Edit,
}

/// How a dead letter was resolved.
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
pub enum Resolution {
    /// A new delivery was created.
    Replayed,
    /// It was discarded without another delivery.
    Discarded,
}

/// An attempt of a delivery.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Attempt)]
pub struct DeliveryAttempt {
    /// The delivery.
    pub delivery: i64,
    /// The number of the attempt, from 1.
    pub number: i32,
    /// When the handler was called.
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    /// When the handler returned.
    #[serde(with = "time::serde::rfc3339")]
    pub finished_at: OffsetDateTime,
    /// The duration.
    pub seconds: f64,
    /// The result.
    pub result: AttemptResult,
    /// The error; null without the scope `payload:read`.
    pub error: Option<String>,
}

/// How an attempt ended.
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
pub enum AttemptResult {
    /// The delivery is completed.
    Done,
    /// It failed; the delivery is retried.
    Retry,
    /// The destination was blocked: the attempt does not count.
    Deferred,
    /// It failed; the delivery is a dead letter.
    Dead,
    /// The gateway stopped before it ended.
    Lost,
}

impl Delivery {
    /// Whether it is a dead letter that was neither replayed nor discarded.
    pub fn is_open(&self) -> bool {
        self.state == DeliveryState::Dead && self.resolution.is_none()
    }
}

impl DeliveryState {
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl Trigger {
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl Resolution {
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl AttemptResult {
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

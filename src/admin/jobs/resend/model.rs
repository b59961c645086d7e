//! Requests for jobs on events, and what they select.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::ToSchema;

use crate::admin::Reason;
use crate::admin::input::{self, Count};
use crate::store::{HandlerName, IdRange, JobAction, ResendFilter};

/// The action on the deliveries of events.
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
#[schema(as = ResendAction)]
pub enum ResendAction {
    /// Create a new delivery of the same event.
    Resend,
    /// Attempt a waiting delivery now.
    RetryNow,
}

/// Which events are resent, by their latest delivery for a handler.
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
#[schema(as = ResendState)]
pub enum ResendState {
    /// Every event, whatever became of it. With a handler, also those it never got.
    #[default]
    Any,
    /// Events whose latest delivery is completed.
    Done,
    /// Events whose latest delivery is a dead letter, resolved or not.
    Dead,
    /// Events that have no delivery for the handler: a back-fill. Requires a handler.
    Missing,
}

/// A bulk action on the deliveries of events.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewResendJob)]
pub struct ResendRequest {
    /// The action.
    pub action: ResendAction,
    /// The events.
    #[serde(deserialize_with = "input::object")]
    pub selection: EventSelection,
    /// Maximum number of deliveries, oldest event first; all by default.
    #[serde(default, deserialize_with = "input::count")]
    #[schema(value_type = Option<Count>)]
    pub cap: Option<u32>,
    /// Maximum number of deliveries per second; unlimited by default.
    #[serde(default, deserialize_with = "input::count")]
    #[schema(value_type = Option<Count>)]
    pub rate: Option<u32>,
    /// The reason, for the audit log.
    #[serde(deserialize_with = "input::reason")]
    #[schema(value_type = Reason)]
    pub reason: String,
}

/// A filter for events; all given fields must match.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewResendJobSelection)]
pub struct EventSelection {
    /// Filter by source.
    #[serde(default, deserialize_with = "input::name")]
    #[schema(pattern = "^[!-~]{1,100}$")]
    pub source: Option<String>,
    /// The only handler to deliver to, `to:` and the name for a destination; by default every
    /// handler that has had a delivery of the event.
    #[serde(default, deserialize_with = "input::name")]
    #[schema(pattern = "^[!-~]{1,100}$")]
    pub handler: Option<String>,
    /// Filter by event type; a trailing `*` is a wildcard.
    #[serde(rename = "type", default)]
    #[schema(max_length = 200)]
    pub event_type: Option<String>,
    /// Which of them to resend; `any` for `retry_now`.
    #[serde(default)]
    pub state: ResendState,
    /// Received at or after this time. For a chunked payload the first chunk counts.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub from: Option<OffsetDateTime>,
    /// Received before this time.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub until: Option<OffsetDateTime>,
}

/// The selection of a job as it is stored.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredSelection {
    pub(super) events: ResendFilter,
    pub(super) state: ResendState,
}

impl ResendAction {
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The word for what it did to a delivery, in the audit log and in timelines.
    pub(super) fn done_as(self) -> &'static str {
        match self {
            Self::Resend => "resend",
            Self::RetryNow => "retry",
        }
    }
}

impl ResendState {
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl From<ResendAction> for JobAction {
    fn from(action: ResendAction) -> Self {
        match action {
            ResendAction::Resend => Self::Resend,
            ResendAction::RetryNow => Self::RetryNow,
        }
    }
}

impl EventSelection {
    pub(super) fn filter(&self, tenant: Option<&str>) -> ResendFilter {
        let event_type = self.event_type.as_deref().filter(|event_type| !event_type.is_empty());
        let prefix = event_type.and_then(|event_type| event_type.strip_suffix('*'));
        let range = IdRange::between(self.from, self.until);
        ResendFilter {
            tenant: tenant.map(str::to_owned),
            source: self.source.clone(),
            event_type: event_type.filter(|_| prefix.is_none()).map(str::to_owned),
            event_type_prefix: prefix.map(str::to_owned),
            handler: self.handler.clone(),
            from: range.from,
            below: range.below,
        }
    }
}

impl fmt::Display for EventSelection {
    /// For the audit log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("events")?;
        if let Some(source) = &self.source {
            write!(f, " of source {source}")?;
        }
        if let Some(event_type) = &self.event_type {
            write!(f, " of type {event_type}")?;
        }
        if let Some(handler) = &self.handler {
            match HandlerName::parse(handler).destination() {
                Some(destination) => write!(f, " to destination {destination}")?,
                None => write!(f, " to handler {handler}")?,
            }
        }
        match self.state {
            ResendState::Any => {}
            ResendState::Done => f.write_str(" that are done")?,
            ResendState::Dead => f.write_str(" that are dead letters")?,
            ResendState::Missing => f.write_str(" that have no delivery")?,
        }
        let at = |at: OffsetDateTime| at.format(&Rfc3339).unwrap_or_default();
        if let Some(from) = self.from {
            write!(f, " received from {}", at(from))?;
        }
        if let Some(until) = self.until {
            write!(f, " received before {}", at(until))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn selection_is_described_for_the_audit_log() {
        let all = EventSelection::default();
        assert_eq!(all.to_string(), "events");
        let some = EventSelection {
            source: Some("billing".into()),
            handler: Some("to:app".into()),
            event_type: Some("invoice.*".into()),
            state: ResendState::Missing,
            from: Some(datetime!(2026-11-01 00:00 UTC)),
            until: None,
        };
        assert_eq!(
            some.to_string(),
            "events of source billing of type invoice.* to destination app that have no delivery \
             received from 2026-11-01T00:00:00Z"
        );
    }

    #[test]
    fn trailing_star_is_a_prefix() {
        let with = |event_type: &str| {
            let event_type = Some(event_type.to_owned());
            EventSelection { event_type, ..EventSelection::default() }.filter(Some("default"))
        };
        assert_eq!(with("invoice.*").event_type_prefix.as_deref(), Some("invoice."));
        assert_eq!(with("invoice.*").event_type, None);
        assert_eq!(with("invoice.paid").event_type.as_deref(), Some("invoice.paid"));
        assert_eq!(with("").event_type, None);
    }
}

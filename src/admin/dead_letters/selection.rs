//! The selection of dead letters by id or by filter.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::admin::Class;
use crate::admin::input::{self, Age, Id};
use crate::store::{DeadLetterFilter, DeathReason, EventId};

/// The dead letters: listed by id, or all that match a filter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = NewJobSelection)]
pub enum Selection {
    /// Deliveries, by id.
    #[serde(rename = "deliveries")]
    #[schema(value_type = Vec<Id>)]
    Ids(#[serde(deserialize_with = "input::ids")] Vec<i64>),
    /// All open dead letters that match.
    Matching(#[serde(deserialize_with = "input::object")] Filter),
}

/// A filter for dead letters; all given fields must match.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewJobMatching)]
pub struct Filter {
    /// Filter by event.
    #[schema(value_type = Option<String>, format = Uuid)]
    pub event: Option<EventId>,
    /// Filter by group.
    #[serde(default, deserialize_with = "input::id")]
    #[schema(value_type = Option<Id>)]
    pub group: Option<i64>,
    /// Filter by class.
    pub class: Option<Class>,
    /// Filter by source.
    #[serde(default, deserialize_with = "input::name")]
    #[schema(pattern = "^[!-~]{1,100}$")]
    pub source: Option<String>,
    /// Filter by handler; `quarantine` for events that reached no handler.
    #[serde(default, deserialize_with = "input::name")]
    #[schema(pattern = "^[!-~]{1,100}$")]
    pub handler: Option<String>,
    /// Filter by reason.
    pub death_reason: Option<DeathReason>,
    /// Minimum age in seconds.
    #[serde(rename = "older_than_seconds", default, with = "input::seconds")]
    #[schema(value_type = Option<Age>)]
    pub older_than: Option<Duration>,
    /// Maximum age in seconds.
    #[serde(rename = "newer_than_seconds", default, with = "input::seconds")]
    #[schema(value_type = Option<Age>)]
    pub newer_than: Option<Duration>,
    /// Whether resolved dead letters match too; only for lists.
    #[serde(skip)]
    pub resolved: bool,
}

impl Selection {
    /// Whether it selects by group; groups are assigned shortly after a dead letter.
    pub(super) fn selects_by_group(&self) -> bool {
        let Self::Matching(filter) = self else { return false };
        filter.group.is_some() || filter.class.is_some()
    }

    /// The filter at the time `now`, for a caller limited to `tenant`.
    pub(in crate::admin) fn filter_at(
        &self,
        now: OffsetDateTime,
        tenant: Option<&str>,
    ) -> DeadLetterFilter {
        let tenant = tenant.map(str::to_owned);
        let before = |age: Duration| {
            time::Duration::try_from(age)
                .ok()
                .and_then(|age| now.checked_sub(age))
                // An age before all time: nothing is older.
                .unwrap_or(OffsetDateTime::UNIX_EPOCH)
        };
        match self {
            Self::Ids(ids) => {
                let mut ids = ids.clone();
                ids.sort_unstable();
                ids.dedup();
                DeadLetterFilter { ids: Some(ids), tenant, ..DeadLetterFilter::default() }
            }
            Self::Matching(filter) => DeadLetterFilter {
                ids: None,
                event: filter.event.map(|event| event.0),
                group: filter.group,
                class: filter.class,
                tenant,
                source: filter.source.clone(),
                handler: filter.handler.clone(),
                death_reason: filter.death_reason,
                died_before: filter.older_than.map(before),
                died_after: filter.newer_than.map(before),
                resolved: filter.resolved,
            },
        }
    }
}

impl fmt::Display for Selection {
    /// For the audit log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let filter = match self {
            Self::Ids(ids) => {
                let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
                return write!(f, "deliveries {}", ids.join(", "));
            }
            Self::Matching(filter) => filter,
        };
        f.write_str("dead letters")?;
        if let Some(event) = filter.event {
            write!(f, " of event {event}")?;
        }
        if let Some(group) = filter.group {
            write!(f, " of group {group}")?;
        }
        if let Some(class) = filter.class {
            write!(f, " of class {class}")?;
        }
        if let Some(source) = &filter.source {
            write!(f, " of source {source}")?;
        }
        if let Some(handler) = &filter.handler {
            write!(f, " of handler {handler}")?;
        }
        if let Some(reason) = filter.death_reason {
            write!(f, " for reason {reason}")?;
        }
        if let Some(age) = filter.older_than {
            write!(f, " older than {}", humantime::format_duration(age))?;
        }
        if let Some(age) = filter.newer_than {
            write!(f, " newer than {}", humantime::format_duration(age))?;
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
        let filter = Filter {
            source: Some("billing".into()),
            death_reason: Some(DeathReason::Exhausted),
            older_than: Some(Duration::from_hours(2)),
            ..Filter::default()
        };
        assert_eq!(
            Selection::Matching(filter).to_string(),
            "dead letters of source billing for reason exhausted older than 2h"
        );
        assert_eq!(Selection::Ids(vec![7, 9]).to_string(), "deliveries 7, 9");
        assert_eq!(Selection::Matching(Filter::default()).to_string(), "dead letters");
    }

    #[test]
    fn age_before_all_time_selects_nothing_older_and_everything_newer() {
        let now = datetime!(2026-11-20 12:00 UTC);
        let age = Some(Duration::MAX);
        let filter = Filter { older_than: age, newer_than: age, ..Filter::default() };
        let filter = Selection::Matching(filter).filter_at(now, None);
        assert_eq!(filter.died_before, Some(OffsetDateTime::UNIX_EPOCH));
        assert_eq!(filter.died_after, Some(OffsetDateTime::UNIX_EPOCH));
    }
}

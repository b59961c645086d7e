//! The request that plans a job on dead letters.

use std::time::Duration;

use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::admin::{self, Filter, Selection};
use crate::store::EventId;
use crate::web::api::body::{Age, Count, Id, Reason};
use crate::web::api::dead_letters::Dealing;
use crate::web::api::deliveries::DeathReason;
use crate::web::api::groups::Class;
use crate::web::api::query::Name;

/// A bulk action on dead letters.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewJob)]
pub(super) struct BulkRequest {
    action: Dealing,
    which: Which,
    /// Maximum number to process, oldest first; all by default.
    cap: Option<Count>,
    /// Maximum number to process per second; unlimited by default.
    rate: Option<Count>,
    reason: Reason,
    /// Also process completed and already resolved deliveries; only for deliveries listed by id.
    #[serde(default)]
    force: bool,
}

/// The dead letters: listed by id, or all that match a filter.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = NewJobWhich)]
enum Which {
    Deliveries(Vec<Id>),
    Matching(Matching),
}

/// A filter for dead letters; all given fields must match.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewJobMatching)]
struct Matching {
    /// Filter by event.
    #[schema(value_type = Option<String>, format = Uuid)]
    event: Option<Uuid>,
    /// Filter by group.
    group: Option<Id>,
    /// Filter by class.
    class: Option<Class>,
    /// Filter by source.
    #[schema(value_type = Option<String>, pattern = "^[!-~]{1,100}$")]
    source: Option<Name>,
    /// Filter by handler; `gate` for events quarantined before any handler.
    #[schema(value_type = Option<String>, pattern = "^[!-~]{1,100}$")]
    handler: Option<Name>,
    /// Filter by reason.
    death_reason: Option<DeathReason>,
    /// Minimum age in seconds.
    older_than_seconds: Option<Age>,
    /// Maximum age in seconds.
    newer_than_seconds: Option<Age>,
}

/// The limits and the reason of a job.
pub(in crate::web::api) struct Terms {
    pub(in crate::web::api) cap: Option<u32>,
    pub(in crate::web::api) rate: Option<u32>,
    pub(in crate::web::api) reason: String,
}

impl Terms {
    /// Converts the request.
    pub(in crate::web::api) fn of(
        cap: Option<Count>,
        rate: Option<Count>,
        reason: &Reason,
    ) -> Self {
        let reason = reason.as_str().to_owned();
        Self { cap: cap.map(Count::get), rate: rate.map(Count::get), reason }
    }
}

impl BulkRequest {
    /// Converts the request.
    pub(super) fn meant(self) -> admin::BulkRequest {
        let Terms { cap, rate, reason } = Terms::of(self.cap, self.rate, &self.reason);
        admin::BulkRequest {
            action: match self.action {
                Dealing::Replay => admin::Action::Replay,
                Dealing::Discard => admin::Action::Discard,
            },
            selection: match self.which {
                Which::Deliveries(ids) => Selection::Ids(ids.into_iter().map(Id::get).collect()),
                Which::Matching(matching) => Selection::Matching(matching.filter()),
            },
            cap,
            rate,
            reason,
            force: self.force,
        }
    }
}

impl Matching {
    fn filter(self) -> Filter {
        let age = |age: Age| Duration::from_secs(age.seconds());
        Filter {
            event: self.event.map(EventId),
            group: self.group.map(Id::get),
            class: self.class.map(Class::meant),
            source: self.source.map(|Name(name)| name),
            handler: self.handler.map(|Name(name)| name),
            death_reason: self.death_reason.map(|DeathReason(reason)| reason),
            older_than: self.older_than_seconds.map(age),
            newer_than: self.newer_than_seconds.map(age),
            resolved: false,
        }
    }
}

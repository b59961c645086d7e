//! What is to be done about many dead letters, as it is asked for.

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

/// What is to be done about many dead letters.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewJob)]
pub(super) struct BulkRequest {
    action: Dealing,
    which: Which,
    /// The most that are dealt with, the oldest first; without it all are.
    cap: Option<Count>,
    /// The most that are dealt with in a second; without it there is no limit.
    rate: Option<Count>,
    reason: Reason,
    /// Also what is done, or was replayed or discarded before; only of deliveries that are named.
    #[serde(default)]
    force: bool,
}

/// Which dead letters: those that are named, or all that match.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = NewJobWhich)]
enum Which {
    Deliveries(Vec<Id>),
    Matching(Matching),
}

/// What dead letters have in common. Every part that is there must hold.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewJobMatching)]
struct Matching {
    /// Of this event.
    #[schema(value_type = Option<String>, format = Uuid)]
    event: Option<Uuid>,
    /// Of this group.
    group: Option<Id>,
    /// Of groups of this class.
    class: Option<Class>,
    /// Of this source.
    #[schema(value_type = Option<String>, pattern = "^[!-~]{1,100}$")]
    source: Option<Name>,
    /// Of this handler; `gate` for what no handler has seen.
    #[schema(value_type = Option<String>, pattern = "^[!-~]{1,100}$")]
    handler: Option<Name>,
    /// Dead for this reason.
    death_reason: Option<DeathReason>,
    /// Dead for at least as many seconds.
    older_than_seconds: Option<Age>,
    /// Dead for at most as many seconds.
    newer_than_seconds: Option<Age>,
}

/// How much a job may do, how fast, and why, whatever it is about.
pub(in crate::web::api) struct Terms {
    pub(in crate::web::api) cap: Option<u32>,
    pub(in crate::web::api) rate: Option<u32>,
    pub(in crate::web::api) reason: String,
}

impl Terms {
    /// As they are asked for.
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
    /// As it is asked for.
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

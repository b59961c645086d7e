//! Groups of similar dead letters.
//!
//! - The dead letters of a [`Group`] have the same source, handler, reason and message, ignoring
//!   variable parts of the message ([`normalize`]). Its title is the latest message.
//! - Its [`Class`] is the kind of failure.
//! - Dead letters are grouped in the background, by [`Groups::run`]; the transaction that resolves
//!   one decrements its group. Each batch is one transaction, so that nothing is lost in a crash.

mod assign;
mod model;
mod normalize;

use std::fmt;
use std::str::FromStr;

use time::{Duration, OffsetDateTime};

pub use model::{Class, Group};
pub use normalize::normalize;

use super::{AdminError, Caller, Scope};
use crate::clock::SharedClock;
pub use crate::store::UnknownClass;
use crate::store::{GroupFilter, GroupPosition, GroupRow, Store};

/// The number of hours of a trend.
const TREND: usize = 24;
/// The maximum number of groups of a page.
const MAX_GROUPS: u32 = 1000;

#[derive(Clone)]
pub struct Groups {
    store: Store,
    clock: SharedClock,
}

/// A filter for groups; all given fields must match.
#[derive(Debug, Clone, Default)]
pub struct GroupSelection {
    pub source: Option<String>,
    pub handler: Option<String>,
    pub class: Option<Class>,
    /// Whether groups without open dead letters are included.
    pub resolved: bool,
}

/// A position in the list of groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupCursor(GroupPosition);

/// A page of the list of groups.
#[derive(Debug, Clone)]
pub struct GroupPage {
    /// The groups, most open dead letters first.
    pub items: Vec<Group>,
    /// Where the next page begins; `None` on the last page.
    pub next: Option<GroupCursor>,
}

impl Groups {
    pub fn new(store: Store, clock: SharedClock) -> Self {
        Self { store, clock }
    }

    /// A page of the groups. Ungrouped dead letters are grouped first.
    pub async fn list(
        &self,
        caller: &Caller,
        selection: &GroupSelection,
        after: Option<GroupCursor>,
        limit: u32,
    ) -> Result<GroupPage, AdminError> {
        caller.needs(Scope::EventsRead)?;
        self.catch_up().await?;
        let filter = GroupFilter {
            tenant: caller.tenant().map(str::to_owned),
            source: selection.source.clone(),
            handler: selection.handler.clone(),
            class: selection.class,
            resolved: selection.resolved,
        };
        let limit = usize::try_from(limit.clamp(1, MAX_GROUPS)).unwrap_or(1);
        let one_more = i64::try_from(limit + 1).unwrap_or(i64::MAX);
        let mut rows = self.store.groups(&filter, after.map(|after| after.0), one_more).await?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let place =
            |row: &GroupRow| GroupPosition { open: row.open, last_at: row.last_at, id: row.id };
        let next = rows.last().filter(|_| more).map(|row| GroupCursor(place(row)));
        Ok(GroupPage { items: self.shown(caller, rows).await?, next })
    }

    /// One group. Ungrouped dead letters are grouped first.
    pub async fn show(&self, caller: &Caller, id: i64) -> Result<Group, AdminError> {
        caller.needs(Scope::EventsRead)?;
        self.catch_up().await?;
        let row = self.store.group(id, caller.tenant()).await?;
        let shown = self.shown(caller, row.into_iter().collect()).await?.pop();
        shown.ok_or_else(|| AdminError::NotFound(format!("group {id}")))
    }

    /// The number of open dead letters by class, without classes that have none.
    pub async fn by_class(&self, caller: &Caller) -> Result<Vec<(Class, u64)>, AdminError> {
        caller.needs(Scope::EventsRead)?;
        let counts = self.store.open_by_class(caller.tenant()).await?;
        Ok(counts.into_iter().map(|(class, open)| (class, open.unsigned_abs())).collect())
    }

    async fn shown(&self, caller: &Caller, rows: Vec<GroupRow>) -> Result<Vec<Group>, AdminError> {
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let now = self.clock.now();
        let since = now - Duration::hours(i64::try_from(TREND).unwrap_or_default() - 1);
        let this_hour = now.unix_timestamp().div_euclid(3600);
        let since = since - Duration::seconds(since.unix_timestamp().rem_euclid(3600));
        let hours = self.store.group_hours(&ids, since - Duration::SECOND).await?;
        let payload = caller.may(Scope::PayloadRead);
        let groups = rows.into_iter().map(|row| {
            let mut trend = vec![0; TREND];
            for (_, hour, count) in hours.iter().filter(|(group, ..)| *group == row.id) {
                let ago = this_hour - hour.unix_timestamp().div_euclid(3600);
                let place = usize::try_from(ago).ok().and_then(|ago| (TREND - 1).checked_sub(ago));
                if let Some(bar) = place.and_then(|place| trend.get_mut(place)) {
                    *bar = count.unsigned_abs();
                }
            }
            Group::new(row, trend, payload)
        });
        Ok(groups.collect())
    }
}

impl GroupCursor {
    /// The position after a group.
    pub fn after(open: i64, last_at: OffsetDateTime, id: i64) -> Self {
        Self(GroupPosition { open, last_at, id })
    }

    pub fn parts(self) -> (i64, OffsetDateTime, i64) {
        (self.0.open, self.0.last_at, self.0.id)
    }
}

impl fmt::Display for GroupCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GroupPosition { open, last_at, id } = self.0;
        write!(f, "{open}.{}.{id}", last_at.unix_timestamp_nanos() / 1000)
    }
}

impl FromStr for GroupCursor {
    type Err = AdminError;

    fn from_str(text: &str) -> Result<Self, AdminError> {
        let read = || {
            let mut parts = text.split('.');
            let open = parts.next()?.parse().ok()?;
            let micros: i128 = parts.next()?.parse().ok()?;
            let id = parts.next()?.parse().ok()?;
            let nanos = micros.checked_mul(1000)?;
            let last_at = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?;
            parts.next().is_none().then_some(Self(GroupPosition { open, last_at, id }))
        };
        read().ok_or_else(|| AdminError::Invalid("invalid cursor: start without one".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn cursor_round_trips() {
        let place =
            GroupPosition { open: 3, last_at: datetime!(2026-11-20 12:00:00.123_456 UTC), id: 7 };
        let text = GroupCursor(place).to_string();
        assert_eq!(text.parse::<GroupCursor>().unwrap(), GroupCursor(place));
        for wrong in ["", "1.2", "1.2.3.4", "a.1.1", "1.99999999999999999999999999.1"] {
            assert!(wrong.parse::<GroupCursor>().is_err(), "{wrong}");
        }
    }
}

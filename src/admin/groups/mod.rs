//! Groups: dead letters that look alike, by how much they matter.
//!
//! - A [`Group`] has the same source, handler, reason and message, but for the values in that
//!   ([`normalize`]). It is called by the newest of its messages, values and all.
//! - Its [`Class`] says what kind of failure it is.
//! - They are made in the background, by [`Groups::run`], and counted down in the transaction that
//!   resolves one of them.
//!
//! A group that dies in the middle of being made is made again: each batch is one transaction.

mod assign;
mod class;
mod normalize;

use std::fmt;
use std::str::FromStr;

use time::{Duration, OffsetDateTime};

pub use class::{Class, UnknownClass};
pub use normalize::normalize;

use super::{AdminError, Caller, Scope};
use crate::clock::SharedClock;
use crate::store::{DeathReason, GroupFilter, GroupPlace, GroupRow, Store};

/// How many hours a trend has.
const TREND: usize = 24;
/// The most groups of a page.
const MOST: u32 = 1000;

/// The groups of dead letters.
#[derive(Clone)]
pub struct Groups {
    store: Store,
    clock: SharedClock,
}

/// A group of dead letters, as far as the caller may see it.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its id.
    pub id: i64,
    /// To whom its events belong; empty where they were gone before that was known.
    pub tenant: String,
    /// Their source.
    pub source: String,
    /// Their handler's stored name.
    pub handler: String,
    /// What kind of failure it is.
    pub class: Class,
    /// Why they are dead: a word of the closed list.
    pub death_reason: String,
    /// What it is called: the newest message, or what the reason means where there is none, or it
    /// may not be seen.
    pub title: String,
    /// The first line of the newest one's error; `None` where it has none, and for callers without
    /// `payload:read`.
    pub message: Option<String>,
    /// Whether its messages are too various to be told apart.
    pub is_various: bool,
    /// How many are neither replayed nor discarded.
    pub open: u64,
    /// How many there have been.
    pub total: u64,
    /// When the first died.
    pub first_at: OffsetDateTime,
    /// When the last died.
    pub last_at: OffsetDateTime,
    /// The newest of them: a delivery.
    pub sample: i64,
    /// How many died in each of the last 24 hours, the present one last.
    pub trend: Vec<u64>,
}

/// Which groups. Every part that is there must hold.
#[derive(Debug, Clone, Default)]
pub struct GroupSelection {
    /// Of this source.
    pub source: Option<String>,
    /// Of this handler.
    pub handler: Option<String>,
    /// Of this class.
    pub class: Option<Class>,
    /// Those too of which none is open.
    pub resolved: bool,
}

/// A place in the list of groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupCursor(GroupPlace);

/// A part of the list of groups.
#[derive(Debug, Clone)]
pub struct GroupPage {
    /// The groups, those with most open dead letters first, then those with the latest death.
    pub groups: Vec<Group>,
    /// Where the next page begins; `None` when this is the last.
    pub next: Option<GroupCursor>,
}

impl Groups {
    /// The groups of `store`.
    pub fn new(store: Store, clock: SharedClock) -> Self {
        Self { store, clock }
    }

    /// A page of the groups, by impact. What died just now is grouped first.
    ///
    /// # Errors
    /// [`AdminError::Denied`] without [`Scope::EventsRead`]; [`AdminError::Store`].
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
            class: selection.class.map(|class| class.as_str().to_owned()),
            resolved: selection.resolved,
        };
        let limit = usize::try_from(limit.clamp(1, MOST)).unwrap_or(1);
        let one_more = i64::try_from(limit + 1).unwrap_or(i64::MAX);
        let mut rows = self.store.groups(&filter, after.map(|after| after.0), one_more).await?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let place =
            |row: &GroupRow| GroupPlace { open: row.open, last_at: row.last_at, id: row.id };
        let next = rows.last().filter(|_| more).map(|row| GroupCursor(place(row)));
        Ok(GroupPage { groups: self.shown(caller, rows).await?, next })
    }

    /// One group. What died just now is grouped first.
    ///
    /// # Errors
    /// [`AdminError::NotFound`]; [`AdminError::Denied`] without [`Scope::EventsRead`];
    /// [`AdminError::Store`].
    pub async fn show(&self, caller: &Caller, id: i64) -> Result<Group, AdminError> {
        caller.needs(Scope::EventsRead)?;
        self.catch_up().await?;
        let row = self.store.group(id, caller.tenant()).await?;
        let shown = self.shown(caller, row.into_iter().collect()).await?.pop();
        shown.ok_or_else(|| AdminError::NotFound(format!("group {id}")))
    }

    /// How many dead letters of each class are open; those of which none is are left out.
    ///
    /// # Errors
    /// [`AdminError::Denied`] without [`Scope::EventsRead`]; [`AdminError::Store`].
    pub async fn by_class(&self, caller: &Caller) -> Result<Vec<(Class, u64)>, AdminError> {
        caller.needs(Scope::EventsRead)?;
        let counts = self.store.open_by_class(caller.tenant()).await?;
        let counts = counts.into_iter();
        Ok(counts
            .filter_map(|(word, open)| Some((word.parse().ok()?, open.unsigned_abs())))
            .collect())
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
            let meaning = row.death_reason.parse::<DeathReason>().map(DeathReason::text);
            let message = row.newest.filter(|text| payload && !text.trim().is_empty());
            Group {
                id: row.id,
                title: message
                    .clone()
                    .or_else(|| meaning.ok().map(str::to_owned))
                    .unwrap_or_else(|| row.death_reason.clone()),
                message,
                is_various: row.message.is_empty(),
                tenant: row.tenant,
                source: row.source,
                handler: row.handler,
                class: row.class.parse().unwrap_or(Class::Internal),
                death_reason: row.death_reason,
                open: row.open.unsigned_abs(),
                total: row.total.unsigned_abs(),
                first_at: row.first_at,
                last_at: row.last_at,
                sample: row.sample,
                trend,
            }
        });
        Ok(groups.collect())
    }
}

impl GroupCursor {
    /// The place behind a group with so many open dead letters, this last death and this id.
    pub fn behind(open: i64, last_at: OffsetDateTime, id: i64) -> Self {
        Self(GroupPlace { open, last_at, id })
    }

    /// What [`GroupCursor::behind`] makes it of.
    pub fn parts(self) -> (i64, OffsetDateTime, i64) {
        (self.0.open, self.0.last_at, self.0.id)
    }
}

impl fmt::Display for GroupCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GroupPlace { open, last_at, id } = self.0;
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
            parts.next().is_none().then_some(Self(GroupPlace { open, last_at, id }))
        };
        read().ok_or_else(|| AdminError::Invalid("invalid cursor: start without one".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_place_in_the_list_is_read_back_from_its_text() {
        let place =
            GroupPlace { open: 3, last_at: datetime!(2026-11-20 12:00:00.123_456 UTC), id: 7 };
        let text = GroupCursor(place).to_string();
        assert_eq!(text.parse::<GroupCursor>().unwrap(), GroupCursor(place));
        for wrong in ["", "1.2", "1.2.3.4", "a.1.1", "1.99999999999999999999999999.1"] {
            assert!(wrong.parse::<GroupCursor>().is_err(), "{wrong}");
        }
    }
}

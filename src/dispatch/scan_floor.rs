//! From where on a queue is looked at.
//!
//! The index of a queue keeps the entries of deliveries that are done for as long as any
//! transaction in the database server might want to see them. Whoever looks from the beginning
//! reads all of them, every time. So a look begins at the floor: nothing that was due before it is
//! left, as far as anyone knows. What may come to stand below it (a clock that is behind, a row
//! that somebody set by hand) is found by looking from the beginning all the same, which is done
//! as often as it is cheap.

use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;

/// How far below the newest the floor stays: a delivery is due from when its event came in, and
/// seen when that was committed.
const MARGIN: Duration = Duration::from_secs(5);
/// Where the floor is, while a look from the beginning takes too long to come to its end.
const BLIND: Duration = Duration::from_mins(1);
/// Looking from the beginning takes up no more than one part in so many of the time.
const SHARE: u32 = 10;
/// After a look from the beginning that failed, the next one is so far off.
const PATIENCE: Duration = Duration::from_secs(30);
/// A look that takes longer is too slow to be made together with those at other queues.
const SLOW: Duration = Duration::from_millis(20);

/// From where on one queue is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Floor {
    at: Option<OffsetDateTime>,
    /// When it may be looked at from the beginning again.
    whole_from: Instant,
    /// Whether it is looked at by itself.
    alone: bool,
}

impl Floor {
    pub(super) fn new(at: Instant) -> Self {
        Self { at: None, whole_from: at, alone: false }
    }

    /// Where the next look begins; `None`: at the beginning.
    pub(super) fn next(&self, at: Instant) -> Option<OffsetDateTime> {
        if at >= self.whole_from { None } else { self.at }
    }

    /// Whether it is to be looked at by itself, so that no other waits for it.
    pub(super) fn is_alone(&self) -> bool {
        self.alone
    }

    /// After a look from `from`, which took so long and found that the oldest is due since
    /// `oldest`, at `now`.
    pub(super) fn looked(
        &mut self,
        from: Option<OffsetDateTime>,
        oldest: Option<OffsetDateTime>,
        now: OffsetDateTime,
        (at, took): (Instant, Duration),
    ) {
        let newest = now - MARGIN;
        self.at = Some(oldest.map_or(newest, |oldest| oldest.min(newest)));
        if from.is_none() {
            self.whole_from = at + took * SHARE;
        }
        self.alone = took > SLOW;
    }

    /// After a look from `from` that failed.
    pub(super) fn failed(
        &mut self,
        from: Option<OffsetDateTime>,
        now: OffsetDateTime,
        at: Instant,
    ) {
        if from.is_none() && self.alone {
            self.at = self.at.or(Some(now - BLIND));
            self.whole_from = at + PATIENCE;
        }
        self.alone = true;
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-20 12:00:00 UTC);
    const MILLI: Duration = Duration::from_millis(1);

    #[test]
    fn the_floor_follows_the_oldest_and_stays_below_the_newest() {
        let at = Instant::now();
        let mut floor = Floor::new(at);
        assert_eq!(floor.next(at), None, "at first from the beginning");
        let oldest = NOW - Duration::from_hours(1);
        floor.looked(None, Some(oldest), NOW, (at, MILLI));
        assert_eq!(floor.next(at), Some(oldest));
        floor.looked(Some(oldest), Some(NOW), NOW, (at, MILLI));
        assert_eq!(floor.next(at), Some(NOW - MARGIN));
        floor.looked(floor.next(at), None, NOW, (at, MILLI));
        assert_eq!(floor.next(at), Some(NOW - MARGIN));
    }

    #[test]
    fn a_look_from_the_beginning_is_made_as_often_as_it_is_cheap() {
        let at = Instant::now();
        let mut floor = Floor::new(at);
        floor.looked(None, None, NOW, (at, MILLI));
        assert!(floor.next(at + 9 * MILLI).is_some() && floor.next(at + 10 * MILLI).is_none());
        floor.looked(None, None, NOW, (at, 500 * MILLI));
        assert!(floor.next(at + Duration::from_millis(4999)).is_some());
        assert_eq!(floor.next(at + Duration::from_secs(5)), None);
        assert!(floor.is_alone(), "and nobody else waits for it");
    }

    #[test]
    fn where_the_beginning_cannot_be_reached_what_is_new_is_found_all_the_same() {
        let at = Instant::now();
        let mut floor = Floor::new(at);
        floor.failed(None, NOW, at);
        assert!(floor.is_alone() && floor.next(at).is_none(), "another may have been the slow one");
        floor.failed(None, NOW, at);
        assert_eq!(floor.next(at), Some(NOW - BLIND));
        assert_eq!(floor.next(at + PATIENCE), None);
        floor.looked(floor.next(at), None, NOW, (at, MILLI));
        assert!(!floor.is_alone());
        assert!(floor.next(at).is_some(), "not from the beginning: that has failed");
    }
}

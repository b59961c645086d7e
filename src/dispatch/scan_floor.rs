//! Where the scan of a queue begins.
//!
//! The index of a queue keeps the entries of completed deliveries for as long as any transaction on
//! the database server might need them, and a scan from the beginning reads all of them. So a scan
//! begins at the floor: as far as known, nothing below it is due. What ends up below it (a clock
//! that is behind, a row set by hand) is found by full scans, which run as often as they are cheap.

use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;

/// How far the floor stays behind the current time: a delivery is due when its event is received,
/// and visible when that is committed.
const MARGIN: Duration = Duration::from_secs(5);
/// How far back the floor is while full scans time out.
const FALLBACK: Duration = Duration::from_mins(1);
/// Full scans take at most this fraction of the time: one in so many.
const SHARE: u32 = 10;
/// The delay before the next full scan after one that failed.
const FULL_SCAN_BACKOFF: Duration = Duration::from_secs(30);
/// A queue whose scan takes longer is scanned separately from the others.
const SLOW: Duration = Duration::from_millis(20);

/// The floor of one queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Floor {
    at: Option<OffsetDateTime>,
    /// When the next full scan is allowed.
    next_full_scan: Instant,
    /// Whether it is scanned in a statement of its own.
    separate: bool,
}

impl Floor {
    pub(super) fn new(at: Instant) -> Self {
        Self { at: None, next_full_scan: at, separate: false }
    }

    /// Where the next scan begins; `None` for a full scan.
    pub(super) fn next(&self, at: Instant) -> Option<OffsetDateTime> {
        if at >= self.next_full_scan { None } else { self.at }
    }

    /// Whether it is scanned separately, so that no other queue waits for it.
    pub(super) fn is_separate(&self) -> bool {
        self.separate
    }

    /// Records a scan from `from` that took `took` and found that the oldest delivery has been due
    /// since `oldest`.
    pub(super) fn scanned(
        &mut self,
        from: Option<OffsetDateTime>,
        oldest: Option<OffsetDateTime>,
        now: OffsetDateTime,
        (at, took): (Instant, Duration),
    ) {
        let newest = now - MARGIN;
        self.at = Some(oldest.map_or(newest, |oldest| oldest.min(newest)));
        if from.is_none() {
            self.next_full_scan = at + took * SHARE;
        }
        self.separate = took > SLOW;
    }

    /// Records a failed scan from `from`.
    pub(super) fn failed(
        &mut self,
        from: Option<OffsetDateTime>,
        now: OffsetDateTime,
        at: Instant,
    ) {
        if from.is_none() && self.separate {
            self.at = self.at.or(Some(now - FALLBACK));
            self.next_full_scan = at + FULL_SCAN_BACKOFF;
        }
        self.separate = true;
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-20 12:00:00 UTC);
    const MILLI: Duration = Duration::from_millis(1);

    #[test]
    fn floor_follows_the_oldest_and_stays_behind_now() {
        let at = Instant::now();
        let mut floor = Floor::new(at);
        assert_eq!(floor.next(at), None, "the first scan is full");
        let oldest = NOW - Duration::from_hours(1);
        floor.scanned(None, Some(oldest), NOW, (at, MILLI));
        assert_eq!(floor.next(at), Some(oldest));
        floor.scanned(Some(oldest), Some(NOW), NOW, (at, MILLI));
        assert_eq!(floor.next(at), Some(NOW - MARGIN));
        floor.scanned(floor.next(at), None, NOW, (at, MILLI));
        assert_eq!(floor.next(at), Some(NOW - MARGIN));
    }

    #[test]
    fn full_scans_run_as_often_as_they_are_cheap() {
        let at = Instant::now();
        let mut floor = Floor::new(at);
        floor.scanned(None, None, NOW, (at, MILLI));
        assert!(floor.next(at + 9 * MILLI).is_some() && floor.next(at + 10 * MILLI).is_none());
        floor.scanned(None, None, NOW, (at, 500 * MILLI));
        assert!(floor.next(at + Duration::from_millis(4999)).is_some());
        assert_eq!(floor.next(at + Duration::from_secs(5)), None);
        assert!(floor.is_separate(), "other queues do not wait for it");
    }

    #[test]
    fn new_deliveries_are_found_while_full_scans_fail() {
        let at = Instant::now();
        let mut floor = Floor::new(at);
        floor.failed(None, NOW, at);
        assert!(
            floor.is_separate() && floor.next(at).is_none(),
            "another queue may have been slow"
        );
        floor.failed(None, NOW, at);
        assert_eq!(floor.next(at), Some(NOW - FALLBACK));
        assert_eq!(floor.next(at + FULL_SCAN_BACKOFF), None);
        floor.scanned(floor.next(at), None, NOW, (at, MILLI));
        assert!(!floor.is_separate());
        assert!(floor.next(at).is_some(), "no full scan after one that failed");
    }
}

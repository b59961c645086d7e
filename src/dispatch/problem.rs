//! What cannot be done at the moment, and since when.

use std::time::Duration;

use time::OffsetDateTime;

/// What did not fail again for so long is not said to fail any longer. Whatever waits is tried at
/// least four times in this time; else another gateway has done it.
const FORGOTTEN_AFTER: Duration = Duration::from_mins(2);

/// Something that cannot be done at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The source whose deliveries cannot be claimed; `None` where what its handler comes to
    /// cannot be written.
    pub source: Option<String>,
    /// The handler's stored name.
    pub handler: String,
    /// Since when.
    pub since: OffsetDateTime,
}

/// Since when something fails, and when it did for the last time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failing {
    since: OffsetDateTime,
    last: OffsetDateTime,
}

impl Failing {
    /// It failed now; `before` is what was known.
    pub(super) fn noted(before: Option<Self>, now: OffsetDateTime) -> Self {
        let since = before.and_then(|before| before.since(now)).unwrap_or(now);
        Self { since, last: now }
    }

    /// Since when it fails, unless that was reset.
    pub(super) fn since(self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        (now - self.last < FORGOTTEN_AFTER).then_some(self.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fail_again_is_forgotten() {
        let begin = OffsetDateTime::UNIX_EPOCH;
        let minute = Duration::from_mins(1);
        let failing = Failing::noted(None, begin);
        let failing = Failing::noted(Some(failing), begin + minute);
        assert_eq!(failing.since(begin + 2 * minute), Some(begin));
        assert_eq!(failing.since(begin + 3 * minute), None);
        let anew = Failing::noted(Some(failing), begin + 3 * minute);
        assert_eq!(anew.since(begin + 3 * minute), Some(begin + 3 * minute));
    }
}

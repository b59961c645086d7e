//! Problems that dispatch has now.

use std::time::Duration;

use time::OffsetDateTime;

/// A problem that has not recurred for this long is over. Waiting work is retried at least four
/// times in this time, unless another gateway has done it.
const OVER_AFTER: Duration = Duration::from_mins(2);

/// A queue that cannot be claimed from, or a handler whose results cannot be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DispatchProblem {
    /// The source of the queue; `None` if results cannot be recorded.
    pub source: Option<String>,
    /// The handler's stored name.
    pub handler: String,
    pub since: OffsetDateTime,
}

/// The first and the last failure of a problem.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failing {
    since: OffsetDateTime,
    last: OffsetDateTime,
}

impl Failing {
    /// Records a failure.
    pub(super) fn recorded(before: Option<Self>, now: OffsetDateTime) -> Self {
        let since = before.and_then(|before| before.since(now)).unwrap_or(now);
        Self { since, last: now }
    }

    /// When the problem began; `None` if it is over.
    pub(super) fn since(self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        (now - self.last < OVER_AFTER).then_some(self.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problem_is_over_when_it_does_not_recur() {
        let begin = OffsetDateTime::UNIX_EPOCH;
        let minute = Duration::from_mins(1);
        let failing = Failing::recorded(None, begin);
        let failing = Failing::recorded(Some(failing), begin + minute);
        assert_eq!(failing.since(begin + 2 * minute), Some(begin));
        assert_eq!(failing.since(begin + 3 * minute), None);
        let anew = Failing::recorded(Some(failing), begin + 3 * minute);
        assert_eq!(anew.since(begin + 3 * minute), Some(begin + 3 * minute));
    }
}

//! Whether a destination rejects events; pure. It is a score, because a single rejection means
//! little and a ratio would need a window: a rejection adds 2, an accepted event subtracts 1. So it
//! stays high while more than a third are rejected.

use time::OffsetDateTime;

/// Added by a rejection.
const STEP: i16 = 2;
/// The score at which the destination counts as rejecting: five rejections in a row.
const THRESHOLD: i16 = 10;
/// The maximum score: this many accepted events reset it.
const MAX: i16 = 20;

/// The rejection state of a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rejections {
    pub(super) score: i16,
    /// Set when the score reaches [`THRESHOLD`]; reset when it is 0 again.
    pub(super) since: Option<OffsetDateTime>,
}

impl Rejections {
    /// Records a rejected event. Accepted ones are recorded in
    /// [`super::Tx::record_destination_success`].
    pub(super) fn rejected(self, now: OffsetDateTime) -> Self {
        let score = self.score.saturating_add(STEP).min(MAX);
        let since = self.since.or_else(|| (score >= THRESHOLD).then_some(now));
        Self { score, since }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_rejections_set_the_state_and_the_score_is_bounded() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let after = |count| (0..count).fold(Rejections::default(), |all, _| all.rejected(now));
        assert_eq!(after(4), Rejections { score: 8, since: None });
        assert_eq!(after(5), Rejections { score: 10, since: Some(now) });
        assert_eq!(after(500), Rejections { score: MAX, since: Some(now) });
    }
}

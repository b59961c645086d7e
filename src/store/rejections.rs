//! Whether a destination rejects the events that it gets: pure. A score, because one event that is
//! rejected says nothing and a share needs a window: it grows by 2 with every rejection and shrinks
//! by 1 with every event that is taken. So it stays up where more than a third are rejected.

use time::OffsetDateTime;

/// What a rejection adds.
const STEP: i16 = 2;
/// From this score on the destination rejects: five rejections in a row.
const REJECTS: i16 = 10;
/// The highest score: so many events have to be taken for it to be reset.
const HIGHEST: i16 = 20;

/// How a destination stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rejections {
    /// The score.
    pub(super) score: i16,
    /// Since when it rejects. Set at [`REJECTS`]; reset when the score is 0 again.
    pub(super) since: Option<OffsetDateTime>,
}

impl Rejections {
    /// After an event that was rejected. What is taken is counted in
    /// [`super::Tx::record_response`].
    pub(super) fn rejected(self, now: OffsetDateTime) -> Self {
        let score = self.score.saturating_add(STEP).min(HIGHEST);
        let since = self.since.or_else(|| (score >= REJECTS).then_some(now));
        Self { score, since }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_rejections_in_a_row_are_noticed_and_the_score_is_bounded() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let after = |count| (0..count).fold(Rejections::default(), |all, _| all.rejected(now));
        assert_eq!(after(4), Rejections { score: 8, since: None });
        assert_eq!(after(5), Rejections { score: 10, since: Some(now) });
        assert_eq!(after(500), Rejections { score: HIGHEST, since: Some(now) });
    }
}

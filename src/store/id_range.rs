//! Ranges of event ids, which sort by time.

use time::OffsetDateTime;
use uuid::Uuid;

use super::EventId;

/// A range of ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdRange {
    /// The lowest id in the range.
    pub from: Uuid,
    /// The lowest id above the range.
    pub below: Uuid,
}

impl IdRange {
    /// All ids.
    pub const ALL: Self = Self { from: Uuid::nil(), below: Uuid::max() };

    /// The ids of events received between these times. For a chunked payload the first chunk
    /// counts.
    pub fn between(from: Option<OffsetDateTime>, to: Option<OffsetDateTime>) -> Self {
        Self {
            from: from.map_or(Self::ALL.from, first_at),
            below: to.map_or(Self::ALL.below, first_at),
        }
    }

    /// The ids that begin with these hexadecimal digits; hyphens are ignored. `None` if no id can
    /// begin so.
    pub fn beginning_with(digits: &str) -> Option<Self> {
        let digits: String = digits.chars().filter(|c| *c != '-').collect();
        let length = digits.len();
        if !(1..=32).contains(&length) || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let from = u128::from_str_radix(&format!("{digits:0<32}"), 16).ok()?;
        let last = u128::from_str_radix(&format!("{digits:f<32}"), 16).ok()?;
        let below = last.saturating_add(1);
        Some(Self { from: Uuid::from_u128(from), below: Uuid::from_u128(below) })
    }

    /// This id only.
    pub fn of(event: EventId) -> Self {
        let below = event.0.as_u128().saturating_add(1);
        Self { from: event.0, below: Uuid::from_u128(below) }
    }

    /// The intersection.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { from: self.from.max(other.from), below: self.below.min(other.below) }
    }
}

impl EventId {
    /// When it was assigned: when the event, or its first chunk, was received.
    pub fn assigned_at(self) -> OffsetDateTime {
        let millis = i128::from_ne_bytes((self.0.as_u128() >> 80).to_ne_bytes());
        OffsetDateTime::from_unix_timestamp_nanos(millis * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

/// The lowest id of an event received at this time.
fn first_at(at: OffsetDateTime) -> Uuid {
    let millis = u128::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
    Uuid::from_u128(millis.min((1 << 48) - 1) << 80)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOON: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

    #[test]
    fn ids_are_within_the_range_of_their_time() {
        let id = EventId::new(NOON);
        assert_eq!(id.assigned_at(), NOON);
        let range = IdRange::between(Some(NOON), Some(NOON + time::Duration::milliseconds(1)));
        assert!(range.from <= id.0 && id.0 < range.below);
        let before = IdRange::between(None, Some(NOON));
        assert!(before.below <= id.0);
        assert_eq!(IdRange::between(None, None), IdRange::ALL);
    }

    #[test]
    fn prefixes_select_a_range_of_ids() {
        let id = EventId::new(NOON);
        let text = id.to_string();
        for length in [1, 8, 9, 13, 36] {
            let begins = text.get(..length).unwrap();
            let range = IdRange::beginning_with(begins).unwrap();
            assert!(range.from <= id.0 && id.0 < range.below, "{begins}");
        }
        let whole = IdRange::beginning_with(&text).unwrap();
        assert_eq!(whole.below.as_u128() - whole.from.as_u128(), 1);
        for invalid in ["", "-", "xyz", &format!("{text}0")] {
            assert!(IdRange::beginning_with(invalid).is_none(), "{invalid}");
        }
    }
}

//! Pagination cursors: base64url of a version, the list, and the position of the last returned
//! item.
//!
//! A cursor is opaque to clients but not secret: a list returns only what its caller may see, at
//! any position. So cursors are not signed; every well-formed cursor is a position, and anything
//! else is rejected. The API writes and reads them; the command line, which names positions by id,
//! makes them for the API.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::macros::datetime;
use time::{OffsetDateTime, UtcOffset};
use uuid::Uuid;

/// The version of the cursor format.
const VERSION: u8 = 1;

/// The earliest and the latest time the database can compare.
const FIRST: OffsetDateTime = datetime!(0001-01-01 0:00 UTC);
const LAST: OffsetDateTime = datetime!(9999-12-31 0:00 UTC);

/// The list a cursor belongs to: two letters.
pub type List = [u8; 2];

pub const ALERTS: List = *b"al";
pub const AUDIT: List = *b"au";
pub const DEAD_LETTERS: List = *b"dl";
pub const EVENTS: List = *b"ev";
pub const GROUPS: List = *b"gr";
pub const REJECTED_REQUESTS: List = *b"he";
pub const JOBS: List = *b"jo";
pub const TRANSFERS: List = *b"tr";

/// A position in a sorted list.
pub trait Place: Sized {
    /// Writes a fixed number of bytes.
    fn write(&self, bytes: &mut Vec<u8>);
    fn read(bytes: &[u8]) -> Option<Self>;
}

impl Place for i64 {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.to_be_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        Some(Self::from_be_bytes(bytes.try_into().ok()?))
    }
}

impl Place for Uuid {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.as_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        Self::from_slice(bytes).ok()
    }
}

/// A time to the microsecond, and an id as a tie-breaker.
impl Place for (OffsetDateTime, i64) {
    fn write(&self, bytes: &mut Vec<u8>) {
        let micros = self.0.unix_timestamp_nanos() / 1_000;
        i64::try_from(micros).unwrap_or(i64::MAX).write(bytes);
        self.1.write(bytes);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (micros, id) = bytes.split_at_checked(8)?;
        Some((time_at(i64::read(micros)?), i64::read(id)?))
    }
}

/// A count, with a time and an id as tie-breakers.
impl Place for (i64, OffsetDateTime, i64) {
    fn write(&self, bytes: &mut Vec<u8>) {
        self.0.write(bytes);
        (self.1, self.2).write(bytes);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (count, rest) = bytes.split_at_checked(8)?;
        let (time, id) = Place::read(rest)?;
        Some((i64::read(count)?, time, id))
    }
}

/// The time, within the range of the database.
fn time_at(micros: i64) -> OffsetDateTime {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000);
    time.map_or(if micros < 0 { FIRST } else { LAST }, within)
}

/// The nearest time within the range of the database, in UTC.
pub fn within(time: OffsetDateTime) -> OffsetDateTime {
    time.clamp(FIRST, LAST).to_offset(UtcOffset::UTC)
}

/// The cursor after an item.
pub fn after(list: List, place: &impl Place) -> String {
    let mut bytes = vec![VERSION];
    bytes.extend(list);
    place.write(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The position of a cursor of this list.
pub fn read<P: Place>(list: List, text: &str) -> Option<P> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (version, rest) = bytes.split_first()?;
    let (of, place) = rest.split_first_chunk::<2>()?;
    (*version == VERSION && *of == list).then(|| P::read(place)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: List = *b"xy";

    #[test]
    fn cursors_round_trip() {
        for id in [i64::MIN, -1, 0, 7, i64::MAX] {
            assert_eq!(read::<i64>(LIST, &after(LIST, &id)), Some(id));
        }
        let place = (datetime!(2026-11-20 12:00:00.123456 UTC), 9);
        assert_eq!(read::<(OffsetDateTime, i64)>(LIST, &after(LIST, &place)), Some(place));
    }

    #[test]
    fn invalid_cursors_are_rejected() {
        let good = after(LIST, &7_i64);
        assert!(good.starts_with("AXh5"), "{good}");
        let other = after(*b"xz", &7_i64);
        let (short, long) = (good.trim_end_matches('c'), format!("{good}A"));
        for wrong in
            ["", "7", short, &long, &other, &good.replace("AXh5", "AnH5"), "AXh5____***____"]
        {
            assert!(read::<i64>(LIST, wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn times_are_clamped_to_the_range_of_the_database() {
        assert_eq!(time_at(i64::MIN), datetime!(0001-01-01 0:00 UTC));
        assert_eq!(time_at(i64::MAX), datetime!(9999-12-31 0:00 UTC));
    }
}

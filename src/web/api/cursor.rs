//! Cursors: where a list goes on. Base64url of a version, the list that it belongs to, and the
//! position of the last item that was given.
//!
//! A cursor is opaque to clients and no secret: what a list gives is what its caller may see,
//! wherever it begins. So there is no signature to check, and every text of the shape that the
//! document gives is a position; any other is refused.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::macros::datetime;
use time::{OffsetDateTime, UtcOffset};
use uuid::Uuid;

use crate::web::denial::Denial;

/// The version of the form.
const VERSION: u8 = 1;

/// The first and the last time that the database is asked about.
const FIRST: OffsetDateTime = datetime!(0001-01-01 0:00 UTC);
const LAST: OffsetDateTime = datetime!(9999-12-31 0:00 UTC);

/// The list that a cursor belongs to: two letters.
pub(super) type List = [u8; 2];

/// A position in a list that is sorted by it.
pub(super) trait Place: Sized {
    /// Writes its bytes, always as many.
    fn write(&self, bytes: &mut Vec<u8>);
    /// Reads them.
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

/// A time, to the microsecond, and an id: times are not unique.
impl Place for (OffsetDateTime, i64) {
    fn write(&self, bytes: &mut Vec<u8>) {
        let micros = self.0.unix_timestamp_nanos() / 1_000;
        i64::try_from(micros).unwrap_or(i64::MAX).write(bytes);
        self.1.write(bytes);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (micros, id) = bytes.split_at_checked(8)?;
        Some((at(i64::read(micros)?), i64::read(id)?))
    }
}

/// A count, and where that is the same a time and an id.
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

/// The time, within what the database can compare.
fn at(micros: i64) -> OffsetDateTime {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000);
    time.map_or(if micros < 0 { FIRST } else { LAST }, within)
}

/// The nearest time that the database can compare, in UTC.
pub(super) fn within(time: OffsetDateTime) -> OffsetDateTime {
    time.clamp(FIRST, LAST).to_offset(UtcOffset::UTC)
}

/// The cursor after an item.
pub(super) fn after(list: List, place: &impl Place) -> String {
    let mut bytes = vec![VERSION];
    bytes.extend(list);
    place.write(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Where a cursor of this list points to.
pub(super) fn read<P: Place>(list: List, text: &str) -> Result<P, Denial> {
    let place = || {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (version, rest) = bytes.split_first()?;
        let (of, place) = rest.split_first_chunk::<2>()?;
        (*version == VERSION && *of == list).then(|| P::read(place)).flatten()
    };
    place().ok_or(Denial::Malformed(
        "`cursor` is not one of this list: take it from `next`, or begin without it".into(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: List = *b"xy";

    #[test]
    fn a_cursor_leads_back_to_its_position() {
        for id in [i64::MIN, -1, 0, 7, i64::MAX] {
            assert_eq!(read::<i64>(LIST, &after(LIST, &id)), Ok(id));
        }
        let place = (datetime!(2026-11-20 12:00:00.123456 UTC), 9);
        assert_eq!(read::<(OffsetDateTime, i64)>(LIST, &after(LIST, &place)), Ok(place));
    }

    #[test]
    fn what_is_no_cursor_of_the_list_is_refused() {
        let good = after(LIST, &7_i64);
        assert!(good.starts_with("AXh5"), "{good}");
        let other = after(*b"xz", &7_i64);
        let (short, long) = (good.trim_end_matches('c'), format!("{good}A"));
        for wrong in
            ["", "7", short, &long, &other, &good.replace("AXh5", "AnH5"), "AXh5____***____"]
        {
            assert!(read::<i64>(LIST, wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_time_that_no_database_knows_is_the_nearest_that_it_does() {
        assert_eq!(at(i64::MIN), datetime!(0001-01-01 0:00 UTC));
        assert_eq!(at(i64::MAX), datetime!(9999-12-31 0:00 UTC));
    }
}

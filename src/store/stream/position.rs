//! Positions in the stream, and their text form for clients.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::store::StoreError;

/// The first byte, so that the format can change.
const VERSION: u8 = 1;
/// Version, transaction, table, key.
const BYTES: usize = 1 + 8 + 1 + 16;

/// The place of a change in the stream. Positions are ordered like their changes. The text form is
/// opaque to clients, and checked when it comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    pub(super) xact: i64,
    pub(super) place: Place,
}

/// A row, within its transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Place {
    Event(Uuid),
    /// Delivery and number.
    Attempt(i64, i32),
    Action(i64),
}

/// The text is not a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid stream id")]
pub struct BadPosition;

/// The columns of a place.
pub(super) struct Row {
    pub(super) place: i32,
    pub(super) uuid: Uuid,
    pub(super) a: i64,
    pub(super) b: i32,
}

/// In the position's own transaction, the last row of each table that lies before it.
pub(super) struct Bounds {
    pub(super) event: Uuid,
    pub(super) delivery: i64,
    pub(super) number: i32,
    pub(super) action: i64,
}

impl Position {
    /// Before the first change.
    pub const START: Self = Self { xact: 0, place: Place::Event(Uuid::nil()) };

    pub(super) fn bounds(self) -> Bounds {
        let none = Bounds { event: Uuid::nil(), delivery: 0, number: 0, action: 0 };
        let all_events = Bounds { event: Uuid::max(), ..none };
        match self.place {
            Place::Event(event) => Bounds { event, ..none },
            Place::Attempt(delivery, number) => Bounds { delivery, number, ..all_events },
            Place::Action(action) => {
                Bounds { delivery: i64::MAX, number: i32::MAX, action, ..all_events }
            }
        }
    }

    pub(super) fn inconsistent(self, column: &'static str) -> StoreError {
        StoreError::Inconsistent { table: "the stream", column, row: self.to_string() }
    }
}

impl Default for Position {
    fn default() -> Self {
        Self::START
    }
}

impl Place {
    pub(super) fn of(row: &Row) -> Result<Self, StoreError> {
        match row.place {
            0 => Ok(Self::Event(row.uuid)),
            1 => Ok(Self::Attempt(row.a, row.b)),
            2 => Ok(Self::Action(row.a)),
            other => Err(StoreError::Inconsistent {
                table: "the stream",
                column: "place",
                row: other.to_string(),
            }),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (table, key) = match self.place {
            Place::Event(id) => (0, id.as_u128()),
            Place::Attempt(delivery, number) => {
                (1, (u128::from(delivery.unsigned_abs()) << 64) | u128::from(number.unsigned_abs()))
            }
            Place::Action(id) => (2, u128::from(id.unsigned_abs()) << 64),
        };
        let mut bytes = vec![VERSION];
        bytes.extend(self.xact.to_be_bytes());
        bytes.push(table);
        bytes.extend(key.to_be_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Position {
    type Err = BadPosition;

    fn from_str(text: &str) -> Result<Self, BadPosition> {
        // Decoding costs memory by the length of the text, which a client chose.
        if text.len() > 2 * BYTES {
            return Err(BadPosition);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadPosition)?;
        let (version, rest) = bytes.split_first().ok_or(BadPosition)?;
        let (xact, rest) = rest.split_first_chunk().ok_or(BadPosition)?;
        let (table, key) = rest.split_first().ok_or(BadPosition)?;
        let key = u128::from_be_bytes(key.try_into().map_err(|_| BadPosition)?);
        let xact = i64::from_be_bytes(*xact);
        let high = i64::try_from(key >> 64).map_err(|_| BadPosition);
        let low = key & u128::from(u64::MAX);
        let place = match table {
            0 => Place::Event(Uuid::from_u128(key)),
            1 => Place::Attempt(high?, i32::try_from(low).map_err(|_| BadPosition)?),
            2 if low == 0 => Place::Action(high?),
            _ => return Err(BadPosition),
        };
        if *version != VERSION || xact < 0 {
            return Err(BadPosition);
        }
        Ok(Self { xact, place })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Vec<Position> {
        let event = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);
        let places = [
            Place::Event(Uuid::nil()),
            Place::Event(event),
            Place::Attempt(1, 1),
            Place::Attempt(1, 2),
            Place::Attempt(i64::MAX, i32::MAX),
            Place::Action(1),
            Place::Action(i64::MAX),
        ];
        [0, 7, i64::MAX]
            .iter()
            .flat_map(|xact| places.map(|place| Position { xact: *xact, place }))
            .collect()
    }

    #[test]
    fn positions_round_trip_and_are_ordered() {
        let positions = some();
        assert!(positions.is_sorted());
        assert_eq!(positions[0], Position::START);
        for position in positions {
            assert_eq!(position.to_string().parse(), Ok(position), "{position:?}");
        }
    }

    #[test]
    fn malformed_positions_are_rejected() {
        let good = some()[2].to_string();
        let mut bad = vec![
            String::new(),
            "0".into(),
            "start".into(),
            format!("{good}A"),
            format!("{good}="),
            good.chars().skip(1).collect(),
            "A".repeat(35),
            "_".repeat(35),
            "x".repeat(10_000),
            format!(" {good}"),
        ];
        for (at, byte) in [(0, 2), (1, 0x80), (9, 3), (10, 0x80)] {
            let mut bytes = URL_SAFE_NO_PAD.decode(&good).unwrap();
            bytes[at] = byte;
            bad.push(URL_SAFE_NO_PAD.encode(bytes));
        }
        for text in bad {
            assert_eq!(text.parse::<Position>(), Err(BadPosition), "{text:?}");
        }
    }
}

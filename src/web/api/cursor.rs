//! Pagination cursors in queries; see [`crate::admin::cursor`].

pub(super) use crate::admin::cursor::{
    ALERTS, AUDIT, DEAD_LETTERS, EVENTS, GROUPS, JOBS, List, Place, REJECTED_REQUESTS, TRANSFERS,
    after, within,
};

use crate::admin::cursor;
use crate::web::denial::Denial;

/// Parses a cursor of this list.
pub(super) fn read<P: Place>(list: List, text: &str) -> Result<P, Denial> {
    cursor::read(list, text).ok_or(Denial::Malformed(
        "invalid `cursor`: use the `next` of this list, or omit it".into(),
    ))
}

//! Reads stored words as enums. Any other word means that something else has written to the table;
//! the hot tables have no CHECK (see the migration).

use std::fmt::Display;
use std::str::FromStr;

use super::StoreError;

/// Reads the word in a column of this row.
pub(super) fn word<T: FromStr>(
    word: &str,
    table: &'static str,
    column: &'static str,
    row: impl Display,
) -> Result<T, StoreError> {
    word.parse().map_err(|_| StoreError::Inconsistent { table, column, row: row.to_string() })
}

/// As [`word`], for a column that may be null.
pub(super) fn optional_word<T: FromStr>(
    text: Option<&str>,
    table: &'static str,
    column: &'static str,
    row: impl Display,
) -> Result<Option<T>, StoreError> {
    text.map(|text| word(text, table, column, row)).transpose()
}

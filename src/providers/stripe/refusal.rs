//! Failures of Stripe events.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dispatch::{BoxError, Failure};
use crate::store::DeathReason;
use crate::verify::{Quarantine, parse_at};

/// Parses a body for the handler.
pub(super) fn read<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, Failure> {
    read_at(body, "")
}

fn read_at<'de, T: Deserialize<'de>>(json: &'de [u8], at: &str) -> Result<T, Failure> {
    parse_at(json, at)
        .map_err(|(reason, detail)| Failure::permanent(DeathReason::Quarantined(reason), detail))
}

/// Parses the object of an event.
pub(super) fn read_object<'de, T: Deserialize<'de>>(
    object: Option<&'de RawValue>,
) -> Result<T, Failure> {
    read_at(object.ok_or_else(|| missing("data.object"))?.get().as_bytes(), "/data/object")
}

pub(super) fn missing(field: &str) -> Failure {
    schema(format!("`{field}` is missing"))
}

pub(super) fn schema(error: impl Into<BoxError>) -> Failure {
    Failure::permanent(DeathReason::Quarantined(Quarantine::Schema), error)
}

pub(super) fn wrong_account(detail: impl Into<BoxError>) -> Failure {
    Failure::permanent(DeathReason::WrongAccount, detail)
}

/// Checks that an event is of the account that its source requires, if it requires one.
pub(super) fn check_account(required: Option<&str>, account: Option<&str>) -> Result<(), Failure> {
    if required.is_some() && required != account {
        let detail = format!("the source does not accept events of {}", owner(account));
        return Err(wrong_account(detail));
    }
    Ok(())
}

/// The account, as messages name it.
pub(super) fn owner(account: Option<&str>) -> &str {
    account.unwrap_or("the platform's own account")
}

//! Connected accounts.

use serde_json::value::RawValue;

use super::super::lifecycle::Place;
use super::super::payload::{Account, AccountStatus};
use super::super::refusal::{missing, read_object, wrong_account};
use super::super::tables::{AccountRow, Stamp};
use crate::dispatch::Failure;

/// The state of a connected account that an event reports.
pub(crate) struct AccountState {
    account: String,
    status: AccountStatus,
    details_submitted: bool,
    payouts_enabled: bool,
    charges_enabled: bool,
    place: Place,
}

impl AccountState {
    pub(super) fn described(object: Option<&RawValue>, stamp: &Stamp) -> Result<Self, Failure> {
        let described: Account = read_object(object)?;
        let account = described.id.as_str();
        if stamp.account.as_ref().is_some_and(|named| named != account) {
            return Err(wrong_account("an account describes another account"));
        }
        Ok(Self {
            account: account.to_owned(),
            status: described.status(),
            details_submitted: described.details_submitted,
            payouts_enabled: described
                .payouts_enabled()
                .ok_or_else(|| missing("payouts_enabled"))?,
            charges_enabled: described.charges_enabled,
            place: stamp.place(0),
        })
    }

    /// A deauthorised account. Among events of the same second this one counts; a newer description
    /// means that the account was connected again.
    pub(super) fn deauthorized(account: String, stamp: &Stamp) -> Self {
        Self {
            account,
            status: AccountStatus::NotConnected,
            details_submitted: false,
            payouts_enabled: false,
            charges_enabled: false,
            place: stamp.place(1),
        }
    }

    pub(super) fn row(&self) -> AccountRow<'_> {
        AccountRow {
            account: &self.account,
            status: self.status.as_str(),
            details_submitted: self.details_submitted,
            payouts_enabled: self.payouts_enabled,
            charges_enabled: self.charges_enabled,
            place: &self.place,
        }
    }
}

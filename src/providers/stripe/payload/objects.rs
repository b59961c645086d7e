//! Checkout sessions, payment intents, charges, disputes and accounts.

use serde::Deserialize;
use time::OffsetDateTime;

use super::super::values::{Amount, BadId, Currency, Id, Moment, Word};

#[derive(Deserialize)]
pub(crate) struct Session {
    pub(crate) id: Id,
    pub(crate) payment_status: PaymentStatus,
    pub(crate) payment_intent: Option<Id>,
    pub(crate) created: Option<Moment>,
    pub(crate) amount_total: Option<Amount>,
    pub(crate) currency: Option<Currency>,
    pub(crate) subscription: Option<Id>,
    pub(crate) customer: Option<Id>,
    client_reference_id: Option<String>,
    metadata: Option<Metadata>,
}

impl Session {
    /// The invoice that it pays, if it names one.
    pub(crate) fn invoice(&self) -> Result<Option<Id>, BadId> {
        invoice(self.metadata.as_ref())
    }

    /// Who it is for, if it says so.
    pub(crate) fn reference(&self) -> Result<Option<Id>, BadId> {
        let agency = self.metadata.as_ref().and_then(|metadata| metadata.agency_id.as_ref());
        Ok(named(agency)?.or(named(self.client_reference_id.as_ref())?))
    }
}

/// Whether the money of a session was received.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(from = "String")]
pub(crate) enum PaymentStatus {
    Paid,
    /// Everything else. `unpaid`: a delayed method, such as a bank debit, completes the session
    /// before the money moves. `no_payment_required`: the payment is in the future, or the session
    /// only sets up a method; either way nothing was received for the invoice. A status that Stripe
    /// adds later does not count as paid until its meaning is known.
    NotPaid,
}

impl From<String> for PaymentStatus {
    fn from(word: String) -> Self {
        if word == "paid" { Self::Paid } else { Self::NotPaid }
    }
}

#[derive(Deserialize)]
pub(crate) struct Intent {
    pub(crate) id: Id,
    pub(crate) amount_received: Option<Amount>,
    pub(crate) currency: Option<Currency>,
    pub(crate) metadata: Option<Metadata>,
}

#[derive(Deserialize)]
pub(crate) struct Charge {
    pub(crate) id: Id,
    pub(crate) payment_intent: Option<Id>,
    pub(crate) amount: Amount,
    pub(crate) amount_refunded: Amount,
    pub(crate) currency: Currency,
}

#[derive(Deserialize)]
pub(crate) struct Dispute {
    pub(crate) id: Id,
    pub(crate) charge: Id,
    pub(crate) payment_intent: Option<Id>,
    pub(crate) status: Word,
    pub(crate) reason: Option<Word>,
    pub(crate) amount: Amount,
    pub(crate) currency: Currency,
    pub(crate) created: Moment,
    evidence_details: Option<Evidence>,
}

#[derive(Deserialize)]
struct Evidence {
    due_by: Option<Moment>,
}

impl Dispute {
    /// Until when the bank accepts evidence; Stripe writes 0 if it accepts none.
    pub(crate) fn evidence_due_by(&self) -> Option<OffsetDateTime> {
        let due_by = self.evidence_details.as_ref()?.due_by?.0;
        (due_by > OffsetDateTime::UNIX_EPOCH).then_some(due_by)
    }
}

/// The application's metadata, as far as it is read.
#[derive(Deserialize)]
pub(crate) struct Metadata {
    invoice_id: Option<String>,
    agency_id: Option<String>,
}

/// The invoice that an object's metadata names, if any.
pub(crate) fn invoice(metadata: Option<&Metadata>) -> Result<Option<Id>, BadId> {
    named(metadata.and_then(|metadata| metadata.invoice_id.as_ref()))
}

/// An id set by the application; Stripe unsets one with an empty value.
fn named(value: Option<&String>) -> Result<Option<Id>, BadId> {
    value.filter(|id| !id.is_empty()).cloned().map(Id::try_from).transpose()
}

/// A connected account, in any API version since 2015. An endpoint keeps the version with which it
/// was created, for years.
#[derive(Deserialize)]
pub(crate) struct Account {
    pub(crate) id: Id,
    pub(crate) details_submitted: bool,
    payouts_enabled: Option<bool>,
    /// The name of `payouts_enabled` until version 2017-04-06.
    transfers_enabled: Option<bool>,
    pub(crate) charges_enabled: bool,
    requirements: Option<Requirements>,
    /// The name of `requirements` until version 2019-02-19.
    verification: Option<Verification>,
}

#[derive(Deserialize)]
struct Requirements {
    disabled_reason: Option<String>,
    currently_due: Option<Vec<String>>,
    past_due: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Verification {
    disabled_reason: Option<String>,
    fields_needed: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AccountStatus {
    NotConnected,
    Active,
    Restricted,
    Disabled,
}

impl Account {
    /// Whether money can be paid out; `None` if no version's field says so.
    pub(crate) fn payouts_enabled(&self) -> Option<bool> {
        self.payouts_enabled.or(self.transfers_enabled)
    }

    /// The status. An account that cannot take payments is never active.
    pub(crate) fn status(&self) -> AccountStatus {
        let (new, old) = (self.requirements.as_ref(), self.verification.as_ref());
        let reasons = [
            new.and_then(|new| new.disabled_reason.as_ref()),
            old.and_then(|old| old.disabled_reason.as_ref()),
        ];
        if reasons.into_iter().flatten().any(|reason| !reason.is_empty()) {
            return AccountStatus::Disabled;
        }
        let due = [
            new.and_then(|new| new.currently_due.as_ref()),
            new.and_then(|new| new.past_due.as_ref()),
            old.and_then(|old| old.fields_needed.as_ref()),
        ];
        let is_due = due.into_iter().flatten().any(|fields| !fields.is_empty());
        if is_due || !self.charges_enabled {
            AccountStatus::Restricted
        } else {
            AccountStatus::Active
        }
    }
}

impl AccountStatus {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NotConnected => "not_connected",
            Self::Active => "active",
            Self::Restricted => "restricted",
            Self::Disabled => "disabled",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(rest: &str) -> Account {
        let text = format!(r#"{{"id":"acct_1","details_submitted":true,{rest}}}"#);
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn account_status_is_read_from_every_api_version() {
        for (rest, status) in [
            (r#""charges_enabled":true,"payouts_enabled":true"#, AccountStatus::Active),
            (
                r#""charges_enabled":true,"payouts_enabled":true,
                   "requirements":{"currently_due":[],"past_due":[],"disabled_reason":null}"#,
                AccountStatus::Active,
            ),
            (
                r#""charges_enabled":true,"payouts_enabled":false,
                   "requirements":{"currently_due":["external_account"],"disabled_reason":null}"#,
                AccountStatus::Restricted,
            ),
            (
                r#""charges_enabled":false,"payouts_enabled":false,
                   "requirements":{"currently_due":[],"disabled_reason":"rejected.fraud"}"#,
                AccountStatus::Disabled,
            ),
            // 2019-02-18 and before.
            (
                r#""charges_enabled":false,"payouts_enabled":false,
                   "verification":{"disabled_reason":"rejected.fraud","fields_needed":[]}"#,
                AccountStatus::Disabled,
            ),
            (
                r#""charges_enabled":true,"payouts_enabled":false,
                   "verification":{"disabled_reason":null,"fields_needed":["legal_entity.dob"]}"#,
                AccountStatus::Restricted,
            ),
            (
                r#""charges_enabled":true,"payouts_enabled":true,
                   "verification":{"disabled_reason":null,"fields_needed":[],"due_by":null}"#,
                AccountStatus::Active,
            ),
            // Nothing is due, but it cannot take payments.
            (r#""charges_enabled":false,"payouts_enabled":true"#, AccountStatus::Restricted),
            (
                r#""charges_enabled":false,"payouts_enabled":false,
                   "requirements":{"currently_due":[],"disabled_reason":null}"#,
                AccountStatus::Restricted,
            ),
        ] {
            assert_eq!(account(rest).status(), status, "{rest}");
        }
    }

    #[test]
    fn payouts_are_also_read_as_transfers() {
        for (rest, payouts) in [
            (r#""charges_enabled":true,"payouts_enabled":false"#, Some(false)),
            (r#""charges_enabled":true,"transfers_enabled":true"#, Some(true)),
            (
                r#""charges_enabled":true,"transfers_enabled":true,"payouts_enabled":false"#,
                Some(false),
            ),
            (r#""charges_enabled":true"#, None),
        ] {
            assert_eq!(account(rest).payouts_enabled(), payouts, "{rest}");
        }
    }
}

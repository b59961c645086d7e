//! Checkout sessions, payment intents, charges, disputes and accounts.

use serde::Deserialize;
use time::OffsetDateTime;

use super::super::values::{Amount, BadId, Currency, Id, Moment, Word};

/// A checkout session.
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
    /// The invoice that it is to pay, if it names one.
    pub(crate) fn invoice(&self) -> Result<Option<Id>, BadId> {
        invoice(self.metadata.as_ref())
    }

    /// For whom it is, if it says so.
    pub(crate) fn reference(&self) -> Result<Option<Id>, BadId> {
        let agency = self.metadata.as_ref().and_then(|metadata| metadata.agency_id.as_ref());
        Ok(named(agency)?.or(named(self.client_reference_id.as_ref())?))
    }
}

/// Whether the money of a session was received.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(from = "String")]
pub(crate) enum PaymentStatus {
    /// It was.
    Paid,
    /// Everything else. `unpaid`: a delayed method, such as a bank debit, completes the session
    /// before the money moves. `no_payment_required`: the payment lies in the future, or the
    /// session only sets a method up; nothing was received for the invoice either way. A status
    /// that Stripe adds one day does not pay before somebody has read what it means.
    NotPaid,
}

impl From<String> for PaymentStatus {
    fn from(word: String) -> Self {
        if word == "paid" { Self::Paid } else { Self::NotPaid }
    }
}

/// A payment intent.
#[derive(Deserialize)]
pub(crate) struct Intent {
    pub(crate) id: Id,
    pub(crate) amount_received: Option<Amount>,
    pub(crate) currency: Option<Currency>,
    pub(crate) metadata: Option<Metadata>,
}

/// A charge.
#[derive(Deserialize)]
pub(crate) struct Charge {
    pub(crate) id: Id,
    pub(crate) payment_intent: Option<Id>,
    pub(crate) amount: Amount,
    pub(crate) amount_refunded: Amount,
    pub(crate) currency: Currency,
}

/// A dispute.
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
    /// Until when the bank takes evidence; 0 is how Stripe says that it takes none.
    pub(crate) fn evidence_due_by(&self) -> Option<OffsetDateTime> {
        let due_by = self.evidence_details.as_ref()?.due_by?.0;
        (due_by > OffsetDateTime::UNIX_EPOCH).then_some(due_by)
    }
}

/// Of the application's own key-value pairs, those that are read.
#[derive(Deserialize)]
pub(crate) struct Metadata {
    invoice_id: Option<String>,
    agency_id: Option<String>,
}

/// The invoice that an object's metadata names, if any.
pub(crate) fn invoice(metadata: Option<&Metadata>) -> Result<Option<Id>, BadId> {
    named(metadata.and_then(|metadata| metadata.invoice_id.as_ref()))
}

/// An id of the application's; an empty value is how Stripe unsets one.
fn named(value: Option<&String>) -> Result<Option<Id>, BadId> {
    value.filter(|id| !id.is_empty()).cloned().map(Id::try_from).transpose()
}

/// A connected account, in any version of Stripe's interface since 2015. An endpoint keeps the
/// version that it was made with, for years.
#[derive(Deserialize)]
pub(crate) struct Account {
    pub(crate) id: Id,
    pub(crate) details_submitted: bool,
    payouts_enabled: Option<bool>,
    /// What payouts were called until the version 2017-04-06.
    transfers_enabled: Option<bool>,
    pub(crate) charges_enabled: bool,
    requirements: Option<Requirements>,
    /// What requirements were called until the version 2019-02-19.
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

/// How a connected account stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    NotConnected,
    Active,
    Restricted,
    Disabled,
}

impl Account {
    /// Whether money can leave it; `None` where no version's field says so.
    pub(crate) fn payouts_enabled(&self) -> Option<bool> {
        self.payouts_enabled.or(self.transfers_enabled)
    }

    /// How it stands. An account that takes no payments is never active, whatever else it says.
    pub(crate) fn standing(&self) -> Standing {
        let (new, old) = (self.requirements.as_ref(), self.verification.as_ref());
        let reasons = [
            new.and_then(|new| new.disabled_reason.as_ref()),
            old.and_then(|old| old.disabled_reason.as_ref()),
        ];
        if reasons.into_iter().flatten().any(|reason| !reason.is_empty()) {
            return Standing::Disabled;
        }
        let due = [
            new.and_then(|new| new.currently_due.as_ref()),
            new.and_then(|new| new.past_due.as_ref()),
            old.and_then(|old| old.fields_needed.as_ref()),
        ];
        let wanted = due.into_iter().flatten().any(|fields| !fields.is_empty());
        if wanted || !self.charges_enabled { Standing::Restricted } else { Standing::Active }
    }
}

impl Standing {
    /// The stored word.
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
    fn an_account_stands_as_every_version_of_the_interface_describes_it() {
        for (rest, standing) in [
            (r#""charges_enabled":true,"payouts_enabled":true"#, Standing::Active),
            (
                r#""charges_enabled":true,"payouts_enabled":true,
                   "requirements":{"currently_due":[],"past_due":[],"disabled_reason":null}"#,
                Standing::Active,
            ),
            (
                r#""charges_enabled":true,"payouts_enabled":false,
                   "requirements":{"currently_due":["external_account"],"disabled_reason":null}"#,
                Standing::Restricted,
            ),
            (
                r#""charges_enabled":false,"payouts_enabled":false,
                   "requirements":{"currently_due":[],"disabled_reason":"rejected.fraud"}"#,
                Standing::Disabled,
            ),
            // 2019-02-18 and before.
            (
                r#""charges_enabled":false,"payouts_enabled":false,
                   "verification":{"disabled_reason":"rejected.fraud","fields_needed":[]}"#,
                Standing::Disabled,
            ),
            (
                r#""charges_enabled":true,"payouts_enabled":false,
                   "verification":{"disabled_reason":null,"fields_needed":["legal_entity.dob"]}"#,
                Standing::Restricted,
            ),
            (
                r#""charges_enabled":true,"payouts_enabled":true,
                   "verification":{"disabled_reason":null,"fields_needed":[],"due_by":null}"#,
                Standing::Active,
            ),
            // Nothing is asked for, and it takes no payments all the same.
            (r#""charges_enabled":false,"payouts_enabled":true"#, Standing::Restricted),
            (
                r#""charges_enabled":false,"payouts_enabled":false,
                   "requirements":{"currently_due":[],"disabled_reason":null}"#,
                Standing::Restricted,
            ),
        ] {
            assert_eq!(account(rest).standing(), standing, "{rest}");
        }
    }

    #[test]
    fn payouts_were_called_transfers_once() {
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

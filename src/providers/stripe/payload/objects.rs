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

/// A connected account.
#[derive(Deserialize)]
pub(crate) struct Account {
    pub(crate) id: Id,
    pub(crate) details_submitted: bool,
    pub(crate) payouts_enabled: bool,
    pub(crate) charges_enabled: bool,
    requirements: Option<Requirements>,
}

#[derive(Deserialize)]
struct Requirements {
    disabled_reason: Option<String>,
    currently_due: Option<Vec<String>>,
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
    pub(crate) fn standing(&self) -> Standing {
        let Some(requirements) = &self.requirements else { return Standing::Active };
        if requirements.disabled_reason.as_ref().is_some_and(|reason| !reason.is_empty()) {
            return Standing::Disabled;
        }
        match &requirements.currently_due {
            Some(due) if !due.is_empty() => Standing::Restricted,
            _ => Standing::Active,
        }
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

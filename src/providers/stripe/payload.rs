//! What Stripe's bodies look like, as far as they are read.
//!
//! Every field that is read is typed: another type makes the event a dead letter, never a guess.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;

use super::values::{Amount, BadId, Currency, Id, Moment};

/// What names an event, of either form. Only the type is demanded: what else a handler needs, it
/// demands itself, so that an event of no interest is never a dead letter.
#[derive(Deserialize)]
pub(super) struct Head<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    object: Option<Text<'a>>,
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    created: Option<Moment>,
    #[serde(borrow)]
    account: Option<Text<'a>>,
    #[serde(borrow)]
    context: Option<Text<'a>>,
    #[serde(borrow)]
    data: Option<HeadData<'a>>,
    #[serde(borrow)]
    related_object: Option<Identified<'a>>,
}

/// The id is read on the way past: the object is not looked at twice.
#[derive(Deserialize)]
struct HeadData<'a> {
    #[serde(borrow)]
    object: Option<Identified<'a>>,
}

#[derive(Deserialize)]
struct Identified<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
}

/// A text, borrowed unless it is escaped. (An optional `Cow` on its own is always copied.)
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Head<'_> {
    pub(super) fn kind(&self) -> &str {
        &self.kind.0
    }

    /// The event's own id; an empty one is none.
    pub(super) fn id(&self) -> Option<&str> {
        present(self.id.as_ref())
    }

    /// Whether it is an event of either form. Other objects have a `type` too.
    pub(super) fn is_event(&self) -> bool {
        self.object.as_ref().is_none_or(|text| matches!(&*text.0, "event" | THIN))
    }

    /// The account in whose name it happened, where that is not the platform itself.
    pub(super) fn scope(&self) -> Option<&str> {
        present(self.account.as_ref()).or_else(|| present(self.context.as_ref()))
    }

    pub(super) fn object_id(&self) -> Option<&str> {
        let object = self.data.as_ref().and_then(|data| data.object.as_ref());
        let object = object.or(self.related_object.as_ref())?;
        present(object.id.as_ref())
    }

    pub(super) fn created(&self) -> Option<OffsetDateTime> {
        self.created.as_ref().map(|moment| moment.0)
    }
}

fn present<'t>(text: Option<&'t Text<'_>>) -> Option<&'t str> {
    text.map(|text| &*text.0).filter(|text| !text.is_empty())
}

/// What `object` says in a thin event.
const THIN: &str = "v2.core.event";

/// An event as the handler reads it.
#[derive(Deserialize)]
pub(super) struct Event<'a> {
    object: Option<String>,
    pub(super) livemode: Option<bool>,
    pub(super) account: Option<Id>,
    pub(super) created: Option<Moment>,
    #[serde(borrow)]
    pub(super) data: Option<Data<'a>>,
}

/// The object that an event is about, left unread until its type is known.
#[derive(Deserialize)]
pub(super) struct Data<'a> {
    #[serde(borrow)]
    pub(super) object: Option<&'a RawValue>,
}

impl Event<'_> {
    pub(super) fn is_thin(&self) -> bool {
        self.object.as_deref() == Some(THIN)
    }
}

/// A checkout session.
#[derive(Deserialize)]
pub(super) struct Session {
    pub(super) id: Id,
    pub(super) payment_status: PaymentStatus,
    pub(super) payment_intent: Option<Id>,
    pub(super) amount_total: Option<Amount>,
    pub(super) currency: Option<Currency>,
    pub(super) metadata: Option<Metadata>,
}

/// Whether the money of a session was received.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(from = "String")]
pub(super) enum PaymentStatus {
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
pub(super) struct Intent {
    pub(super) id: Id,
    pub(super) amount_received: Option<Amount>,
    pub(super) currency: Option<Currency>,
    pub(super) metadata: Option<Metadata>,
}

/// Of the sender's own key-value pairs, the one that is ours.
#[derive(Deserialize)]
pub(super) struct Metadata {
    invoice_id: Option<String>,
}

/// The invoice that an object's metadata names, if any; an empty value is how Stripe unsets one.
pub(super) fn invoice(metadata: Option<Metadata>) -> Result<Option<Id>, BadId> {
    let named = metadata.and_then(|metadata| metadata.invoice_id);
    named.filter(|id| !id.is_empty()).map(Id::try_from).transpose()
}

/// A connected account.
#[derive(Deserialize)]
pub(super) struct Account {
    pub(super) id: Id,
    pub(super) details_submitted: bool,
    pub(super) payouts_enabled: bool,
    pub(super) charges_enabled: bool,
    requirements: Option<Requirements>,
}

#[derive(Deserialize)]
struct Requirements {
    disabled_reason: Option<String>,
    currently_due: Option<Vec<String>>,
}

/// How a connected account stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    NotConnected,
    Active,
    Restricted,
    Disabled,
}

impl Account {
    pub(super) fn standing(&self) -> Standing {
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
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::NotConnected => "not_connected",
            Self::Active => "active",
            Self::Restricted => "restricted",
            Self::Disabled => "disabled",
        }
    }
}

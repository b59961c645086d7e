//! What Stripe's bodies look like, as far as they are read.
//!
//! Ids, amounts and flags are typed: a field of another type makes the event a dead letter, never
//! a guess. Money is a whole number of minor units.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use serde_json::value::RawValue;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

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

/// The id of an object, ours or Stripe's: something that can stand in an index and in a message.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Id(String);

/// The text is not an id.
#[derive(Debug, thiserror::Error)]
#[error("an id is empty, longer than {MAX} characters, or holds control characters", MAX = Id::MAX)]
pub(super) struct BadId;

impl Id {
    /// Metadata values have at most 500 characters, Stripe's own ids at most 255.
    const MAX: usize = 500;

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Id {
    type Error = BadId;

    fn try_from(text: String) -> Result<Self, BadId> {
        let fits = (1..=Self::MAX).contains(&text.chars().count());
        if fits && !text.contains(char::is_control) { Ok(Self(text)) } else { Err(BadId) }
    }
}

/// An amount in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "i64")]
pub(super) struct Amount(i64);

impl Amount {
    pub(super) fn minor_units(self) -> i64 {
        self.0
    }
}

impl TryFrom<i64> for Amount {
    type Error = &'static str;

    fn try_from(units: i64) -> Result<Self, Self::Error> {
        if units < 0 { Err("an amount is negative") } else { Ok(Self(units)) }
    }
}

/// A currency: three lower-case letters.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Currency(String);

impl Currency {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Currency {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let shaped = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_lowercase());
        if shaped { Ok(Self(text)) } else { Err("a currency is not three lower-case letters") }
    }
}

/// A time as Stripe writes it: whole seconds in a snapshot event, ISO 8601 in a thin one. In UTC,
/// not before 1970, so that the database can hold it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment(pub(super) OffsetDateTime);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl Visitor<'_> for Read {
            type Value = Moment;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("seconds since 1970 or an ISO 8601 time")
            }

            fn visit_u64<E: serde::de::Error>(self, seconds: u64) -> Result<Moment, E> {
                let time = i64::try_from(seconds).ok();
                let time = time.and_then(|time| OffsetDateTime::from_unix_timestamp(time).ok());
                time.map(Moment).ok_or_else(|| E::custom("the time is beyond the year 9999"))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Moment, E> {
                let time = OffsetDateTime::parse(text, &Rfc3339).map_err(E::custom)?;
                let time = time.checked_to_offset(UtcOffset::UTC);
                time.filter(|time| *time >= OffsetDateTime::UNIX_EPOCH)
                    .map(Moment)
                    .ok_or_else(|| E::custom("the time is not between 1970 and 9999"))
            }
        }

        deserializer.deserialize_any(Read)
    }
}

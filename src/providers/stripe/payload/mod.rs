//! The parts of Stripe's payloads that are read.
//!
//! Every field is typed: a wrong type makes the event a dead letter, never a guess. Stripe moves
//! fields between API versions, and the version is the endpoint's, not ours: a moved field is read
//! from both places.

mod billing;
mod objects;

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;

pub(super) use self::billing::{Invoice, Item, Subscription};
pub(super) use self::objects::{
    Account, AccountStatus, Charge, Dispute, Intent, PaymentStatus, Session, invoice,
};
use super::values::{Id, Moment};

/// The fields that classify an event of either form. Only the type is required; the handler
/// requires what it needs itself, so that an unhandled event never becomes a dead letter.
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

/// The id is read in passing, so that the object is not parsed twice.
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

/// A string, borrowed unless it contains escapes. (serde always copies a plain `Option<Cow>`.)
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Head<'_> {
    pub(super) fn kind(&self) -> &str {
        &self.kind.0
    }

    /// The event's own id; an empty one counts as absent.
    pub(super) fn id(&self) -> Option<&str> {
        present(self.id.as_ref())
    }

    /// Whether it is an event of either form. Other objects have a `type` too.
    pub(super) fn is_event(&self) -> bool {
        self.object.as_ref().is_none_or(|text| matches!(&*text.0, "event" | THIN))
    }

    /// The account for which it happened, unless it is the platform itself.
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

/// The `object` of a thin event.
const THIN: &str = "v2.core.event";

/// The fields of an event that the handler reads.
#[derive(Deserialize)]
pub(super) struct Event<'a> {
    id: Option<String>,
    object: Option<String>,
    pub(super) livemode: Option<bool>,
    pub(super) account: Option<Id>,
    /// The account of a thin event, instead of `account`.
    context: Option<String>,
    pub(super) created: Option<Moment>,
    #[serde(borrow)]
    pub(super) data: Option<Data<'a>>,
    pub(super) related_object: Option<Related>,
}

/// The object that a thin event refers to.
#[derive(Deserialize)]
pub(super) struct Related {
    id: Option<String>,
    pub(super) url: Option<String>,
}

/// The object of an event, left unparsed until its type is known.
#[derive(Deserialize)]
pub(super) struct Data<'a> {
    #[serde(borrow)]
    pub(super) object: Option<&'a RawValue>,
}

impl Event<'_> {
    /// Stripe's id of the event, if valid.
    pub(super) fn id(&self) -> Option<Id> {
        id(self.id.as_ref())
    }

    /// The account for which a thin event happened, unless it is the platform itself.
    pub(super) fn context(&self) -> Option<Id> {
        id(self.context.as_ref())
    }

    /// Whether it happened for a connected account. A context may be a path over several accounts,
    /// so it need not be an id.
    pub(super) fn is_of_a_connected_account(&self) -> bool {
        self.account.is_some() || self.context.as_ref().is_some_and(|context| !context.is_empty())
    }

    pub(super) fn is_thin(&self) -> bool {
        self.object.as_deref() == Some(THIN)
    }
}

impl Related {
    pub(super) fn id(&self) -> Option<Id> {
        id(self.id.as_ref())
    }
}

fn id(text: Option<&String>) -> Option<Id> {
    text.and_then(|text| Id::try_from(text.clone()).ok())
}

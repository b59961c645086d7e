//! What Stripe's bodies look like, as far as they are read.
//!
//! Every field that is read is typed: another type makes the event a dead letter, never a guess.
//! Stripe moves fields between versions of its interface, and the version is the endpoint's, not
//! ours: what was moved is read from both places.

mod billing;
mod objects;

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;

pub(super) use self::billing::{Invoice, Item, Subscription};
pub(super) use self::objects::{
    Account, Charge, Dispute, Intent, PaymentStatus, Session, Standing, invoice,
};
use super::values::{Id, Moment};

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
    id: Option<String>,
    object: Option<String>,
    pub(super) livemode: Option<bool>,
    pub(super) account: Option<Id>,
    /// What a thin event has instead of `account`.
    context: Option<String>,
    pub(super) created: Option<Moment>,
    #[serde(borrow)]
    pub(super) data: Option<Data<'a>>,
    pub(super) related_object: Option<Related>,
}

/// What a thin event points at.
#[derive(Deserialize)]
pub(super) struct Related {
    id: Option<String>,
    pub(super) url: Option<String>,
}

/// The object that an event is about, left unread until its type is known.
#[derive(Deserialize)]
pub(super) struct Data<'a> {
    #[serde(borrow)]
    pub(super) object: Option<&'a RawValue>,
}

impl Event<'_> {
    /// Stripe's id of the event, where it is one.
    pub(super) fn id(&self) -> Option<Id> {
        id(self.id.as_ref())
    }

    /// The account in whose name a thin event happened, where that is not the platform itself.
    pub(super) fn context(&self) -> Option<Id> {
        id(self.context.as_ref())
    }

    /// Whether it happened in the name of a connected account. A context may lead over several
    /// accounts, so it need not be an id.
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

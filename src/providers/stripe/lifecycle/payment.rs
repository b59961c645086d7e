//! A payment of an invoice: its sessions, intents and refunds, and what they come to.

use std::cmp::Reverse;

use time::OffsetDateTime;

use super::Place;

/// How far a session got. It gets there once: a session that failed is not tried again, the
/// customer begins another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Complete, with the money on its way.
    Pending,
    /// The money did not come.
    Failed,
    /// The money came. If ever an event says both, this one counts: it is about money.
    Paid,
}

/// When something was first told, and by which event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reached {
    pub(crate) at: OffsetDateTime,
    pub(crate) event: String,
}

/// A checkout session that names an invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) invoice: String,
    pub(crate) intent: Option<String>,
    pub(crate) stage: Stage,
    pub(crate) amount: Option<i64>,
    pub(crate) currency: Option<String>,
    pub(crate) begun_at: OffsetDateTime,
    pub(crate) reached: Reached,
}

/// A payment intent that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Intent {
    pub(crate) id: String,
    pub(crate) invoice: Option<String>,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) reached: Reached,
}

/// A charge of which something was refunded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Charge {
    pub(crate) id: String,
    pub(crate) account: Option<String>,
    pub(crate) intent: Option<String>,
    pub(crate) amount: i64,
    /// The object's own total: that events of single refunds are missing does not matter.
    pub(crate) amount_refunded: i64,
    pub(crate) currency: String,
    pub(crate) place: Place,
}

/// What is known of an invoice's payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) stage: Stage,
    pub(crate) session: Option<String>,
    pub(crate) intent: Option<String>,
    pub(crate) amount: Option<i64>,
    pub(crate) currency: Option<String>,
    pub(crate) paid_at: Option<OffsetDateTime>,
}

impl Stage {
    /// The stored word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Failed => "failed",
            Self::Paid => "paid",
        }
    }

    /// The stage of a stored word; `CHECK`ed there, so that no other is read.
    pub(crate) fn of(word: &str) -> Self {
        match word {
            "paid" => Self::Paid,
            "failed" => Self::Failed,
            _ => Self::Pending,
        }
    }
}

impl Session {
    /// The furthest stage, as it was first reached.
    pub(crate) fn join(known: Option<Self>, told: Self) -> Self {
        let Some(known) = known else { return told };
        let intent = known.intent.clone().max(told.intent.clone());
        let begun_at = known.begun_at.min(told.begun_at);
        let first = told.order() > known.order();
        let furthest = if first { told } else { known };
        Self { intent, begun_at, ..furthest }
    }

    fn order(&self) -> (Stage, Reverse<&Reached>) {
        (self.stage, Reverse(&self.reached))
    }
}

impl Intent {
    /// The first success; an invoice that any of its events names stays named.
    pub(crate) fn join(known: Option<Self>, told: Self) -> Self {
        let Some(known) = known else { return told };
        let invoice = known.invoice.clone().max(told.invoice.clone());
        let first = if known.reached <= told.reached { known } else { told };
        Self { invoice, ..first }
    }
}

impl Charge {
    /// The newest totals. A refund that fails at the bank takes its part back out of the total,
    /// so the largest is not always the last; within one second it is taken for it.
    pub(crate) fn join(known: Option<Self>, told: Self) -> Self {
        match known {
            Some(known) if known.place >= told.place => known,
            _ => told,
        }
    }

    /// The rank within a second.
    pub(crate) fn rank(amount_refunded: i64) -> i64 {
        amount_refunded
    }
}

/// How an invoice's payment stands, by everything that names the invoice: the first payment if
/// there is one, otherwise the newest session. That money was received is not undone by another
/// session that is still pending, and a second payment does not replace the first.
pub(crate) fn standing(sessions: &[Session], intents: &[Intent]) -> Option<Standing> {
    let tried = sessions.iter().map(|session| {
        let own = |intent: &&Intent| session.intent.as_deref() == Some(&*intent.id);
        (Some(session), intents.iter().find(own))
    });
    let named = |intent: &Intent| {
        sessions.iter().any(|session| session.intent.as_deref() == Some(&*intent.id))
    };
    let alone = intents.iter().filter(|intent| !named(intent)).map(|intent| (None, Some(intent)));
    let attempts: Vec<Attempt<'_>> =
        tried.chain(alone).map(|(session, intent)| Attempt { session, intent }).collect();
    let first = attempts.iter().filter(|attempt| attempt.paid_at().is_some());
    let first = first.min_by_key(|attempt| (attempt.paid_at(), attempt.ids()));
    let newest = || attempts.iter().max_by_key(|attempt| (attempt.begun_at(), attempt.ids()));
    first.or_else(newest).map(Attempt::standing)
}

/// One way in which the invoice was, or may yet be, paid: a session, its intent, or both.
#[derive(Clone, Copy)]
struct Attempt<'a> {
    session: Option<&'a Session>,
    intent: Option<&'a Intent>,
}

impl Attempt<'_> {
    fn paid_at(&self) -> Option<OffsetDateTime> {
        let session = self.session.filter(|session| session.stage == Stage::Paid);
        let session = session.map(|session| session.reached.at);
        let intent = self.intent.map(|intent| intent.reached.at);
        session.into_iter().chain(intent).min()
    }

    fn begun_at(&self) -> Option<OffsetDateTime> {
        self.session.map(|session| session.begun_at)
    }

    fn ids(&self) -> (Option<&str>, Option<&str>) {
        let intent = self.intent.map(|intent| &*intent.id);
        (self.session.map(|session| &*session.id), intent)
    }

    fn standing(&self) -> Standing {
        let paid_at = self.paid_at();
        let unpaid = self.session.map_or(Stage::Pending, |session| session.stage);
        // What was received, rather than what was asked for: it may be in another currency.
        let received = self.intent.map(|intent| (intent.amount, intent.currency.clone()));
        let (amount, currency) = match (received, self.session) {
            (Some((amount, currency)), _) => (Some(amount), Some(currency)),
            (None, Some(session)) => (session.amount, session.currency.clone()),
            (None, None) => (None, None),
        };
        let of_session = self.session.and_then(|session| session.intent.clone());
        Standing {
            stage: if paid_at.is_some() { Stage::Paid } else { unpaid },
            session: self.session.map(|session| session.id.clone()),
            intent: self.intent.map(|intent| intent.id.clone()).or(of_session),
            amount,
            currency,
            paid_at,
        }
    }
}

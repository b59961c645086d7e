//! The payment of an invoice: its sessions, intents and refunds, and the resulting state.

use std::cmp::Reverse;

use time::OffsetDateTime;

use super::Place;

/// The stage of a session. It is reached once: a failed session is not retried, the customer begins
/// another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Complete, with the money in transit.
    Pending,
    Failed,
    /// The money was received. If events contradict each other, this one counts: it is about money.
    Paid,
}

/// When a state was first reported, and by which event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reached {
    pub(crate) at: OffsetDateTime,
    pub(crate) event: String,
}

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

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Intent {
    pub(crate) id: String,
    pub(crate) invoice: Option<String>,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) reached: Reached,
}

/// A charge with a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Charge {
    pub(crate) id: String,
    pub(crate) account: Option<String>,
    pub(crate) intent: Option<String>,
    pub(crate) amount: i64,
    /// The object's own total, so missing events of single refunds do not matter.
    pub(crate) amount_refunded: i64,
    pub(crate) currency: String,
    pub(crate) place: Place,
}

/// The payment state of an invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PaymentState {
    pub(crate) stage: Stage,
    pub(crate) session: Option<String>,
    pub(crate) intent: Option<String>,
    pub(crate) amount: Option<i64>,
    pub(crate) currency: Option<String>,
    pub(crate) paid_at: Option<OffsetDateTime>,
}

impl Stage {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Failed => "failed",
            Self::Paid => "paid",
        }
    }

    /// The stage of a stored value; a `CHECK` constraint excludes others.
    pub(crate) fn of(word: &str) -> Self {
        match word {
            "paid" => Self::Paid,
            "failed" => Self::Failed,
            _ => Self::Pending,
        }
    }
}

impl Session {
    /// Keeps the furthest stage, as first reached.
    pub(crate) fn join(known: Option<Self>, update: Self) -> Self {
        let Some(known) = known else { return update };
        let intent = known.intent.clone().max(update.intent.clone());
        let begun_at = known.begun_at.min(update.begun_at);
        let first = update.order() > known.order();
        let furthest = if first { update } else { known };
        Self { intent, begun_at, ..furthest }
    }

    fn order(&self) -> (Stage, Reverse<&Reached>) {
        (self.stage, Reverse(&self.reached))
    }
}

impl Intent {
    /// Keeps the first success, and an invoice that any of its events names.
    pub(crate) fn join(known: Option<Self>, update: Self) -> Self {
        let Some(known) = known else { return update };
        let invoice = known.invoice.clone().max(update.invoice.clone());
        let first = if known.reached <= update.reached { known } else { update };
        Self { invoice, ..first }
    }
}

impl Charge {
    /// Keeps the newest totals. A refund that fails at the bank is taken out of the total again, so
    /// the largest is not always the last; only within one second the larger counts as newer.
    pub(crate) fn join(known: Option<Self>, update: Self) -> Self {
        match known {
            Some(known) if known.place >= update.place => known,
            _ => update,
        }
    }

    /// The rank within a second.
    pub(crate) fn rank(amount_refunded: i64) -> i64 {
        amount_refunded
    }
}

/// The payment state of an invoice, from everything that names it: the first payment if there is
/// one, otherwise the newest session. A received payment is not undone by another pending session,
/// and a second payment does not replace the first.
pub(crate) fn payment_state(sessions: &[Session], intents: &[Intent]) -> Option<PaymentState> {
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
    first.or_else(newest).map(Attempt::payment_state)
}

/// One way in which the invoice was or may be paid: a session, its intent, or both.
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

    fn payment_state(&self) -> PaymentState {
        let paid_at = self.paid_at();
        let unpaid = self.session.map_or(Stage::Pending, |session| session.stage);
        // The received amount rather than the requested one: it may be in another currency.
        let received = self.intent.map(|intent| (intent.amount, intent.currency.clone()));
        let (amount, currency) = match (received, self.session) {
            (Some((amount, currency)), _) => (Some(amount), Some(currency)),
            (None, Some(session)) => (session.amount, session.currency.clone()),
            (None, None) => (None, None),
        };
        let of_session = self.session.and_then(|session| session.intent.clone());
        PaymentState {
            stage: if paid_at.is_some() { Stage::Paid } else { unpaid },
            session: self.session.map(|session| session.id.clone()),
            intent: self.intent.map(|intent| intent.id.clone()).or(of_session),
            amount,
            currency,
            paid_at,
        }
    }
}

//! Any order and any duplicate of an object's events comes to the same.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use time::{Duration, OffsetDateTime};

use super::*;

/// Few enough seconds that many events tie.
fn second() -> impl Strategy<Value = OffsetDateTime> {
    (0_i64..4).prop_map(|second| OffsetDateTime::UNIX_EPOCH + Duration::seconds(second))
}

fn at(second: i64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::seconds(second)
}

/// Events in some order, and the same ones in another with some of them repeated.
fn told_twice<T: Clone + std::fmt::Debug + 'static>(
    event: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = (Vec<T>, Vec<T>)> {
    prop::collection::vec(event, 1..9).prop_flat_map(|events| {
        let again = subsequence(events.clone(), 0..=events.len());
        let shuffled = again.prop_flat_map({
            let events = events.clone();
            move |again| Just([events.clone(), again].concat()).prop_shuffle()
        });
        (Just(events), shuffled)
    })
}

fn dedup_key<T: Clone>(events: &[T], join: impl Fn(Option<T>, T) -> T) -> Option<T> {
    events.iter().cloned().fold(None, |known, told| Some(join(known, told)))
}

/// An id that no other event has, in no order that means anything.
fn event() -> impl Strategy<Value = String> {
    "evt_[a-z]{6}"
}

#[derive(Debug, Clone)]
enum Said {
    Session(Session),
    Intent(Intent),
    Charge(Charge),
    Dispute(Dispute),
}

fn session() -> impl Strategy<Value = Session> {
    let stage = select(&[Stage::Pending, Stage::Failed, Stage::Paid]);
    let intent = prop::option::weighted(0.8, Just(()));
    (select(&["a", "b"]), stage, intent, 1_i64..3, second(), second(), event()).prop_map(
        |(id, stage, intent, amount, begun_at, at, event)| Session {
            id: format!("cs_{id}"),
            invoice: "inv".to_owned(),
            intent: intent.map(|()| format!("pi_{id}")),
            stage,
            amount: Some(amount),
            currency: Some("aud".to_owned()),
            begun_at,
            reached: Reached { at, event },
        },
    )
}

fn intent() -> impl Strategy<Value = Intent> {
    (select(&["a", "b"]), any::<bool>(), second(), event()).prop_map(|(id, named, at, event)| {
        Intent {
            id: format!("pi_{id}"),
            invoice: named.then(|| "inv".to_owned()),
            amount: 2,
            currency: "aud".to_owned(),
            reached: Reached { at, event },
        }
    })
}

fn charge() -> impl Strategy<Value = Charge> {
    (select(&["a", "b"]), 0_i64..3, second(), event()).prop_map(|(id, refunded, at, event)| {
        Charge {
            id: format!("ch_{id}"),
            account: None,
            intent: Some(format!("pi_{id}")),
            amount: 2,
            amount_refunded: refunded,
            currency: "aud".to_owned(),
            place: Place { at, rank: Charge::rank(refunded), event },
        }
    })
}

fn dispute() -> impl Strategy<Value = Dispute> {
    let words = &[
        "warning_needs_response",
        "needs_response",
        "under_review",
        "a_new_word",
        "prevented",
        "lost",
        "won",
    ];
    (select(&["a", "b"]), select(words), second(), event()).prop_map(|(id, status, time, event)| {
        Dispute {
            id: format!("dp_{id}"),
            account: None,
            charge: "ch_a".to_owned(),
            intent: Some("pi_a".to_owned()),
            status: status.to_owned(),
            reason: None,
            amount: 2,
            currency: "aud".to_owned(),
            opened_at: at(0),
            evidence_due_by: None,
            closed_at: Dispute::is_closed(status).then_some(time),
            place: Place { at: time, rank: Dispute::rank(status), event },
        }
    })
}

fn subscription() -> impl Strategy<Value = Subscription> {
    let words = &["incomplete", "trialing", "active", "past_due", "unpaid", "new", "canceled"];
    let told = select(&[Told::Created, Told::Updated, Told::Deleted]);
    (told, select(words), second(), event()).prop_map(|(told, word, at, event)| {
        let status = Subscription::status(told, word).to_owned();
        Subscription {
            id: "sub".to_owned(),
            account: None,
            customer: "cus".to_owned(),
            current_period_end: None,
            cancel_at_period_end: false,
            cancel_at: None,
            canceled_at: None,
            ended_at: None,
            items: Vec::new(),
            place: Place { at, rank: Subscription::rank(told, &status), event },
            status,
        }
    })
}

fn invoice() -> impl Strategy<Value = Invoice> {
    let words = &["draft", "open", "uncollectible", "void", "paid"];
    (select(words), any::<bool>(), 0_i64..3, second(), event()).prop_map(
        |(status, failed, attempts, at, event)| Invoice {
            id: "in".to_owned(),
            account: None,
            customer: None,
            subscription: None,
            status: status.to_owned(),
            amount_due: 2,
            amount_paid: 0,
            currency: "aud".to_owned(),
            billing_reason: None,
            attempt_count: attempts,
            next_attempt_at: None,
            last_failed_at: failed.then_some(at),
            paid_at: (status == Invoice::PAID).then_some(at),
            place: Place { at, rank: Invoice::rank(status, attempts), event },
        },
    )
}

/// What is known of an invoice's payment, as the tables hold it.
#[derive(Debug, Default, PartialEq)]
struct Book {
    sessions: BTreeMap<String, Session>,
    intents: BTreeMap<String, Intent>,
    charges: BTreeMap<String, Charge>,
    disputes: BTreeMap<String, Dispute>,
}

impl Book {
    fn after(said: &[Said]) -> Self {
        let mut book = Self::default();
        for said in said.iter().cloned() {
            match said {
                Said::Session(one) => put(&mut book.sessions, &one.id, &one, Session::join),
                Said::Intent(one) => put(&mut book.intents, &one.id, &one, Intent::join),
                Said::Charge(one) => put(&mut book.charges, &one.id, &one, Charge::join),
                Said::Dispute(one) => put(&mut book.disputes, &one.id, &one, Dispute::join),
            }
        }
        book
    }

    fn standing(&self) -> Option<Standing> {
        let sessions: Vec<_> = self.sessions.values().cloned().collect();
        let named = |intent: &&Intent| {
            let by_session =
                sessions.iter().any(|session| session.intent == Some(intent.id.clone()));
            by_session || intent.invoice.is_some()
        };
        let intents: Vec<_> = self.intents.values().filter(named).cloned().collect();
        standing(&sessions, &intents)
    }
}

fn put<T: Clone>(
    known: &mut BTreeMap<String, T>,
    id: &str,
    told: &T,
    join: impl Fn(Option<T>, T) -> T,
) {
    let joined = join(known.get(id).cloned(), told.clone());
    known.insert(id.to_owned(), joined);
}

fn said() -> impl Strategy<Value = Said> {
    prop_oneof![
        session().prop_map(Said::Session),
        intent().prop_map(Said::Intent),
        charge().prop_map(Said::Charge),
        dispute().prop_map(Said::Dispute),
    ]
}

proptest! {
    #[test]
    fn a_payment_ends_the_same_in_every_order_of_its_events((once, again) in told_twice(said())) {
        let (once, again) = (Book::after(&once), Book::after(&again));
        prop_assert_eq!(once.standing(), again.standing());
        prop_assert_eq!(once, again);
    }

    #[test]
    fn what_was_paid_stays_paid(before in prop::collection::vec(said(), 0..6), more in said()) {
        let stage = |said: &[Said]| Book::after(said).standing().map(|standing| standing.stage);
        let was = stage(&before);
        let is = stage(&[before, vec![more]].concat());
        prop_assert!(was != Some(Stage::Paid) || is == Some(Stage::Paid));
    }

    #[test]
    fn a_subscription_ends_the_same_in_every_order((once, again) in told_twice(subscription())) {
        let ends = dedup_key(&once, Subscription::join);
        prop_assert_eq!(&ends, &dedup_key(&again, Subscription::join));
        let ended = |one: &Subscription| matches!(&*one.status, "canceled" | "incomplete_expired");
        prop_assert_eq!(once.iter().any(ended), ends.is_some_and(|one| ended(&one)));
    }

    #[test]
    fn a_dispute_ends_the_same_in_every_order((once, again) in told_twice(dispute())) {
        let one = |told: &[Dispute]| -> Vec<Dispute> {
            told.iter().filter(|told| told.id == "dp_a").cloned().collect()
        };
        let (once, again) = (one(&once), one(&again));
        let ends = dedup_key(&once, Dispute::join);
        prop_assert_eq!(&ends, &dedup_key(&again, Dispute::join));
        let closed = once.iter().any(|told| told.closed_at.is_some());
        prop_assert_eq!(closed, ends.is_some_and(|end| end.closed_at.is_some()));
    }

    #[test]
    fn an_invoice_ends_the_same_in_every_order((once, again) in told_twice(invoice())) {
        prop_assert_eq!(dedup_key(&once, Invoice::join), dedup_key(&again, Invoice::join));
    }
}

fn subscribed(told: Told, status: &str, second: i64, event: &str) -> Subscription {
    Subscription {
        id: "sub".to_owned(),
        account: None,
        customer: "cus".to_owned(),
        status: status.to_owned(),
        current_period_end: None,
        cancel_at_period_end: false,
        cancel_at: None,
        canceled_at: None,
        ended_at: None,
        items: Vec::new(),
        place: Place {
            at: at(second),
            rank: Subscription::rank(told, status),
            event: event.to_owned(),
        },
    }
}

#[test]
fn a_subscription_goes_back_by_its_events_time_and_forward_within_a_second() {
    let active = subscribed(Told::Created, "active", 1, "evt_1");
    let due = subscribed(Told::Updated, "past_due", 2, "evt_2");
    let paid = subscribed(Told::Updated, "active", 3, "evt_3");
    let late = [paid.clone(), due.clone(), active];
    assert_eq!(dedup_key(&late, Subscription::join), Some(paid));

    let first = subscribed(Told::Created, "incomplete", 1, "evt_9");
    let then = subscribed(Told::Updated, "active", 1, "evt_1");
    assert_eq!(dedup_key(&[then.clone(), first], Subscription::join), Some(then.clone()));

    let refused = subscribed(Told::Updated, "past_due", 1, "evt_0");
    assert_eq!(dedup_key(&[refused.clone(), then], Subscription::join), Some(refused));

    let gone = subscribed(Told::Deleted, "canceled", 1, "evt_1");
    assert_eq!(dedup_key(&[gone.clone(), due], Subscription::join), Some(gone));
}

#[test]
fn every_word_ranks_below_the_ends_and_an_unknown_one_is_no_end() {
    for status in ["needs_response", "under_review", "a_new_word"] {
        assert!(Dispute::rank(status) < Dispute::rank("warning_closed"), "{status}");
        assert!(!Dispute::is_closed(status), "{status}");
    }
    assert!(Invoice::rank("open", i64::MAX) < Invoice::rank("paid", 0));
}

#[test]
fn an_intent_that_named_its_invoice_once_keeps_it() {
    let intent = |second, invoice: Option<&str>| Intent {
        id: "pi".to_owned(),
        invoice: invoice.map(str::to_owned),
        amount: 1,
        currency: "aud".to_owned(),
        reached: Reached { at: at(second), event: format!("evt_{second}") },
    };
    let told = [intent(2, Some("inv")), intent(1, None)];
    assert_eq!(dedup_key(&told, Intent::join), Some(intent(1, Some("inv"))));
}

//! An object's events lead to the same state in any order and with any duplicates.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use time::{Duration, OffsetDateTime};

use super::*;

/// Few distinct seconds, so that many events tie.
fn second() -> impl Strategy<Value = OffsetDateTime> {
    (0_i64..4).prop_map(|second| OffsetDateTime::UNIX_EPOCH + Duration::seconds(second))
}

fn at(second: i64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::seconds(second)
}

/// Events in some order, and the same events shuffled with some of them repeated.
fn in_two_orders<T: Clone + std::fmt::Debug + 'static>(
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

fn join_all<T: Clone>(events: &[T], join: impl Fn(Option<T>, T) -> T) -> Option<T> {
    events.iter().cloned().fold(None, |known, update| Some(join(known, update)))
}

/// A unique event id, in arbitrary order.
fn event_id() -> impl Strategy<Value = String> {
    "evt_[a-z]{6}"
}

#[derive(Debug, Clone)]
enum Event {
    Session(Session),
    Intent(Intent),
    Charge(Charge),
    Dispute(Dispute),
}

fn session() -> impl Strategy<Value = Session> {
    let stage = select(&[Stage::Pending, Stage::Failed, Stage::Paid]);
    let intent = prop::option::weighted(0.8, Just(()));
    (select(&["a", "b"]), stage, intent, 1_i64..3, second(), second(), event_id()).prop_map(
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
    (select(&["a", "b"]), any::<bool>(), second(), event_id()).prop_map(|(id, named, at, event)| {
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
    (select(&["a", "b"]), 0_i64..3, second(), event_id()).prop_map(|(id, refunded, at, event)| {
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
    (select(&["a", "b"]), select(words), second(), event_id()).prop_map(
        |(id, status, time, event)| Dispute {
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
        },
    )
}

fn subscription() -> impl Strategy<Value = Subscription> {
    let words = &["incomplete", "trialing", "active", "past_due", "unpaid", "new", "canceled"];
    let update = select(&[
        SubscriptionEvent::Created,
        SubscriptionEvent::Updated,
        SubscriptionEvent::Deleted,
    ]);
    (update, select(words), second(), event_id()).prop_map(|(update, word, at, event)| {
        let status = Subscription::status(update, word).to_owned();
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
            place: Place { at, rank: Subscription::rank(update, &status), event },
            status,
        }
    })
}

fn invoice() -> impl Strategy<Value = Invoice> {
    let words = &["draft", "open", "uncollectible", "void", "paid"];
    (select(words), any::<bool>(), 0_i64..3, second(), event_id()).prop_map(
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

/// The known payment data of an invoice, as in the tables.
#[derive(Debug, Default, PartialEq)]
struct Tables {
    sessions: BTreeMap<String, Session>,
    intents: BTreeMap<String, Intent>,
    charges: BTreeMap<String, Charge>,
    disputes: BTreeMap<String, Dispute>,
}

impl Tables {
    fn after(events: &[Event]) -> Self {
        let mut tables = Self::default();
        for event in events.iter().cloned() {
            match event {
                Event::Session(one) => put(&mut tables.sessions, &one.id, &one, Session::join),
                Event::Intent(one) => put(&mut tables.intents, &one.id, &one, Intent::join),
                Event::Charge(one) => put(&mut tables.charges, &one.id, &one, Charge::join),
                Event::Dispute(one) => put(&mut tables.disputes, &one.id, &one, Dispute::join),
            }
        }
        tables
    }

    fn payment_state(&self) -> Option<PaymentState> {
        let sessions: Vec<_> = self.sessions.values().cloned().collect();
        let named = |intent: &&Intent| {
            let by_session =
                sessions.iter().any(|session| session.intent == Some(intent.id.clone()));
            by_session || intent.invoice.is_some()
        };
        let intents: Vec<_> = self.intents.values().filter(named).cloned().collect();
        payment_state(&sessions, &intents)
    }
}

fn put<T: Clone>(
    known: &mut BTreeMap<String, T>,
    id: &str,
    update: &T,
    join: impl Fn(Option<T>, T) -> T,
) {
    let joined = join(known.get(id).cloned(), update.clone());
    known.insert(id.to_owned(), joined);
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        session().prop_map(Event::Session),
        intent().prop_map(Event::Intent),
        charge().prop_map(Event::Charge),
        dispute().prop_map(Event::Dispute),
    ]
}

proptest! {
    #[test]
    fn payment_ends_the_same_in_any_order((once, again) in in_two_orders(any_event())) {
        let (once, again) = (Tables::after(&once), Tables::after(&again));
        prop_assert_eq!(once.payment_state(), again.payment_state());
        prop_assert_eq!(once, again);
    }

    #[test]
    fn paid_stays_paid(before in prop::collection::vec(any_event(), 0..6), more in any_event()) {
        let stage =
            |events: &[Event]| Tables::after(events).payment_state().map(|state| state.stage);
        let was = stage(&before);
        let is = stage(&[before, vec![more]].concat());
        prop_assert!(was != Some(Stage::Paid) || is == Some(Stage::Paid));
    }

    #[test]
    fn subscription_ends_the_same_in_every_order((once, again) in in_two_orders(subscription())) {
        let ends = join_all(&once, Subscription::join);
        prop_assert_eq!(&ends, &join_all(&again, Subscription::join));
        let ended = |one: &Subscription| matches!(&*one.status, "canceled" | "incomplete_expired");
        prop_assert_eq!(once.iter().any(ended), ends.is_some_and(|one| ended(&one)));
    }

    #[test]
    fn dispute_ends_the_same_in_every_order((once, again) in in_two_orders(dispute())) {
        let one = |disputes: &[Dispute]| -> Vec<Dispute> {
            disputes.iter().filter(|dispute| dispute.id == "dp_a").cloned().collect()
        };
        let (once, again) = (one(&once), one(&again));
        let ends = join_all(&once, Dispute::join);
        prop_assert_eq!(&ends, &join_all(&again, Dispute::join));
        let closed = once.iter().any(|dispute| dispute.closed_at.is_some());
        prop_assert_eq!(closed, ends.is_some_and(|end| end.closed_at.is_some()));
    }

    #[test]
    fn invoice_ends_the_same_in_every_order((once, again) in in_two_orders(invoice())) {
        prop_assert_eq!(join_all(&once, Invoice::join), join_all(&again, Invoice::join));
    }
}

fn subscribed(update: SubscriptionEvent, status: &str, second: i64, event: &str) -> Subscription {
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
            rank: Subscription::rank(update, status),
            event: event.to_owned(),
        },
    }
}

#[test]
fn subscription_goes_back_only_between_seconds() {
    let active = subscribed(SubscriptionEvent::Created, "active", 1, "evt_1");
    let due = subscribed(SubscriptionEvent::Updated, "past_due", 2, "evt_2");
    let paid = subscribed(SubscriptionEvent::Updated, "active", 3, "evt_3");
    let late = [paid.clone(), due.clone(), active];
    assert_eq!(join_all(&late, Subscription::join), Some(paid));

    let first = subscribed(SubscriptionEvent::Created, "incomplete", 1, "evt_9");
    let then = subscribed(SubscriptionEvent::Updated, "active", 1, "evt_1");
    assert_eq!(join_all(&[then.clone(), first], Subscription::join), Some(then.clone()));

    let refused = subscribed(SubscriptionEvent::Updated, "past_due", 1, "evt_0");
    assert_eq!(join_all(&[refused.clone(), then], Subscription::join), Some(refused));

    let gone = subscribed(SubscriptionEvent::Deleted, "canceled", 1, "evt_1");
    assert_eq!(join_all(&[gone.clone(), due], Subscription::join), Some(gone));
}

#[test]
fn non_final_states_rank_below_final_ones() {
    for status in ["needs_response", "under_review", "a_new_word"] {
        assert!(Dispute::rank(status) < Dispute::rank("warning_closed"), "{status}");
        assert!(!Dispute::is_closed(status), "{status}");
    }
    assert!(Invoice::rank("open", i64::MAX) < Invoice::rank("paid", 0));
}

#[test]
fn intent_keeps_the_invoice_it_once_named() {
    let intent = |second, invoice: Option<&str>| Intent {
        id: "pi".to_owned(),
        invoice: invoice.map(str::to_owned),
        amount: 1,
        currency: "aud".to_owned(),
        reached: Reached { at: at(second), event: format!("evt_{second}") },
    };
    let events = [intent(2, Some("inv")), intent(1, None)];
    assert_eq!(join_all(&events, Intent::join), Some(intent(1, Some("inv"))));
}

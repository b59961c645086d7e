//! What is done about Stripe's events: invoices become paid, connected accounts are followed.
//!
//! Stripe promises no order and repeats itself, and any connected account can write any invoice's
//! id into its metadata. So every write here can come twice and in any order with the same end,
//! and the account of an event must own what the event changes: an invoice, a session or a payment
//! intent belongs to the account that named it first. Where all events of a source must come from
//! one account, the option `account` says so, and nothing depends on who is first.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;

use super::payload::{Account, Event, Intent, PaymentStatus, Session, Standing, invoice};
use super::tables::{self, AccountRow, Claim, ObjectKind, PaymentRow, Stamp};
use super::values::{Amount, Currency, Id};
use crate::dispatch::{Attempt, BoxError, Failure, Handler};
use crate::gate::{Quarantine, parse};
use crate::store::{DeathReason, EffectError, Effects, Outcome, StoredEvent, Tx, Write};

/// The types that change something.
pub(super) const KINDS: [&str; 5] =
    [CHECKOUT_COMPLETED, CHECKOUT_PAID_LATER, INTENT_SUCCEEDED, ACCOUNT_UPDATED, DEAUTHORIZED];

const CHECKOUT_COMPLETED: &str = "checkout.session.completed";
/// The same session again, once the money of a delayed method has come.
const CHECKOUT_PAID_LATER: &str = "checkout.session.async_payment_succeeded";
const INTENT_SUCCEEDED: &str = "payment_intent.succeeded";
const ACCOUNT_UPDATED: &str = "account.updated";
const DEAUTHORIZED: &str = "account.application.deauthorized";

/// The handler of one source.
pub(super) struct Stripe {
    pub(super) livemode: bool,
    pub(super) account: Option<String>,
}

#[async_trait]
impl Handler for Stripe {
    fn name(&self) -> &'static str {
        "stripe"
    }

    async fn handle(&self, event: &StoredEvent, _attempt: Attempt) -> Result<Effects, Failure> {
        let body: Event<'_> = read(parse(&event.body))?;
        // Before the type is looked at: a source that gets the other mode is wired wrongly, and
        // that should not come to light only with the first payment.
        if body.livemode.is_some_and(|livemode| livemode != self.livemode) {
            let detail = if self.livemode {
                "a test event at a source of live events"
            } else {
                "a live event at a source of test events"
            };
            return Err(Failure::permanent(DeathReason::LivemodeMismatch, detail));
        }
        // Thin events only point at an object; nothing here fetches it.
        if body.is_thin() || !KINDS.contains(&event.kind.as_str()) {
            return Ok(Effects::ignored());
        }
        let account = body.account.as_ref().map(Id::as_str);
        if self.account.is_some() && self.account.as_deref() != account {
            let detail = format!("the source takes no events of {}", owner(account));
            return Err(Failure::permanent(DeathReason::WrongAccount, detail));
        }
        effects(event, &body)
    }
}

fn effects(event: &StoredEvent, body: &Event<'_>) -> Result<Effects, Failure> {
    // Checked above where it is there; here it must be.
    let livemode = body.livemode.ok_or_else(|| missing("livemode"))?;
    let stamp = Stamp {
        source: event.source.clone(),
        livemode,
        event_created: body.created.ok_or_else(|| missing("created"))?.0,
        event_id: event.id.0,
    };
    let account = body.account.clone();
    let object = body.data.as_ref().and_then(|data| data.object);
    match event.kind.as_str() {
        ACCOUNT_UPDATED => {
            let described: Account = read_object(object)?;
            if account.is_some_and(|account| account != described.id) {
                let detail = "an account describes another account";
                return Err(Failure::permanent(DeathReason::WrongAccount, detail));
            }
            Ok(Effects::write(AccountChange { stamp, now: described.into() }))
        }
        DEAUTHORIZED => {
            // The object is the application; whose authorisation ended, the event says.
            let account = account.ok_or_else(|| missing("account"))?;
            Ok(Effects::write(AccountChange { stamp, now: AccountState::gone(account) }))
        }
        INTENT_SUCCEEDED => {
            let intent: Intent = read_object(object)?;
            Ok(Effects::write(Payment {
                stamp,
                account,
                invoice: invoice(intent.metadata).map_err(schema)?,
                session: None,
                intent: Some(intent.id),
                paid: true,
                amount: intent.amount_received,
                currency: intent.currency,
            }))
        }
        _ => {
            let session: Session = read_object(object)?;
            let Some(invoice) = invoice(session.metadata).map_err(schema)? else {
                return Ok(Effects::ignored());
            };
            Ok(Effects::write(Payment {
                stamp,
                account,
                invoice: Some(invoice),
                session: Some(session.id),
                intent: session.payment_intent,
                paid: session.payment_status == PaymentStatus::Paid,
                amount: session.amount_total,
                currency: session.currency,
            }))
        }
    }
}

fn read<T>(read: Result<T, (Quarantine, String)>) -> Result<T, Failure> {
    read.map_err(|(reason, detail)| Failure::permanent(DeathReason::Quarantined(reason), detail))
}

fn read_object<'de, T: Deserialize<'de>>(object: Option<&'de RawValue>) -> Result<T, Failure> {
    let object = object.ok_or_else(|| missing("data.object"))?;
    read(parse(object.get().as_bytes()))
}

fn missing(field: &str) -> Failure {
    schema(format!("missing field `{field}`"))
}

fn schema(error: impl Into<BoxError>) -> Failure {
    Failure::permanent(DeathReason::Quarantined(Quarantine::Schema), error)
}

fn owner(account: Option<&str>) -> &str {
    account.unwrap_or("the platform's own account")
}

/// What an event says about the payment of an invoice.
struct Payment {
    stamp: Stamp,
    account: Option<Id>,
    /// Unknown for a payment intent whose metadata does not name one: payment links put it on the
    /// session only.
    invoice: Option<Id>,
    session: Option<Id>,
    intent: Option<Id>,
    paid: bool,
    amount: Option<Amount>,
    currency: Option<Currency>,
}

#[async_trait]
impl Write for Payment {
    /// Locks session, intent and invoice in this order, whichever of them the event names: a
    /// session and its intent may be handled at the same time, and the second to come must see
    /// what the first has written.
    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Outcome, EffectError> {
        if let Some(session) = &self.session {
            self.claim(tx, ObjectKind::Session, session).await?;
        }
        let mut paid_at = self.paid.then_some(self.stamp.event_created);
        let mut remembered = false;
        if let Some(intent) = &self.intent {
            let claim = self.claim(tx, ObjectKind::Intent, intent).await?;
            paid_at = paid_at.or(claim.succeeded_at);
            if self.session.is_none() {
                remembered =
                    tables::remember_success(tx.connection(), &self.stamp, intent.as_str()).await?;
            }
        }
        let Some(invoice) = self.invoice(tx).await? else {
            // Its session may still come.
            return Ok(outcome(remembered));
        };
        self.claim(tx, ObjectKind::Invoice, &invoice).await?;
        let changed = self.record(tx, &invoice, paid_at).await?;
        Ok(outcome(changed || remembered))
    }
}

impl Payment {
    async fn claim(
        &self,
        tx: &mut Tx<'_>,
        kind: ObjectKind,
        id: &Id,
    ) -> Result<Claim, EffectError> {
        let account = self.account.as_ref().map(Id::as_str);
        let claim = tables::claim(tx.connection(), &self.stamp, kind, id.as_str(), account).await?;
        if claim.account.as_deref() == account {
            return Ok(claim);
        }
        Err(EffectError::Rejected {
            reason: DeathReason::WrongAccount,
            detail: format!(
                "{} {} belongs to {}, the event is of {}",
                kind.as_str(),
                id.as_str(),
                owner(claim.account.as_deref()),
                owner(account),
            ),
        })
    }

    /// The invoice that the event names, or else the one whose session named the intent.
    async fn invoice(&self, tx: &mut Tx<'_>) -> Result<Option<Id>, EffectError> {
        if self.invoice.is_some() {
            return Ok(self.invoice.clone());
        }
        let Some(intent) = &self.intent else { return Ok(None) };
        let known =
            tables::invoice_of_intent(tx.connection(), &self.stamp.source, intent.as_str()).await?;
        // What is stored was an id when it was written.
        Ok(known.and_then(|id| Id::try_from(id).ok()))
    }

    async fn record(
        &self,
        tx: &mut Tx<'_>,
        invoice: &Id,
        paid_at: Option<OffsetDateTime>,
    ) -> Result<bool, EffectError> {
        if paid_at.is_some() && (self.amount.is_none() || self.currency.is_none()) {
            return Err(EffectError::Rejected {
                reason: DeathReason::Quarantined(Quarantine::Schema),
                detail: "a payment without amount or currency".to_owned(),
            });
        }
        let row = PaymentRow {
            invoice: invoice.as_str(),
            account: self.account.as_ref().map(Id::as_str),
            session: self.session.as_ref().map(Id::as_str),
            intent: self.intent.as_ref().map(Id::as_str),
            paid_at,
            amount: self.amount.map(Amount::minor_units),
            currency: self.currency.as_ref().map(Currency::as_str),
        };
        let connection = tx.connection();
        Ok(tables::record_payment(connection, &self.stamp, &row).await?
            || tables::complete_payment(connection, &self.stamp, &row).await?)
    }
}

fn outcome(changed: bool) -> Outcome {
    if changed { Outcome::Handled } else { Outcome::Unchanged }
}

/// What an event says about a connected account.
struct AccountChange {
    stamp: Stamp,
    now: AccountState,
}

struct AccountState {
    account: Id,
    standing: Standing,
    details_submitted: bool,
    payouts_enabled: bool,
    charges_enabled: bool,
}

impl AccountState {
    fn gone(account: Id) -> Self {
        Self {
            account,
            standing: Standing::NotConnected,
            details_submitted: false,
            payouts_enabled: false,
            charges_enabled: false,
        }
    }
}

impl From<Account> for AccountState {
    fn from(account: Account) -> Self {
        Self {
            standing: account.standing(),
            details_submitted: account.details_submitted,
            payouts_enabled: account.payouts_enabled,
            charges_enabled: account.charges_enabled,
            account: account.id,
        }
    }
}

#[async_trait]
impl Write for AccountChange {
    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Outcome, EffectError> {
        let row = AccountRow {
            account: self.now.account.as_str(),
            status: self.now.standing.as_str(),
            details_submitted: self.now.details_submitted,
            payouts_enabled: self.now.payouts_enabled,
            charges_enabled: self.now.charges_enabled,
        };
        Ok(outcome(tables::record_account(tx.connection(), &self.stamp, &row).await?))
    }
}

-- Data from Stripe's events: owners, payments with their refunds and disputes,
-- subscriptions, Stripe's own invoices, connected accounts.
--
-- Stripe promises no order. A row therefore says which event it reflects (as_of, as_of_rank,
-- as_of_event: compared in this order, ends first), and an event that
-- is older changes nothing. Amounts are whole numbers of the currency's minor unit.

CREATE TABLE stripe_objects (
    source    text NOT NULL,
    kind      text NOT NULL CHECK (kind IN ('invoice', 'checkout_session', 'payment_intent', 'charge',
                                            'dispute', 'subscription', 'stripe_invoice')),
    object_id text NOT NULL,
    account   text,
    event_id  uuid NOT NULL,
    PRIMARY KEY (source, kind, object_id)
);

COMMENT ON TABLE  stripe_objects           IS 'Whose an object is: the account that named it first. Events of another account may not touch it.';
COMMENT ON COLUMN stripe_objects.source    IS 'The source of the events.';
COMMENT ON COLUMN stripe_objects.kind      IS 'What the id names. Part of the key, since ids of invoices are not Stripe''s and may look like anything; an invoice that Stripe made itself is a stripe_invoice.';
COMMENT ON COLUMN stripe_objects.object_id IS 'The id of the object.';
COMMENT ON COLUMN stripe_objects.account   IS 'The connected account that owns it; null for the platform''s own account.';
COMMENT ON COLUMN stripe_objects.event_id  IS 'The event that named it first.';

CREATE TABLE stripe_sessions (
    source            text        NOT NULL,
    session_id        text        NOT NULL,
    invoice_id        text        NOT NULL,
    payment_intent_id text,
    stage             text        NOT NULL CHECK (stage IN ('pending', 'failed', 'paid')),
    amount            bigint      CHECK (amount >= 0),
    currency          text        CHECK (currency ~ '^[a-z]{3}$'),
    begun_at          timestamptz NOT NULL,
    reached_at        timestamptz NOT NULL,
    reached_by        text        NOT NULL,
    PRIMARY KEY (source, session_id, invoice_id),
    CONSTRAINT a_paid_session_has_an_amount
        CHECK (stage <> 'paid' OR (amount IS NOT NULL AND currency IS NOT NULL))
);
CREATE INDEX stripe_sessions_by_invoice ON stripe_sessions (source, invoice_id);
CREATE INDEX stripe_sessions_by_intent ON stripe_sessions (source, payment_intent_id);

COMMENT ON TABLE  stripe_sessions                   IS 'Checkout sessions that name an invoice: what stripe_payments is worked out from.';
COMMENT ON COLUMN stripe_sessions.source            IS 'The source of the events.';
COMMENT ON COLUMN stripe_sessions.session_id        IS 'The session''s id.';
COMMENT ON COLUMN stripe_sessions.invoice_id        IS 'The id of the invoice, from metadata.invoice_id.';
COMMENT ON COLUMN stripe_sessions.payment_intent_id IS 'The payment intent, as far as it is known.';
COMMENT ON COLUMN stripe_sessions.stage             IS 'The furthest that it got: pending (complete, the money on its way), failed, paid.';
COMMENT ON COLUMN stripe_sessions.amount            IS 'The total, in minor units.';
COMMENT ON COLUMN stripe_sessions.currency          IS 'ISO 4217, lower-case.';
COMMENT ON COLUMN stripe_sessions.begun_at          IS 'When the session was created at Stripe.';
COMMENT ON COLUMN stripe_sessions.reached_at        IS 'When the first event that put it into this stage was created at Stripe.';
COMMENT ON COLUMN stripe_sessions.reached_by        IS 'Stripe''s id of that event.';

CREATE TABLE stripe_intents (
    source            text        NOT NULL,
    payment_intent_id text        NOT NULL,
    invoice_id        text,
    amount            bigint      NOT NULL CHECK (amount >= 0),
    currency          text        NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
    reached_at        timestamptz NOT NULL,
    reached_by        text        NOT NULL,
    PRIMARY KEY (source, payment_intent_id)
);
CREATE INDEX stripe_intents_by_invoice ON stripe_intents (source, invoice_id);

COMMENT ON TABLE  stripe_intents                   IS 'Payment intents that succeeded, whether or not an invoice is known: its checkout session may arrive later.';
COMMENT ON COLUMN stripe_intents.source            IS 'The source of the events.';
COMMENT ON COLUMN stripe_intents.payment_intent_id IS 'The payment intent''s id.';
COMMENT ON COLUMN stripe_intents.invoice_id        IS 'The invoice that its own metadata names; payment links put it on the session only.';
COMMENT ON COLUMN stripe_intents.amount            IS 'What was received, in minor units.';
COMMENT ON COLUMN stripe_intents.currency          IS 'ISO 4217, lower-case.';
COMMENT ON COLUMN stripe_intents.reached_at        IS 'When the first event that says so was created at Stripe.';
COMMENT ON COLUMN stripe_intents.reached_by        IS 'Stripe''s id of that event.';

CREATE TABLE stripe_charges (
    source            text        NOT NULL,
    charge_id         text        NOT NULL,
    account           text,
    payment_intent_id text,
    amount            bigint      NOT NULL CHECK (amount >= 0),
    amount_refunded   bigint      NOT NULL CHECK (amount_refunded BETWEEN 0 AND amount),
    currency          text        NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
    livemode          boolean     NOT NULL,
    as_of             timestamptz NOT NULL,
    as_of_rank        bigint      NOT NULL,
    as_of_event       text        NOT NULL,
    PRIMARY KEY (source, charge_id)
);
CREATE INDEX stripe_charges_by_intent ON stripe_charges (source, payment_intent_id);

COMMENT ON TABLE  stripe_charges                   IS 'Charges of which something was refunded, whether or not they pay an invoice.';
COMMENT ON COLUMN stripe_charges.source            IS 'The source of the events.';
COMMENT ON COLUMN stripe_charges.charge_id         IS 'The charge''s id.';
COMMENT ON COLUMN stripe_charges.account           IS 'The connected account that was paid; null for the platform''s own account.';
COMMENT ON COLUMN stripe_charges.payment_intent_id IS 'The payment intent that it belongs to.';
COMMENT ON COLUMN stripe_charges.amount            IS 'What was charged, in minor units.';
COMMENT ON COLUMN stripe_charges.amount_refunded   IS 'What was given back of it in all, in minor units; equal to amount for a full refund.';
COMMENT ON COLUMN stripe_charges.currency          IS 'ISO 4217, lower-case.';
COMMENT ON COLUMN stripe_charges.livemode          IS 'Whether it is real money.';
COMMENT ON COLUMN stripe_charges.as_of             IS 'When the event that the row reflects was created at Stripe.';
COMMENT ON COLUMN stripe_charges.as_of_rank        IS 'Of two events of one second the larger counts: here the larger total.';
COMMENT ON COLUMN stripe_charges.as_of_event       IS 'Stripe''s id of that event; what decides last.';

CREATE TABLE stripe_disputes (
    source            text        NOT NULL,
    dispute_id        text        NOT NULL,
    account           text,
    charge_id         text        NOT NULL,
    payment_intent_id text,
    status            text        NOT NULL CHECK (status ~ '^[a-z0-9_]{1,60}$'),
    reason            text        CHECK (reason ~ '^[a-z0-9_]{1,60}$'),
    amount            bigint      NOT NULL CHECK (amount >= 0),
    currency          text        NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
    opened_at         timestamptz NOT NULL,
    evidence_due_by   timestamptz,
    closed_at         timestamptz,
    livemode          boolean     NOT NULL,
    as_of             timestamptz NOT NULL,
    as_of_rank        bigint      NOT NULL,
    as_of_event       text        NOT NULL,
    PRIMARY KEY (source, dispute_id)
);
CREATE INDEX stripe_disputes_by_intent ON stripe_disputes (source, payment_intent_id);

COMMENT ON TABLE  stripe_disputes                   IS 'Disputes of charges. A closed one stays closed.';
COMMENT ON COLUMN stripe_disputes.source            IS 'The source of the events.';
COMMENT ON COLUMN stripe_disputes.dispute_id        IS 'The dispute''s id.';
COMMENT ON COLUMN stripe_disputes.account           IS 'The connected account that was paid; null for the platform''s own account.';
COMMENT ON COLUMN stripe_disputes.charge_id         IS 'The charge that is disputed.';
COMMENT ON COLUMN stripe_disputes.payment_intent_id IS 'The payment intent that the charge belongs to.';
COMMENT ON COLUMN stripe_disputes.status            IS 'As Stripe says it: needs_response, under_review, won, lost; of an inquiry warning_needs_response, warning_under_review, warning_closed; prevented. Stripe may add others.';
COMMENT ON COLUMN stripe_disputes.reason            IS 'Why, as the bank says: fraudulent, product_not_received and others.';
COMMENT ON COLUMN stripe_disputes.amount            IS 'What is disputed, in minor units; may be less than the charge.';
COMMENT ON COLUMN stripe_disputes.currency          IS 'ISO 4217, lower-case.';
COMMENT ON COLUMN stripe_disputes.opened_at         IS 'When it was opened.';
COMMENT ON COLUMN stripe_disputes.evidence_due_by   IS 'Until when the bank takes evidence, where it does.';
COMMENT ON COLUMN stripe_disputes.closed_at         IS 'When it was closed.';
COMMENT ON COLUMN stripe_disputes.livemode          IS 'Whether it is real money.';
COMMENT ON COLUMN stripe_disputes.as_of             IS 'When the event that the row reflects was created at Stripe.';
COMMENT ON COLUMN stripe_disputes.as_of_rank        IS 'Of two events of one second the larger counts: here the later in a dispute''s life.';
COMMENT ON COLUMN stripe_disputes.as_of_event       IS 'Stripe''s id of that event; what decides last.';

CREATE TABLE stripe_payments (
    source            text     NOT NULL,
    invoice_id        text     NOT NULL,
    account           text,
    status            text     NOT NULL CHECK (status IN ('pending', 'failed', 'paid')),
    session_id        text,
    payment_intent_id text,
    amount            bigint   CHECK (amount >= 0),
    currency          text     CHECK (currency ~ '^[a-z]{3}$'),
    decimals          smallint CHECK (decimals BETWEEN 0 AND 3),
    amount_refunded   bigint   NOT NULL CHECK (amount_refunded >= 0),
    dispute_id        text,
    dispute_status    text,
    livemode          boolean  NOT NULL,
    paid_at           timestamptz,
    event_id          uuid     NOT NULL,
    PRIMARY KEY (source, invoice_id),
    CONSTRAINT paid_iff_it_has_a_time
        CHECK ((status = 'paid') = (paid_at IS NOT NULL)),
    CONSTRAINT what_is_paid_has_an_amount
        CHECK (status <> 'paid' OR (amount IS NOT NULL AND currency IS NOT NULL)),
    CONSTRAINT a_currency_has_decimals
        CHECK ((currency IS NULL) = (decimals IS NULL)),
    CONSTRAINT a_dispute_has_a_status
        CHECK ((dispute_id IS NULL) = (dispute_status IS NULL))
);

COMMENT ON TABLE  stripe_payments                   IS 'One row per invoice that Stripe''s events name, worked out afresh from stripe_sessions, stripe_intents, stripe_charges and stripe_disputes after each event. Paid is final.';
COMMENT ON COLUMN stripe_payments.source            IS 'The source of the events.';
COMMENT ON COLUMN stripe_payments.invoice_id        IS 'The id of the invoice, from metadata.invoice_id.';
COMMENT ON COLUMN stripe_payments.account           IS 'The connected account that is paid; null for the platform''s own account.';
COMMENT ON COLUMN stripe_payments.status            IS 'pending: checkout is complete but the money is still on its way; failed: it did not come; paid: the money was received.';
COMMENT ON COLUMN stripe_payments.session_id        IS 'The checkout session, as far as it is known: the first that paid, otherwise the newest.';
COMMENT ON COLUMN stripe_payments.payment_intent_id IS 'The payment intent, as far as it is known.';
COMMENT ON COLUMN stripe_payments.amount            IS 'In the currency''s minor unit, such as cents: what was received, otherwise the session''s total.';
COMMENT ON COLUMN stripe_payments.currency          IS 'ISO 4217, lower-case.';
COMMENT ON COLUMN stripe_payments.decimals          IS 'How many digits of the amounts stand behind the point, as Stripe counts them: 2 for aud, 0 for jpy, 3 for kwd.';
COMMENT ON COLUMN stripe_payments.amount_refunded   IS 'What was given back in all, in minor units; equal to amount for a full refund.';
COMMENT ON COLUMN stripe_payments.dispute_id        IS 'The dispute of this payment; of several the one opened last.';
COMMENT ON COLUMN stripe_payments.dispute_status    IS 'How that dispute stands.';
COMMENT ON COLUMN stripe_payments.livemode          IS 'Whether it is real money.';
COMMENT ON COLUMN stripe_payments.paid_at           IS 'For paid: when the first event that says so was created at Stripe.';
COMMENT ON COLUMN stripe_payments.event_id          IS 'The event that last changed the row.';

CREATE TABLE stripe_subscriptions (
    source               text        NOT NULL,
    subscription_id      text        NOT NULL,
    account              text,
    customer_id          text        NOT NULL,
    status               text        NOT NULL CHECK (status ~ '^[a-z0-9_]{1,60}$'),
    current_period_end   timestamptz,
    cancel_at_period_end boolean     NOT NULL,
    cancel_at            timestamptz,
    canceled_at          timestamptz,
    ended_at             timestamptz,
    livemode             boolean     NOT NULL,
    as_of                timestamptz NOT NULL,
    as_of_rank           bigint      NOT NULL,
    as_of_event          text        NOT NULL,
    PRIMARY KEY (source, subscription_id)
);
CREATE INDEX stripe_subscriptions_by_customer ON stripe_subscriptions (source, customer_id);

COMMENT ON TABLE  stripe_subscriptions                      IS 'Subscriptions, as the newest event describes them. A canceled one stays canceled.';
COMMENT ON COLUMN stripe_subscriptions.source               IS 'The source of the events.';
COMMENT ON COLUMN stripe_subscriptions.subscription_id      IS 'The subscription''s id.';
COMMENT ON COLUMN stripe_subscriptions.account              IS 'The connected account whose customer subscribed; null for the platform''s own account.';
COMMENT ON COLUMN stripe_subscriptions.customer_id          IS 'Who subscribed.';
COMMENT ON COLUMN stripe_subscriptions.status               IS 'As Stripe says it: incomplete, trialing, active, past_due, unpaid, paused; canceled and incomplete_expired are ends. Stripe may add others.';
COMMENT ON COLUMN stripe_subscriptions.current_period_end   IS 'Until when it is billed: the earliest end among its items where they differ.';
COMMENT ON COLUMN stripe_subscriptions.cancel_at_period_end IS 'Whether it was told to end with the period.';
COMMENT ON COLUMN stripe_subscriptions.cancel_at            IS 'When it is going to end, if it was told to, at the period''s end or another time.';
COMMENT ON COLUMN stripe_subscriptions.canceled_at          IS 'When it was told to end.';
COMMENT ON COLUMN stripe_subscriptions.ended_at             IS 'When it ended.';
COMMENT ON COLUMN stripe_subscriptions.livemode             IS 'Whether it is real money.';
COMMENT ON COLUMN stripe_subscriptions.as_of                IS 'When the event that the row reflects was created at Stripe.';
COMMENT ON COLUMN stripe_subscriptions.as_of_rank           IS 'Of two events of one second the larger counts: created before updated before deleted, then the later status in a subscription''s life.';
COMMENT ON COLUMN stripe_subscriptions.as_of_event          IS 'Stripe''s id of that event; what decides last.';

CREATE TABLE stripe_subscription_items (
    source          text   NOT NULL,
    subscription_id text   NOT NULL,
    item_id         text   NOT NULL,
    price_id        text   NOT NULL,
    product_id      text,
    quantity        bigint CHECK (quantity >= 0),
    PRIMARY KEY (source, subscription_id, item_id),
    FOREIGN KEY (source, subscription_id) REFERENCES stripe_subscriptions
);

COMMENT ON TABLE  stripe_subscription_items                 IS 'What a subscription consists of now.';
COMMENT ON COLUMN stripe_subscription_items.source          IS 'The source of the events.';
COMMENT ON COLUMN stripe_subscription_items.subscription_id IS 'The subscription.';
COMMENT ON COLUMN stripe_subscription_items.item_id         IS 'The item''s id.';
COMMENT ON COLUMN stripe_subscription_items.price_id        IS 'The price''s id, or an old plan''s.';
COMMENT ON COLUMN stripe_subscription_items.product_id      IS 'The product that the price is of.';
COMMENT ON COLUMN stripe_subscription_items.quantity        IS 'How many; null where use is metered.';

CREATE TABLE stripe_subscribers (
    source          text        NOT NULL,
    subscription_id text        NOT NULL,
    reference       text        NOT NULL,
    account         text,
    customer_id     text,
    session_id      text        NOT NULL,
    reached_at      timestamptz NOT NULL,
    PRIMARY KEY (source, subscription_id)
);
CREATE INDEX stripe_subscribers_by_reference ON stripe_subscribers (source, reference);

COMMENT ON TABLE  stripe_subscribers                 IS 'For whom a subscription is, in the application''s words: what the checkout session that began it names. It may arrive before the subscription or after it.';
COMMENT ON COLUMN stripe_subscribers.source          IS 'The source of the events.';
COMMENT ON COLUMN stripe_subscribers.subscription_id IS 'The subscription.';
COMMENT ON COLUMN stripe_subscribers.reference       IS 'The session''s metadata.agency_id, or else its client_reference_id.';
COMMENT ON COLUMN stripe_subscribers.account         IS 'The connected account whose customer subscribed; null for the platform''s own account.';
COMMENT ON COLUMN stripe_subscribers.customer_id     IS 'Who subscribed, in Stripe''s words.';
COMMENT ON COLUMN stripe_subscribers.session_id      IS 'The checkout session.';
COMMENT ON COLUMN stripe_subscribers.reached_at      IS 'When the event that says so was created at Stripe; of several the first counts.';

CREATE TABLE stripe_invoices (
    source            text        NOT NULL,
    invoice_id        text        NOT NULL,
    account           text,
    customer_id       text,
    subscription_id   text,
    status            text        NOT NULL CHECK (status ~ '^[a-z0-9_]{1,60}$'),
    amount_due        bigint      NOT NULL CHECK (amount_due >= 0),
    amount_paid       bigint      NOT NULL CHECK (amount_paid >= 0),
    currency          text        NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
    decimals          smallint    NOT NULL CHECK (decimals BETWEEN 0 AND 3),
    billing_reason    text        CHECK (billing_reason ~ '^[a-z0-9_]{1,60}$'),
    attempt_count     bigint      NOT NULL CHECK (attempt_count >= 0),
    next_attempt_at   timestamptz,
    last_failed_at    timestamptz,
    paid_at           timestamptz,
    livemode          boolean     NOT NULL,
    as_of             timestamptz NOT NULL,
    as_of_rank        bigint      NOT NULL,
    as_of_event       text        NOT NULL,
    PRIMARY KEY (source, invoice_id),
    CONSTRAINT paid_iff_it_has_a_time
        CHECK ((status = 'paid') = (paid_at IS NOT NULL))
);
CREATE INDEX stripe_invoices_by_subscription ON stripe_invoices (source, subscription_id);

COMMENT ON TABLE  stripe_invoices                 IS 'The invoices that Stripe makes itself, for subscriptions and others. A paid one stays paid.';
COMMENT ON COLUMN stripe_invoices.source          IS 'The source of the events.';
COMMENT ON COLUMN stripe_invoices.invoice_id      IS 'Stripe''s id of the invoice, in_….';
COMMENT ON COLUMN stripe_invoices.account         IS 'The connected account that bills; null for the platform''s own account.';
COMMENT ON COLUMN stripe_invoices.customer_id     IS 'Who is billed.';
COMMENT ON COLUMN stripe_invoices.subscription_id IS 'The subscription that it is for, if it is for one.';
COMMENT ON COLUMN stripe_invoices.status          IS 'As Stripe says it: draft, open, uncollectible; paid and void are ends.';
COMMENT ON COLUMN stripe_invoices.amount_due      IS 'What is to be paid, in minor units.';
COMMENT ON COLUMN stripe_invoices.amount_paid     IS 'What was paid, in minor units.';
COMMENT ON COLUMN stripe_invoices.currency        IS 'ISO 4217, lower-case.';
COMMENT ON COLUMN stripe_invoices.decimals        IS 'How many digits of the amounts stand behind the point, as Stripe counts them.';
COMMENT ON COLUMN stripe_invoices.billing_reason  IS 'Why it was made, as Stripe says it: subscription_create, subscription_cycle, manual and others.';
COMMENT ON COLUMN stripe_invoices.attempt_count   IS 'How often payment was tried.';
COMMENT ON COLUMN stripe_invoices.next_attempt_at IS 'When Stripe tries again, if it does.';
COMMENT ON COLUMN stripe_invoices.last_failed_at  IS 'When the last failed payment that is known was reported.';
COMMENT ON COLUMN stripe_invoices.paid_at         IS 'For paid: when it was.';
COMMENT ON COLUMN stripe_invoices.livemode        IS 'Whether it is real money.';
COMMENT ON COLUMN stripe_invoices.as_of           IS 'When the event that the row reflects was created at Stripe.';
COMMENT ON COLUMN stripe_invoices.as_of_rank      IS 'Of two events of one second the larger counts: the later status in an invoice''s life, then the more attempts.';
COMMENT ON COLUMN stripe_invoices.as_of_event     IS 'Stripe''s id of that event; what decides last.';

CREATE TABLE stripe_thin_events (
    source          text        NOT NULL,
    event_id        uuid        NOT NULL,
    stripe_event_id text        NOT NULL,
    kind            text        NOT NULL,
    context         text,
    status          text        NOT NULL CHECK (status IN ('kept', 'fetched')),
    event           text,
    object          text,
    fetched_at      timestamptz,
    PRIMARY KEY (source, event_id),
    CONSTRAINT fetched_iff_it_is_there
        CHECK ((status = 'fetched') = (event IS NOT NULL) AND (status = 'fetched') = (fetched_at IS NOT NULL)),
    CONSTRAINT an_object_comes_with_its_event
        CHECK (object IS NULL OR status = 'fetched')
);

COMMENT ON TABLE  stripe_thin_events                 IS 'Events that only point at what happened, and what Stripe answered when it was asked.';
COMMENT ON COLUMN stripe_thin_events.source          IS 'The source of the events.';
COMMENT ON COLUMN stripe_thin_events.event_id        IS 'The event, as it arrived.';
COMMENT ON COLUMN stripe_thin_events.stripe_event_id IS 'Stripe''s id of the event.';
COMMENT ON COLUMN stripe_thin_events.kind            IS 'Its type.';
COMMENT ON COLUMN stripe_thin_events.context         IS 'The account in whose name it happened; null for the platform''s own account.';
COMMENT ON COLUMN stripe_thin_events.status          IS 'kept: nothing was fetched, because the source has no API key; fetched: Stripe was asked.';
COMMENT ON COLUMN stripe_thin_events.event           IS 'The whole event, as Stripe answered it: JSON.';
COMMENT ON COLUMN stripe_thin_events.object          IS 'The object that it is about, as Stripe answered it: JSON. Only for types that something is done about.';
COMMENT ON COLUMN stripe_thin_events.fetched_at      IS 'When Stripe was asked.';

CREATE TABLE stripe_accounts (
    source            text        NOT NULL,
    account           text        NOT NULL,
    status            text        NOT NULL CHECK (status IN ('not_connected', 'active', 'restricted', 'disabled')),
    details_submitted boolean     NOT NULL,
    payouts_enabled   boolean     NOT NULL,
    charges_enabled   boolean     NOT NULL,
    livemode          boolean     NOT NULL,
    as_of             timestamptz NOT NULL,
    as_of_rank        bigint      NOT NULL,
    as_of_event       text        NOT NULL,
    PRIMARY KEY (source, account)
);

COMMENT ON TABLE  stripe_accounts                   IS 'Connected accounts, as the newest event describes them.';
COMMENT ON COLUMN stripe_accounts.source            IS 'The source of the events.';
COMMENT ON COLUMN stripe_accounts.account           IS 'The account''s id.';
COMMENT ON COLUMN stripe_accounts.status            IS 'not_connected: took its authorisation back; disabled: Stripe names a reason; restricted: something is due now; active: none of these.';
COMMENT ON COLUMN stripe_accounts.details_submitted IS 'Whether onboarding was completed.';
COMMENT ON COLUMN stripe_accounts.payouts_enabled   IS 'Whether Stripe pays out to it.';
COMMENT ON COLUMN stripe_accounts.charges_enabled   IS 'Whether it can take payments.';
COMMENT ON COLUMN stripe_accounts.livemode          IS 'Whether it is real money.';
COMMENT ON COLUMN stripe_accounts.as_of             IS 'When the event that the row reflects was created at Stripe.';
COMMENT ON COLUMN stripe_accounts.as_of_rank        IS 'Of two events of one second the larger counts: here the end of the authorisation.';
COMMENT ON COLUMN stripe_accounts.as_of_event       IS 'Stripe''s id of that event; what decides last.';

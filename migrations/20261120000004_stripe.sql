-- Data from Stripe's events: owners, payments with their refunds and disputes,
-- subscriptions, Stripe's own invoices, connected accounts.
--
-- Stripe guarantees no order. A row therefore records which event it reflects (as_of, as_of_rank,
-- as_of_event: compared in this order, after final states), and an older event changes nothing.
-- Amounts are whole numbers of the currency's minor unit.

CREATE TABLE stripe_objects (
    source    text NOT NULL,
    kind      text NOT NULL CHECK (kind IN ('invoice', 'checkout_session', 'payment_intent', 'charge',
                                            'dispute', 'subscription', 'stripe_invoice')),
    object_id text NOT NULL,
    account   text,
    event_id  uuid NOT NULL,
    PRIMARY KEY (source, kind, object_id)
);

COMMENT ON TABLE  stripe_objects           IS 'The owner of each object: the account that named it first. Events of other accounts may not change it.';
COMMENT ON COLUMN stripe_objects.source    IS 'The source of the events.';
COMMENT ON COLUMN stripe_objects.kind      IS 'The kind of object. Part of the key, since invoice ids are set by the application and may look like anything; an invoice created by Stripe is a stripe_invoice.';
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

COMMENT ON TABLE  stripe_sessions                   IS 'Checkout sessions that name an invoice: inputs of stripe_payments.';
COMMENT ON COLUMN stripe_sessions.source            IS 'The source of the events.';
COMMENT ON COLUMN stripe_sessions.session_id        IS 'The session.';
COMMENT ON COLUMN stripe_sessions.invoice_id        IS 'The invoice, from metadata.invoice_id.';
COMMENT ON COLUMN stripe_sessions.payment_intent_id IS 'The payment intent, if known.';
COMMENT ON COLUMN stripe_sessions.stage             IS 'The furthest stage: pending (complete, money in transit), failed or paid.';
COMMENT ON COLUMN stripe_sessions.amount            IS 'The total, in minor units.';
COMMENT ON COLUMN stripe_sessions.currency          IS 'ISO 4217, lower-case.';
COMMENT ON COLUMN stripe_sessions.begun_at          IS 'When the session was created at Stripe.';
COMMENT ON COLUMN stripe_sessions.reached_at        IS 'When the first event with this stage was created at Stripe.';
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

COMMENT ON TABLE  stripe_intents                   IS 'Payment intents that succeeded, even if no invoice is known yet: the checkout session may arrive later.';
COMMENT ON COLUMN stripe_intents.source            IS 'The source of the events.';
COMMENT ON COLUMN stripe_intents.payment_intent_id IS 'The payment intent.';
COMMENT ON COLUMN stripe_intents.invoice_id        IS 'The invoice in the intent''s own metadata; payment links set it on the session only.';
COMMENT ON COLUMN stripe_intents.amount            IS 'The received amount, in minor units.';
COMMENT ON COLUMN stripe_intents.currency          IS 'ISO 4217, lower-case.';
COMMENT ON COLUMN stripe_intents.reached_at        IS 'When the first event of the success was created at Stripe.';
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

COMMENT ON TABLE  stripe_charges                   IS 'Charges with a refund, even if they pay no invoice.';
COMMENT ON COLUMN stripe_charges.source            IS 'The source of the events.';
COMMENT ON COLUMN stripe_charges.charge_id         IS 'The charge.';
COMMENT ON COLUMN stripe_charges.account           IS 'The connected account that was paid; null for the platform''s own account.';
COMMENT ON COLUMN stripe_charges.payment_intent_id IS 'The payment intent of the charge.';
COMMENT ON COLUMN stripe_charges.amount            IS 'The charged amount, in minor units.';
COMMENT ON COLUMN stripe_charges.amount_refunded   IS 'The total refunded, in minor units; equal to amount for a full refund.';
COMMENT ON COLUMN stripe_charges.currency          IS 'ISO 4217, lower-case.';
COMMENT ON COLUMN stripe_charges.livemode          IS 'Whether it is real money.';
COMMENT ON COLUMN stripe_charges.as_of             IS 'When the event that the row reflects was created at Stripe.';
COMMENT ON COLUMN stripe_charges.as_of_rank        IS 'Orders events of the same second: the larger total is newer.';
COMMENT ON COLUMN stripe_charges.as_of_event       IS 'Stripe''s id of that event; the final tie-breaker.';

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
COMMENT ON COLUMN stripe_disputes.dispute_id        IS 'The dispute.';
COMMENT ON COLUMN stripe_disputes.account           IS 'The connected account that was paid; null for the platform''s own account.';
COMMENT ON COLUMN stripe_disputes.charge_id         IS 'The disputed charge.';
COMMENT ON COLUMN stripe_disputes.payment_intent_id IS 'The payment intent of the charge.';
COMMENT ON COLUMN stripe_disputes.status            IS 'Stripe''s status: needs_response, under_review, won, lost; for an inquiry warning_needs_response, warning_under_review, warning_closed; prevented. Stripe may add others.';
COMMENT ON COLUMN stripe_disputes.reason            IS 'The bank''s reason: fraudulent, product_not_received and others.';
COMMENT ON COLUMN stripe_disputes.amount            IS 'The disputed amount, in minor units; may be less than the charge.';
COMMENT ON COLUMN stripe_disputes.currency          IS 'ISO 4217, lower-case.';
COMMENT ON COLUMN stripe_disputes.opened_at         IS 'When it was opened.';
COMMENT ON COLUMN stripe_disputes.evidence_due_by   IS 'The deadline for evidence, if the bank accepts any.';
COMMENT ON COLUMN stripe_disputes.closed_at         IS 'When it was closed.';
COMMENT ON COLUMN stripe_disputes.livemode          IS 'Whether it is real money.';
COMMENT ON COLUMN stripe_disputes.as_of             IS 'When the event that the row reflects was created at Stripe.';
COMMENT ON COLUMN stripe_disputes.as_of_rank        IS 'Orders events of the same second: the later status in the lifecycle is newer.';
COMMENT ON COLUMN stripe_disputes.as_of_event       IS 'Stripe''s id of that event; the final tie-breaker.';

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

COMMENT ON TABLE  stripe_payments                   IS 'One row per invoice named by Stripe''s events, recomputed from stripe_sessions, stripe_intents, stripe_charges and stripe_disputes after each event. Paid is final.';
COMMENT ON COLUMN stripe_payments.source            IS 'The source of the events.';
COMMENT ON COLUMN stripe_payments.invoice_id        IS 'The invoice, from metadata.invoice_id.';
COMMENT ON COLUMN stripe_payments.account           IS 'The connected account that is paid; null for the platform''s own account.';
COMMENT ON COLUMN stripe_payments.status            IS 'pending: checkout is complete but the money is in transit; failed: the payment failed; paid: the money was received.';
COMMENT ON COLUMN stripe_payments.session_id        IS 'The checkout session, if known: the first paid one, otherwise the newest.';
COMMENT ON COLUMN stripe_payments.payment_intent_id IS 'The payment intent, if known.';
COMMENT ON COLUMN stripe_payments.amount            IS 'In the currency''s minor unit, such as cents: the received amount, otherwise the session''s total.';
COMMENT ON COLUMN stripe_payments.currency          IS 'ISO 4217, lower-case.';
COMMENT ON COLUMN stripe_payments.decimals          IS 'The number of decimals of the amounts, as Stripe counts them: 2 for aud, 0 for jpy, 3 for kwd.';
COMMENT ON COLUMN stripe_payments.amount_refunded   IS 'The total refunded, in minor units; equal to amount for a full refund.';
COMMENT ON COLUMN stripe_payments.dispute_id        IS 'The dispute of this payment; of several the one opened last.';
COMMENT ON COLUMN stripe_payments.dispute_status    IS 'The status of that dispute.';
COMMENT ON COLUMN stripe_payments.livemode          IS 'Whether it is real money.';
COMMENT ON COLUMN stripe_payments.paid_at           IS 'For paid: when the first event of the payment was created at Stripe.';
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

COMMENT ON TABLE  stripe_subscriptions                      IS 'Subscriptions, as described by the newest event. A canceled one stays canceled.';
COMMENT ON COLUMN stripe_subscriptions.source               IS 'The source of the events.';
COMMENT ON COLUMN stripe_subscriptions.subscription_id      IS 'The subscription.';
COMMENT ON COLUMN stripe_subscriptions.account              IS 'The connected account whose customer subscribed; null for the platform''s own account.';
COMMENT ON COLUMN stripe_subscriptions.customer_id          IS 'The subscriber.';
COMMENT ON COLUMN stripe_subscriptions.status               IS 'Stripe''s status: incomplete, trialing, active, past_due, unpaid, paused; canceled and incomplete_expired are final. Stripe may add others.';
COMMENT ON COLUMN stripe_subscriptions.current_period_end   IS 'The end of the billed period; the earliest among the items if they differ.';
COMMENT ON COLUMN stripe_subscriptions.cancel_at_period_end IS 'Whether it ends with the period.';
COMMENT ON COLUMN stripe_subscriptions.cancel_at            IS 'When it will end, if cancelled: at the end of the period or another time.';
COMMENT ON COLUMN stripe_subscriptions.canceled_at          IS 'When it was cancelled.';
COMMENT ON COLUMN stripe_subscriptions.ended_at             IS 'When it ended.';
COMMENT ON COLUMN stripe_subscriptions.livemode             IS 'Whether it is real money.';
COMMENT ON COLUMN stripe_subscriptions.as_of                IS 'When the event that the row reflects was created at Stripe.';
COMMENT ON COLUMN stripe_subscriptions.as_of_rank           IS 'Orders events of the same second: created, updated, deleted; then the later status in the lifecycle is newer.';
COMMENT ON COLUMN stripe_subscriptions.as_of_event          IS 'Stripe''s id of that event; the final tie-breaker.';

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

COMMENT ON TABLE  stripe_subscription_items                 IS 'The current items of a subscription.';
COMMENT ON COLUMN stripe_subscription_items.source          IS 'The source of the events.';
COMMENT ON COLUMN stripe_subscription_items.subscription_id IS 'The subscription.';
COMMENT ON COLUMN stripe_subscription_items.item_id         IS 'The item.';
COMMENT ON COLUMN stripe_subscription_items.price_id        IS 'The price, or a former plan.';
COMMENT ON COLUMN stripe_subscription_items.product_id      IS 'The product of the price.';
COMMENT ON COLUMN stripe_subscription_items.quantity        IS 'The quantity; null for metered use.';

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

COMMENT ON TABLE  stripe_subscribers                 IS 'Who a subscription is for, in the application''s terms, from the checkout session that started it. It may arrive before or after the subscription.';
COMMENT ON COLUMN stripe_subscribers.source          IS 'The source of the events.';
COMMENT ON COLUMN stripe_subscribers.subscription_id IS 'The subscription.';
COMMENT ON COLUMN stripe_subscribers.reference       IS 'The session''s metadata.agency_id, otherwise its client_reference_id.';
COMMENT ON COLUMN stripe_subscribers.account         IS 'The connected account whose customer subscribed; null for the platform''s own account.';
COMMENT ON COLUMN stripe_subscribers.customer_id     IS 'The Stripe customer.';
COMMENT ON COLUMN stripe_subscribers.session_id      IS 'The checkout session.';
COMMENT ON COLUMN stripe_subscribers.reached_at      IS 'When the first event that says so was created at Stripe.';

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

COMMENT ON TABLE  stripe_invoices                 IS 'The invoices created by Stripe, for subscriptions and others. A paid one stays paid.';
COMMENT ON COLUMN stripe_invoices.source          IS 'The source of the events.';
COMMENT ON COLUMN stripe_invoices.invoice_id      IS 'Stripe''s id of the invoice, in_….';
COMMENT ON COLUMN stripe_invoices.account         IS 'The billing connected account; null for the platform''s own account.';
COMMENT ON COLUMN stripe_invoices.customer_id     IS 'The billed customer.';
COMMENT ON COLUMN stripe_invoices.subscription_id IS 'The billed subscription, if any.';
COMMENT ON COLUMN stripe_invoices.status          IS 'Stripe''s status: draft, open, uncollectible; paid and void are final.';
COMMENT ON COLUMN stripe_invoices.amount_due      IS 'The amount to be paid, in minor units.';
COMMENT ON COLUMN stripe_invoices.amount_paid     IS 'The paid amount, in minor units.';
COMMENT ON COLUMN stripe_invoices.currency        IS 'ISO 4217, lower-case.';
COMMENT ON COLUMN stripe_invoices.decimals        IS 'The number of decimals of the amounts, as Stripe counts them.';
COMMENT ON COLUMN stripe_invoices.billing_reason  IS 'Stripe''s reason for the invoice: subscription_create, subscription_cycle, manual and others.';
COMMENT ON COLUMN stripe_invoices.attempt_count   IS 'The number of payment attempts.';
COMMENT ON COLUMN stripe_invoices.next_attempt_at IS 'When Stripe retries, if it does.';
COMMENT ON COLUMN stripe_invoices.last_failed_at  IS 'When the last known failed payment was reported.';
COMMENT ON COLUMN stripe_invoices.paid_at         IS 'For paid: the time of the payment.';
COMMENT ON COLUMN stripe_invoices.livemode        IS 'Whether it is real money.';
COMMENT ON COLUMN stripe_invoices.as_of           IS 'When the event that the row reflects was created at Stripe.';
COMMENT ON COLUMN stripe_invoices.as_of_rank      IS 'Orders events of the same second: the later status in the lifecycle, then more attempts, is newer.';
COMMENT ON COLUMN stripe_invoices.as_of_event     IS 'Stripe''s id of that event; the final tie-breaker.';

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

COMMENT ON TABLE  stripe_thin_events                 IS 'Events that only refer to what happened, with the responses of Stripe''s API.';
COMMENT ON COLUMN stripe_thin_events.source          IS 'The source of the events.';
COMMENT ON COLUMN stripe_thin_events.event_id        IS 'The received event.';
COMMENT ON COLUMN stripe_thin_events.stripe_event_id IS 'Stripe''s id of the event.';
COMMENT ON COLUMN stripe_thin_events.kind            IS 'The event type.';
COMMENT ON COLUMN stripe_thin_events.context         IS 'The account for which it happened; null for the platform''s own account.';
COMMENT ON COLUMN stripe_thin_events.status          IS 'kept: not fetched, because the source has no API key; fetched: fetched from Stripe.';
COMMENT ON COLUMN stripe_thin_events.event           IS 'The whole event from Stripe''s API, as JSON.';
COMMENT ON COLUMN stripe_thin_events.object          IS 'The object of the event from Stripe''s API, as JSON. Only for handled types.';
COMMENT ON COLUMN stripe_thin_events.fetched_at      IS 'When it was fetched.';

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

COMMENT ON TABLE  stripe_accounts                   IS 'Connected accounts, as described by the newest event.';
COMMENT ON COLUMN stripe_accounts.source            IS 'The source of the events.';
COMMENT ON COLUMN stripe_accounts.account           IS 'The account.';
COMMENT ON COLUMN stripe_accounts.status            IS 'not_connected: deauthorised; disabled: Stripe names a reason; restricted: requirements are due; active: none of these.';
COMMENT ON COLUMN stripe_accounts.details_submitted IS 'Whether onboarding is complete.';
COMMENT ON COLUMN stripe_accounts.payouts_enabled   IS 'Whether Stripe makes payouts to it.';
COMMENT ON COLUMN stripe_accounts.charges_enabled   IS 'Whether it can take payments.';
COMMENT ON COLUMN stripe_accounts.livemode          IS 'Whether it is real money.';
COMMENT ON COLUMN stripe_accounts.as_of             IS 'When the event that the row reflects was created at Stripe.';
COMMENT ON COLUMN stripe_accounts.as_of_rank        IS 'Orders events of the same second: a deauthorisation is newest.';
COMMENT ON COLUMN stripe_accounts.as_of_event       IS 'Stripe''s id of that event; the final tie-breaker.';

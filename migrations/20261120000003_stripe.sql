-- What Stripe's events become: payments of invoices, and the state of connected accounts.

CREATE TABLE stripe_objects (
    source       text        NOT NULL,
    kind         text        NOT NULL CHECK (kind IN ('invoice', 'checkout_session', 'payment_intent')),
    object_id    text        NOT NULL,
    account      text,
    succeeded_at timestamptz,
    event_id     uuid        NOT NULL,
    PRIMARY KEY (source, kind, object_id),
    CONSTRAINT only_payment_intents_succeed
        CHECK (succeeded_at IS NULL OR kind = 'payment_intent')
);

COMMENT ON TABLE  stripe_objects              IS 'Whose an object is: the account that named it first. Events of another account may not touch it.';
COMMENT ON COLUMN stripe_objects.source       IS 'The source of the events.';
COMMENT ON COLUMN stripe_objects.kind         IS 'What the id names. Part of the key, since ids of invoices are not Stripe''s and may look like anything.';
COMMENT ON COLUMN stripe_objects.object_id    IS 'The id of the object.';
COMMENT ON COLUMN stripe_objects.account      IS 'The connected account that owns it; null for the platform''s own account.';
COMMENT ON COLUMN stripe_objects.succeeded_at IS 'For a payment intent: when it succeeded. Kept because its checkout session, which names the invoice, may arrive later.';
COMMENT ON COLUMN stripe_objects.event_id     IS 'The event that named it first.';

CREATE TABLE stripe_payments (
    source            text        NOT NULL,
    invoice_id        text        NOT NULL,
    account           text,
    status            text        NOT NULL CHECK (status IN ('pending', 'paid')),
    session_id        text,
    payment_intent_id text,
    amount            bigint      CHECK (amount >= 0),
    currency          text        CHECK (currency ~ '^[a-z]{3}$'),
    livemode          boolean     NOT NULL,
    paid_at           timestamptz,
    event_created     timestamptz NOT NULL,
    event_id          uuid        NOT NULL,
    PRIMARY KEY (source, invoice_id),
    CONSTRAINT paid_iff_it_has_a_time
        CHECK ((status = 'paid') = (paid_at IS NOT NULL)),
    CONSTRAINT what_is_paid_has_an_amount
        CHECK (status <> 'paid' OR (amount IS NOT NULL AND currency IS NOT NULL))
);
CREATE INDEX stripe_payments_by_intent ON stripe_payments (source, payment_intent_id);

COMMENT ON TABLE  stripe_payments                   IS 'One row per invoice that Stripe''s events name. Paid is final.';
COMMENT ON COLUMN stripe_payments.source            IS 'The source of the events.';
COMMENT ON COLUMN stripe_payments.invoice_id        IS 'The id of the invoice, from metadata.invoice_id.';
COMMENT ON COLUMN stripe_payments.account           IS 'The connected account that is paid; null for the platform''s own account.';
COMMENT ON COLUMN stripe_payments.status            IS 'pending: checkout is complete but the money is still on its way; paid: the money was received.';
COMMENT ON COLUMN stripe_payments.session_id        IS 'The checkout session, as far as it is known.';
COMMENT ON COLUMN stripe_payments.payment_intent_id IS 'The payment intent, as far as it is known.';
COMMENT ON COLUMN stripe_payments.amount            IS 'In the currency''s minor unit, such as cents. Of the payment that paid, otherwise of the session that is pending.';
COMMENT ON COLUMN stripe_payments.currency          IS 'ISO 4217, lower-case.';
COMMENT ON COLUMN stripe_payments.livemode          IS 'Whether it is real money.';
COMMENT ON COLUMN stripe_payments.paid_at           IS 'For paid: when the event that paid was created at Stripe.';
COMMENT ON COLUMN stripe_payments.event_created     IS 'When the event that the row reflects was created at Stripe, in whole seconds: older events change nothing.';
COMMENT ON COLUMN stripe_payments.event_id          IS 'The event that the row reflects. Of two events of one second the later to arrive counts.';

CREATE TABLE stripe_accounts (
    source            text        NOT NULL,
    account           text        NOT NULL,
    status            text        NOT NULL CHECK (status IN ('not_connected', 'active', 'restricted', 'disabled')),
    details_submitted boolean     NOT NULL,
    payouts_enabled   boolean     NOT NULL,
    charges_enabled   boolean     NOT NULL,
    livemode          boolean     NOT NULL,
    event_created     timestamptz NOT NULL,
    event_id          uuid        NOT NULL,
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
COMMENT ON COLUMN stripe_accounts.event_created     IS 'When the event that the row reflects was created at Stripe, in whole seconds: older events change nothing.';
COMMENT ON COLUMN stripe_accounts.event_id          IS 'The event that the row reflects. Of two events of one second the later to arrive counts.';

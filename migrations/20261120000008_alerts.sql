-- What people are to be told: written with what it is about, sent afterwards. Times are by the
-- database's clock, which all gateways share.

CREATE TABLE alerts (
    id               bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source           text        NOT NULL,
    kind             text        NOT NULL,
    key              text        NOT NULL,
    dedup_key             bytea       NOT NULL CHECK (octet_length(dedup_key) = 32),
    severity         smallint    NOT NULL CHECK (severity BETWEEN 1 AND 3),
    recovery         boolean     NOT NULL DEFAULT false,
    text             text        NOT NULL,
    first_at         timestamptz NOT NULL,
    last_at          timestamptz NOT NULL,
    count            bigint      NOT NULL DEFAULT 1 CHECK (count > 0),
    hour_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    hour_count       bigint      NOT NULL DEFAULT 1,
    hour_before      bigint      NOT NULL DEFAULT 0,
    told             bigint      NOT NULL DEFAULT 0 CHECK (told BETWEEN 0 AND count),
    pending          boolean     NOT NULL DEFAULT true,
    sent_at          timestamptz,
    over_at          timestamptz,
    passing          boolean     NOT NULL DEFAULT false,
    attempts         integer     NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    retry_at         timestamptz,
    lease_token      uuid,
    lease_expires_at timestamptz,
    CONSTRAINT leased_whole_or_not_at_all
        CHECK ((lease_token IS NULL) = (lease_expires_at IS NULL)),
    CONSTRAINT a_recovery_is_over
        CHECK (NOT recovery OR over_at IS NOT NULL)
);
CREATE UNIQUE INDEX alerts_going_on ON alerts (dedup_key) WHERE over_at IS NULL;
CREATE INDEX alerts_pending ON alerts (severity, id) WHERE pending;
CREATE INDEX alerts_by_age ON alerts (last_at);

COMMENT ON TABLE  alerts                  IS 'What people are to be told. Repetitions of what goes on are counted in one row.';
COMMENT ON COLUMN alerts.id               IS 'Identity.';
COMMENT ON COLUMN alerts.source           IS 'The source that it is about.';
COMMENT ON COLUMN alerts.kind             IS 'What happened: a word of whoever raises it, such as dead_letter.';
COMMENT ON COLUMN alerts.key              IS 'What of this kind it happened to, at most 200 bytes.';
COMMENT ON COLUMN alerts.dedup_key             IS 'SHA-256 over source, kind and the whole key: what has the same one is the same thing again.';
COMMENT ON COLUMN alerts.severity         IS '1: information, 2: warning, 3: critical. The highest that it was raised with.';
COMMENT ON COLUMN alerts.recovery         IS 'It says that something is over.';
COMMENT ON COLUMN alerts.text             IS 'The newest text, at most 1 KiB. Partly written by strangers.';
COMMENT ON COLUMN alerts.first_at         IS 'When it was raised first.';
COMMENT ON COLUMN alerts.last_at          IS 'When it was raised last.';
COMMENT ON COLUMN alerts.count            IS 'How often it was raised.';
COMMENT ON COLUMN alerts.hour_at          IS 'When the hour began in which it is counted now, to notice a change of rate.';
COMMENT ON COLUMN alerts.hour_count       IS 'How often it was raised in that hour.';
COMMENT ON COLUMN alerts.hour_before      IS 'How often it was raised in the hour before that.';
COMMENT ON COLUMN alerts.told             IS 'How often of that has been told.';
COMMENT ON COLUMN alerts.pending          IS 'It is to be told. False once it was, or once it was given up as too old or one too many.';
COMMENT ON COLUMN alerts.sent_at          IS 'When it was told last; null if it never was.';
COMMENT ON COLUMN alerts.over_at          IS 'When it ended; null while it goes on.';
COMMENT ON COLUMN alerts.passing          IS 'Nothing will say that it is over: it ends by itself, an hour after it was last raised.';
COMMENT ON COLUMN alerts.attempts         IS 'How often telling it failed in a row.';
COMMENT ON COLUMN alerts.retry_at         IS 'After a failure: nothing is told before this time, since all of it goes to one place.';
COMMENT ON COLUMN alerts.lease_token      IS 'The fencing token of the gateway that is telling it.';
COMMENT ON COLUMN alerts.lease_expires_at IS 'When another gateway may tell it instead.';

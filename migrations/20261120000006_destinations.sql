-- Destinations: where events are sent to. Their deliveries are those whose handler begins with
-- `to:`; they are claimed by themselves, under a lock per destination.

-- Where nothing is wrong and nobody has paused anything there is no row.
CREATE TABLE destinations (
    handler        text        COLLATE "C" PRIMARY KEY CHECK (handler LIKE 'to:%'),
    paused_at      timestamptz,
    disabled_at    timestamptz,
    disabled_why   text,
    failures        integer     NOT NULL DEFAULT 0 CHECK (failures >= 0),
    failing_since   timestamptz,
    opened_at       timestamptz,
    openings        integer     NOT NULL DEFAULT 0 CHECK (openings >= 0),
    not_before      timestamptz,
    rejections      smallint    NOT NULL DEFAULT 0 CHECK (rejections BETWEEN 0 AND 20),
    rejecting_since timestamptz,
    last_failed_at timestamptz,
    last_error     text,
    CONSTRAINT disabled_for_a_reason
        CHECK ((disabled_at IS NULL) = (disabled_why IS NULL)),
    CONSTRAINT open_until_a_probe
        CHECK ((opened_at IS NULL) = (openings = 0)
           AND (opened_at IS NULL OR not_before IS NOT NULL))
);

COMMENT ON TABLE  destinations                IS 'What holds destinations back. Shared by all gateways on this database.';
COMMENT ON COLUMN destinations.handler        IS 'As in deliveries: `to:` and the destination''s name.';
COMMENT ON COLUMN destinations.paused_at      IS 'When an operator paused it; null where it is not paused.';
COMMENT ON COLUMN destinations.disabled_at    IS 'When it was disabled, by an operator or because it answered 410; null where it is enabled.';
COMMENT ON COLUMN destinations.disabled_why   IS 'Why it is disabled.';
COMMENT ON COLUMN destinations.failures       IS 'Failures in a row, with no success between them.';
COMMENT ON COLUMN destinations.failing_since  IS 'When the first of those failures was; null where the last request succeeded.';
COMMENT ON COLUMN destinations.opened_at      IS 'When its breaker opened; null while it is closed.';
COMMENT ON COLUMN destinations.openings       IS 'How often the breaker has opened, the first time and after every probe that failed; 0 while it is closed.';
COMMENT ON COLUMN destinations.not_before     IS 'Nothing is sent before this time: the next probe of an open breaker, or what a Retry-After asked for.';
COMMENT ON COLUMN destinations.rejections     IS 'Grows by 2 with every event that is rejected (4xx), up to 20, and shrinks by 1 with every event that is taken.';
COMMENT ON COLUMN destinations.rejecting_since IS 'When rejections reached 10: more than a third of the events are rejected. Null again once it is back at 0.';
COMMENT ON COLUMN destinations.last_failed_at IS 'When it last failed.';
COMMENT ON COLUMN destinations.last_error     IS 'How it last failed, at most 8 KiB.';

-- How destinations do, for the operator's page. Approximate, as tallies are: a gateway writes every
-- few seconds what it has noted.
CREATE TABLE destination_hours (
    handler   text        COLLATE "C" NOT NULL,
    hour      timestamptz NOT NULL,
    delivered bigint      NOT NULL,
    failed    bigint      NOT NULL,
    within    bigint[]    NOT NULL,
    PRIMARY KEY (handler, hour)
);

COMMENT ON TABLE  destination_hours           IS 'How destinations did in each hour. Kept for a week.';
COMMENT ON COLUMN destination_hours.handler   IS 'As in deliveries.';
COMMENT ON COLUMN destination_hours.hour      IS 'When the hour began, in UTC.';
COMMENT ON COLUMN destination_hours.delivered IS 'How many events were taken.';
COMMENT ON COLUMN destination_hours.failed    IS 'How many requests did not end with the event being taken.';
COMMENT ON COLUMN destination_hours.within    IS 'How many answers came within 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000 and 5000 ms, and later.';

CREATE TABLE destination_responses (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    handler     text        COLLATE "C" NOT NULL,
    at          timestamptz NOT NULL,
    took_ms     bigint      NOT NULL,
    delivery_id bigint,
    event_id    uuid        NOT NULL,
    status      integer,
    headers     text        NOT NULL,
    body        text        NOT NULL,
    error       text
);
CREATE INDEX destination_responses_of ON destination_responses (handler, id);

COMMENT ON TABLE  destination_responses             IS 'The last answers of each destination, at most twenty; of those that took the event, one a second.';
COMMENT ON COLUMN destination_responses.id          IS 'Identity.';
COMMENT ON COLUMN destination_responses.handler     IS 'As in deliveries.';
COMMENT ON COLUMN destination_responses.at          IS 'When the request began.';
COMMENT ON COLUMN destination_responses.took_ms     IS 'How long it took, in milliseconds.';
COMMENT ON COLUMN destination_responses.delivery_id IS 'The delivery; null for a test.';
COMMENT ON COLUMN destination_responses.event_id    IS 'The event that was sent.';
COMMENT ON COLUMN destination_responses.status      IS 'The status; null where nothing came back.';
COMMENT ON COLUMN destination_responses.headers     IS 'The headers as JSON, within bounds. Written by strangers.';
COMMENT ON COLUMN destination_responses.body        IS 'The beginning of the body. Written by strangers.';
COMMENT ON COLUMN destination_responses.error       IS 'Why the event was not taken; null where it was.';

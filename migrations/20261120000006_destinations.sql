-- Destinations: where events are sent to. Their deliveries are those whose handler begins with
-- `to:`; they are claimed by themselves, under a lock per destination.

-- Where nothing is wrong and nobody has paused anything there is no row.
CREATE TABLE destinations (
    handler        text        COLLATE "C" PRIMARY KEY CHECK (handler LIKE 'to:%'),
    paused_at      timestamptz,
    disabled_at    timestamptz,
    disabled_why   text,
    failures       integer     NOT NULL DEFAULT 0 CHECK (failures >= 0),
    opened_at      timestamptz,
    openings       integer     NOT NULL DEFAULT 0 CHECK (openings >= 0),
    not_before     timestamptz,
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
COMMENT ON COLUMN destinations.opened_at      IS 'When its breaker opened; null while it is closed.';
COMMENT ON COLUMN destinations.openings       IS 'How often the breaker has opened, the first time and after every probe that failed; 0 while it is closed.';
COMMENT ON COLUMN destinations.not_before     IS 'Nothing is sent before this time: the next probe of an open breaker, or what a Retry-After asked for.';
COMMENT ON COLUMN destinations.last_failed_at IS 'When it last failed.';
COMMENT ON COLUMN destinations.last_error     IS 'How it last failed, at most 8 KiB.';

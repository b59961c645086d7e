-- What came in and what became of it, counted: what overviews and alarms are read from, so that
-- none of them looks through events or deliveries. Counted in each gateway and added every few
-- seconds: close to the truth, not the truth.

CREATE TABLE counters (
    minutes smallint    NOT NULL CHECK (minutes IN (5, 60)),
    bucket  timestamptz NOT NULL,
    source  text        COLLATE "C" NOT NULL,
    what    text        COLLATE "C" NOT NULL,
    detail  text        COLLATE "C" NOT NULL DEFAULT '',
    count   bigint      NOT NULL CHECK (count > 0),
    PRIMARY KEY (minutes, bucket, source, what, detail)
) WITH (fillfactor = 70);

COMMENT ON TABLE  counters         IS 'Counts per source and span of time. Approximate: what a gateway has counted and not yet added is lost when it is killed.';
COMMENT ON COLUMN counters.minutes IS 'How long the span is. Everything is counted twice: in spans of five minutes, kept for days, and of an hour, kept for weeks.';
COMMENT ON COLUMN counters.bucket  IS 'When the span begins; a multiple of its length in UTC.';
COMMENT ON COLUMN counters.source  IS 'The source; empty for requests to paths that are no source''s.';
COMMENT ON COLUMN counters.what    IS 'accepted, duplicate, quarantined, chunk, refused; acknowledged; handled, ignored, retry, held, dead, replayed, expired.';
COMMENT ON COLUMN counters.detail  IS 'For refused: the reason''s word. For quarantined: `too_large` where the body was larger than the source keeps. For acknowledged: the most milliseconds that it took, or `more`. Empty otherwise.';
COMMENT ON COLUMN counters.count   IS 'How many.';

CREATE TABLE secret_usage (
    source   text        COLLATE "C" NOT NULL,
    secret   text        COLLATE "C" NOT NULL,
    requests bigint      NOT NULL CHECK (requests > 0),
    first_at timestamptz NOT NULL,
    last_at  timestamptz NOT NULL,
    PRIMARY KEY (source, secret)
) WITH (fillfactor = 70);

COMMENT ON TABLE  secret_usage          IS 'Which secrets senders use, so that one that nobody uses can be removed. Approximate as tallies are.';
COMMENT ON COLUMN secret_usage.source   IS 'The source.';
COMMENT ON COLUMN secret_usage.secret   IS 'The secret''s fingerprint.';
COMMENT ON COLUMN secret_usage.requests IS 'How many requests it has verified.';
COMMENT ON COLUMN secret_usage.first_at IS 'When it first did.';
COMMENT ON COLUMN secret_usage.last_at  IS 'When it last did.';

CREATE INDEX chunk_transfers_by_event ON chunk_transfers (event_id);

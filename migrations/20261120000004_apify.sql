-- Runs that were started at Apify, and what became of them.

CREATE TABLE apify_runs (
    source         text        NOT NULL,
    run_key        uuid        NOT NULL,
    purpose        text        NOT NULL CHECK (purpose IN ('run', 'verify')),
    guild_id       text        NOT NULL,
    actor_id       text,
    actor_run_id   text,
    status         text        NOT NULL CHECK (status IN ('initiated', 'succeeded', 'failed', 'expired')),
    late           boolean     NOT NULL DEFAULT false,
    initiated_at   timestamptz NOT NULL,
    resurrected_at timestamptz,
    finished_at    timestamptz,
    event_id       uuid,
    PRIMARY KEY (source, run_key),
    CONSTRAINT awaited_iff_not_finished
        CHECK ((status = 'initiated') = (finished_at IS NULL))
);
CREATE UNIQUE INDEX apify_runs_by_actor_run ON apify_runs (source, actor_run_id)
    WHERE actor_run_id IS NOT NULL;
-- Exactly what the sweep looks for.
CREATE INDEX apify_runs_awaited ON apify_runs (source, (GREATEST(initiated_at, resurrected_at)))
    WHERE status = 'initiated';

COMMENT ON TABLE  apify_runs                IS 'Runs that the application started, entered before they start: only these can finish.';
COMMENT ON COLUMN apify_runs.source         IS 'The source at which their webhooks arrive.';
COMMENT ON COLUMN apify_runs.run_key        IS 'The application''s own id of the run, which its token carries.';
COMMENT ON COLUMN apify_runs.purpose        IS 'run: collects metrics; verify: checks that a profile belongs to who claims it.';
COMMENT ON COLUMN apify_runs.guild_id       IS 'The Discord guild that the run was started for.';
COMMENT ON COLUMN apify_runs.actor_id       IS 'The actor, as its id or its name; null until it is known.';
COMMENT ON COLUMN apify_runs.actor_run_id   IS 'Apify''s id of the run; null until the application or the first event names it, fixed from then on.';
COMMENT ON COLUMN apify_runs.status         IS 'initiated: awaited; succeeded, failed: as Apify said; expired: nothing was heard in time.';
COMMENT ON COLUMN apify_runs.late           IS 'Whether its end was heard of past the time of its token, or after it had expired.';
COMMENT ON COLUMN apify_runs.initiated_at   IS 'When the application entered it, by the application''s clock.';
COMMENT ON COLUMN apify_runs.resurrected_at IS 'When it was last started again, by Apify''s clock; ends before that no longer count.';
COMMENT ON COLUMN apify_runs.finished_at    IS 'When it ended, by Apify''s clock; for an expired one, when it was given up. Null while it is awaited.';
COMMENT ON COLUMN apify_runs.event_id       IS 'The event that last changed this row; null while none has.';

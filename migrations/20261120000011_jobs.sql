-- What operators do about many at once: groups of dead letters, jobs, edited events, holds.

-- Dead letters of one kind. Made in the background (ADR 26): where a delivery becomes dead nothing
-- of this is written.
CREATE TABLE dead_letter_groups (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fingerprint  bytea       NOT NULL UNIQUE CHECK (octet_length(fingerprint) = 32),
    tenant       text        NOT NULL,
    source       text        COLLATE "C" NOT NULL,
    handler      text        COLLATE "C" NOT NULL,
    class        text        NOT NULL
        CHECK (class IN ('handler', 'destination', 'content', 'transfer', 'internal')),
    death_reason text        NOT NULL,
    message      text        NOT NULL,
    open         bigint      NOT NULL CHECK (open BETWEEN 0 AND total),
    total        bigint      NOT NULL,
    first_at     timestamptz NOT NULL,
    last_at      timestamptz NOT NULL,
    sample       bigint      NOT NULL
);
CREATE INDEX dead_letter_groups_by_impact ON dead_letter_groups (open, last_at, id);
CREATE INDEX dead_letter_groups_of ON dead_letter_groups (source, handler, death_reason, tenant);

COMMENT ON TABLE  dead_letter_groups              IS 'Dead letters of one kind: same source, handler, reason and message but for the values in it.';
COMMENT ON COLUMN dead_letter_groups.id           IS 'Identity.';
COMMENT ON COLUMN dead_letter_groups.fingerprint  IS 'SHA-256 over tenant, source, handler, reason and message.';
COMMENT ON COLUMN dead_letter_groups.tenant       IS 'As in events; empty where the event was gone before it was grouped.';
COMMENT ON COLUMN dead_letter_groups.source       IS 'As in deliveries.';
COMMENT ON COLUMN dead_letter_groups.handler      IS 'As in deliveries.';
COMMENT ON COLUMN dead_letter_groups.class        IS 'handler: a handler failed; destination: an application did not take it; content: authentic but useless; transfer: chunks that never became whole; internal: a fault of ours.';
COMMENT ON COLUMN dead_letter_groups.death_reason IS 'As in deliveries.';
COMMENT ON COLUMN dead_letter_groups.message      IS 'The first line of the error without the values in it; empty for those of one reason that are too various to be told apart. Partly written by strangers.';
COMMENT ON COLUMN dead_letter_groups.open         IS 'How many of them are neither replayed nor discarded.';
COMMENT ON COLUMN dead_letter_groups.total        IS 'How many there have been.';
COMMENT ON COLUMN dead_letter_groups.first_at     IS 'When the first of them died.';
COMMENT ON COLUMN dead_letter_groups.last_at      IS 'When the last of them died.';
COMMENT ON COLUMN dead_letter_groups.sample       IS 'The one that died last: its error is the title.';

CREATE TABLE dead_letter_hours (
    group_id bigint      NOT NULL REFERENCES dead_letter_groups ON DELETE CASCADE,
    hour     timestamptz NOT NULL,
    count    bigint      NOT NULL,
    PRIMARY KEY (group_id, hour)
);
CREATE INDEX dead_letter_hours_by_age ON dead_letter_hours (hour);
COMMENT ON TABLE  dead_letter_hours          IS 'How many of a group died in an hour. Kept for a week.';
COMMENT ON COLUMN dead_letter_hours.group_id IS 'The group.';
COMMENT ON COLUMN dead_letter_hours.hour     IS 'When the hour began.';
COMMENT ON COLUMN dead_letter_hours.count    IS 'How many.';

ALTER TABLE deliveries ADD COLUMN group_id bigint;
COMMENT ON COLUMN deliveries.group_id IS 'For dead: its group; null until it is grouped, which is done in the background.';
-- By group, since every list of dead letters is one of groups: see src/store/dead_letters/find.rs.
DROP INDEX deliveries_dead;
CREATE INDEX deliveries_dead ON deliveries (group_id, id) WHERE state = 'dead';
CREATE INDEX deliveries_ungrouped ON deliveries (id) WHERE state = 'dead' AND group_id IS NULL;
CREATE INDEX deliveries_open ON deliveries (group_id, id)
    WHERE state = 'dead' AND resolution IS NULL;

CREATE TABLE jobs (
    id               bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant           text,
    action           text        NOT NULL
        CHECK (action IN ('replay', 'discard', 'verify_held', 'discard_held')),
    selection        text        NOT NULL,
    target           text        NOT NULL,
    force            boolean     NOT NULL,
    cap              bigint      CHECK (cap > 0),
    rate             integer     CHECK (rate > 0),
    reason           text        NOT NULL,
    matched          bigint      NOT NULL,
    verifiable       bigint,
    up_to            bigint      NOT NULL,
    sample           bigint[]    NOT NULL,
    state            text        NOT NULL
        CHECK (state IN ('planned', 'running', 'done', 'cancelled', 'failed', 'expired')),
    planned_at       timestamptz NOT NULL,
    planned_by       text        NOT NULL,
    expires_at       timestamptz NOT NULL,
    started_at       timestamptz,
    started_by       text,
    finished_at      timestamptz,
    cancelled_by     text,
    failure          text,
    after            bigint      NOT NULL DEFAULT -9223372036854775808,
    next_at          timestamptz,
    resolved         bigint      NOT NULL DEFAULT 0,
    created          bigint      NOT NULL DEFAULT 0,
    refused          bigint      NOT NULL DEFAULT 0,
    refusals         text        NOT NULL DEFAULT '[]',
    lease_token      uuid,
    lease_expires_at timestamptz,
    CONSTRAINT leased_whole_or_not_at_all
        CHECK ((lease_token IS NULL) = (lease_expires_at IS NULL)),
    CONSTRAINT only_what_runs_is_leased
        CHECK (lease_token IS NULL OR state = 'running'),
    CONSTRAINT started_by_somebody
        CHECK ((started_at IS NULL) = (started_by IS NULL))
);
CREATE INDEX jobs_running ON jobs (id) WHERE state = 'running';
CREATE INDEX jobs_planned ON jobs (expires_at) WHERE state = 'planned';

COMMENT ON TABLE  jobs                  IS 'What is to be done about many dead letters or held requests. One that has not begun is a plan.';
COMMENT ON COLUMN jobs.id               IS 'Identity.';
COMMENT ON COLUMN jobs.tenant           IS 'The only tenant whose dead letters or held requests it touches; null for all.';
COMMENT ON COLUMN jobs.action           IS 'replay or discard: dead letters; verify_held or discard_held: held requests.';
COMMENT ON COLUMN jobs.selection        IS 'Which, as JSON; ages are times by now.';
COMMENT ON COLUMN jobs.target           IS 'Which, in words.';
COMMENT ON COLUMN jobs.force            IS 'Also what is done or resolved; only by id.';
COMMENT ON COLUMN jobs.cap              IS 'The most that it resolves; null for all.';
COMMENT ON COLUMN jobs.rate             IS 'The most that it resolves in a second; null for no limit.';
COMMENT ON COLUMN jobs.reason           IS 'Why, in the words of whoever planned it.';
COMMENT ON COLUMN jobs.matched          IS 'How many matched when it was planned.';
COMMENT ON COLUMN jobs.verifiable       IS 'For verify_held: how many of those that matched would have been let in when it was planned.';
COMMENT ON COLUMN jobs.up_to            IS 'The highest id that matched then: what dies later is not its business.';
COMMENT ON COLUMN jobs.sample           IS 'Some of those that matched: deliveries, or numbers of held requests.';
COMMENT ON COLUMN jobs.state            IS 'planned; running; done; cancelled: somebody stopped it; failed: it cannot go on; expired: it was not started in time.';
COMMENT ON COLUMN jobs.planned_at       IS 'When it was planned.';
COMMENT ON COLUMN jobs.planned_by       IS 'Who planned it.';
COMMENT ON COLUMN jobs.expires_at       IS 'When it can no longer be started.';
COMMENT ON COLUMN jobs.started_at       IS 'When it was started.';
COMMENT ON COLUMN jobs.started_by       IS 'Who started it.';
COMMENT ON COLUMN jobs.finished_at      IS 'When it ended, however it did.';
COMMENT ON COLUMN jobs.cancelled_by     IS 'Who cancelled it.';
COMMENT ON COLUMN jobs.failure          IS 'Why it cannot go on.';
COMMENT ON COLUMN jobs.after            IS 'It has dealt with everything up to this id.';
COMMENT ON COLUMN jobs.next_at          IS 'Because of its rate: the next batch not before this time.';
COMMENT ON COLUMN jobs.resolved         IS 'How many it has replayed or discarded.';
COMMENT ON COLUMN jobs.created          IS 'How many new deliveries it has made.';
COMMENT ON COLUMN jobs.refused          IS 'About how many nothing was done.';
COMMENT ON COLUMN jobs.refusals         IS 'Why, for the first hundred of those, as JSON.';
COMMENT ON COLUMN jobs.lease_token      IS 'The fencing token of whoever works on it.';
COMMENT ON COLUMN jobs.lease_expires_at IS 'When it may be taken over, by the database''s clock.';

ALTER TABLE operator_actions ADD COLUMN job_id bigint;
CREATE INDEX operator_actions_of_job ON operator_actions (job_id, id) WHERE job_id IS NOT NULL;
COMMENT ON COLUMN operator_actions.job_id IS 'The job that did it; null where one delivery was dealt with directly.';

ALTER TABLE events ADD COLUMN edited_from uuid;
ALTER TABLE events ADD COLUMN edited_by text;
CREATE INDEX events_edited ON events (edited_from) WHERE edited_from IS NOT NULL;
COMMENT ON COLUMN events.edited_from IS 'Nobody sent this body: it is that of this event, edited. Its strength is edited; the fingerprint of the secret and what the proof said besides are those of the original.';
COMMENT ON COLUMN events.edited_by   IS 'Who edited it.';

CREATE TABLE pauses (
    what       text        NOT NULL CHECK (what IN ('source', 'handler')),
    name       text        COLLATE "C" NOT NULL,
    paused_at  timestamptz,
    paused_by  text        NOT NULL,
    why        text        NOT NULL,
    resumed_at timestamptz,
    PRIMARY KEY (what, name),
    CONSTRAINT paused_or_resumed CHECK (num_nonnulls(paused_at, resumed_at) >= 1)
);
COMMENT ON TABLE  pauses            IS 'Sources and handlers that are or were paused: what arrives is recorded, and waits.';
COMMENT ON COLUMN pauses.what       IS 'source or handler.';
COMMENT ON COLUMN pauses.name       IS 'Its name, as in deliveries.';
COMMENT ON COLUMN pauses.paused_at  IS 'Since when it is paused; null where it is not.';
COMMENT ON COLUMN pauses.paused_by  IS 'Who paused it last.';
COMMENT ON COLUMN pauses.why        IS 'Why, in their words.';
COMMENT ON COLUMN pauses.resumed_at IS 'When it was resumed last: what is older counts its age from then.';

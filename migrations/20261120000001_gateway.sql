-- The gateway's own tables. Events and attempts are append-only; what changes is the delivery.
--
-- The three tables that every request writes to have no CHECK: the server parses and plans each
-- one anew for every statement, which together cost as much as the rows of a small group.
-- The view `invalid_rows` has these checks; the tests query it after every run.

CREATE TABLE events (
    id           uuid        PRIMARY KEY,
    tenant       text        NOT NULL,
    source       text        NOT NULL,
    provider     text        NOT NULL,
    event_type   text        NOT NULL,
    action       text,
    strength     text        NOT NULL,
    late         boolean     NOT NULL,
    secret       text        NOT NULL,
    skew_seconds bigint,
    received_at  timestamptz NOT NULL,
    occurred_at  timestamptz,
    key          bytea       NOT NULL,
    headers      bytea       NOT NULL,
    claims       bytea,
    envelope     bytea,
    body         bytea       NOT NULL,
    xact         xid8        NOT NULL DEFAULT pg_current_xact_id(),
    edited_from  uuid,
    edited_by    text
);
CREATE INDEX events_by_xact ON events (xact);
CREATE INDEX events_edited ON events (edited_from) WHERE edited_from IS NOT NULL;
-- Bodies are mostly compressed or base64 already: compressing again costs and gains nothing, and
-- stored plain they can be read in slices.
ALTER TABLE events ALTER COLUMN body SET STORAGE EXTERNAL;

COMMENT ON TABLE  events              IS 'What arrived, verified. Append-only.';
COMMENT ON COLUMN events.id           IS 'UUIDv7: sorts by time of arrival.';
COMMENT ON COLUMN events.tenant       IS 'To whom the source belongs.';
COMMENT ON COLUMN events.source       IS 'The name of the source in the configuration.';
COMMENT ON COLUMN events.provider     IS 'What kind of sender the source is.';
COMMENT ON COLUMN events.event_type   IS 'The event type, at most 200 bytes.';
COMMENT ON COLUMN events.action       IS 'The action in the path; not signed, a hint.';
COMMENT ON COLUMN events.strength     IS 'signed: the body is part of what was signed; vouched: a token or a shared secret vouches for the request; edited: nobody sent it, an operator wrote the body.';
COMMENT ON COLUMN events.late         IS 'Let in past the time of its token, because the registry still awaited it.';
COMMENT ON COLUMN events.secret       IS 'The fingerprint of the secret that verified it.';
COMMENT ON COLUMN events.skew_seconds IS 'Our time minus the signed time at arrival; null where the sender signs no time.';
COMMENT ON COLUMN events.received_at  IS 'When it was received, by the gateway''s clock. For a chunked payload: when it became whole.';
COMMENT ON COLUMN events.occurred_at  IS 'When it happened, as the sender says.';
COMMENT ON COLUMN events.key          IS 'The key under which it stands in event_keys.';
COMMENT ON COLUMN events.headers      IS 'The headers that are kept, as a JSON object of texts. Never a signature or a secret. Names that begin with a colon are no headers: the content type, the user agent and the address that the request came with.';
COMMENT ON COLUMN events.claims       IS 'What the verified token says, where there is one, as JSON.';
COMMENT ON COLUMN events.envelope     IS 'For a payload that came in chunks: its JSON without content and chunk number. Null otherwise.';
COMMENT ON COLUMN events.body         IS 'The exact bytes that were received; for a payload that came in chunks, the decoded file.';
COMMENT ON COLUMN events.xact         IS 'The transaction that inserted it: its place in the stream of changes.';
COMMENT ON COLUMN events.edited_from IS 'Nobody sent this body: it is that of this event, edited. Its strength is edited; the fingerprint of the secret and what the proof said besides are those of the original.';
COMMENT ON COLUMN events.edited_by   IS 'Who edited it.';

CREATE TABLE event_keys (
    key          bytea       PRIMARY KEY,
    event_id     uuid        NOT NULL,
    fingerprint  bytea,
    seen_count   integer     NOT NULL DEFAULT 1,
    other_bodies integer     NOT NULL DEFAULT 0,
    last_seen_at timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL
);
-- Rows come in the order of their expiry: a block range index costs next to nothing per insert.
CREATE INDEX event_keys_by_expiry ON event_keys USING brin (expires_at);

COMMENT ON TABLE  event_keys              IS 'What was seen. Inserted in the transaction that inserts the event; kept apart from it so that it can expire on its own.';
COMMENT ON COLUMN event_keys.key          IS 'SHA-256 over tenant, source, kind of key and key: long or odd ids cannot break the index.';
COMMENT ON COLUMN event_keys.event_id     IS 'The event that was first under this key.';
COMMENT ON COLUMN event_keys.fingerprint  IS 'The SHA-256 of the body that it was first used with; null where the key is made of that digest, or of a payload in chunks.';
COMMENT ON COLUMN event_keys.seen_count   IS 'How often it was received, the first time included.';
COMMENT ON COLUMN event_keys.other_bodies IS 'How often it was received with another body than the first time.';
COMMENT ON COLUMN event_keys.last_seen_at IS 'When it was last received.';
COMMENT ON COLUMN event_keys.expires_at   IS 'When the key may be forgotten.';

-- Names are compared byte by byte: they are looked up, never sorted for display.
CREATE TABLE deliveries (
    id               bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id         uuid        NOT NULL,
    source           text        COLLATE "C" NOT NULL,
    handler          text        COLLATE "C" NOT NULL,
    triggered_by     text        NOT NULL,
    replay_of        bigint,
    lane             text        COLLATE "C",
    lane_position    bigint,
    lane_blocks      boolean     NOT NULL,
    state            text        NOT NULL,
    parked            text        COLLATE "C",
    attempts         integer     NOT NULL DEFAULT 0,
    created_at       timestamptz NOT NULL,
    due_at           timestamptz NOT NULL,
    lease_token      uuid,
    lease_expires_at timestamptz,
    finished_at      timestamptz,
    outcome          text,
    death_reason     text,
    last_error       text,
    awaiting         text,
    resolution       text,
    resolved_at      timestamptz,
    group_id         bigint
);
-- One queue per source and handler, so that a backlog in one is never read for another. Parked
-- deliveries are in none of them.
CREATE INDEX deliveries_ready ON deliveries (source, handler, due_at, id)
    WHERE state = 'ready' AND parked IS NULL;
CREATE INDEX deliveries_parked ON deliveries (parked, source, handler, lane, id)
    WHERE state = 'ready' AND parked IS NOT NULL;
CREATE INDEX deliveries_awaiting ON deliveries (source, awaiting)
    WHERE state = 'ready' AND awaiting IS NOT NULL;
CREATE INDEX deliveries_leased ON deliveries (source, handler, lane) WHERE state = 'leased';
-- The number of requests to a destination in flight.
CREATE INDEX deliveries_sending ON deliveries (handler, lease_expires_at)
    WHERE state = 'leased' AND handler LIKE 'to:%';
-- The deliveries that block later ones of a lane: those in flight and those ahead of them.
CREATE INDEX deliveries_lane
    ON deliveries (lane, source, handler, (COALESCE(lane_position, id)), id)
    WHERE lane IS NOT NULL
      AND (state IN ('ready', 'leased') OR (state = 'dead' AND lane_blocks AND resolution IS NULL));
-- By group, since every list of dead letters is one of groups: see src/store/dead_letters/find.rs.
CREATE INDEX deliveries_dead ON deliveries (group_id, id) WHERE state = 'dead';
CREATE INDEX deliveries_ungrouped ON deliveries (id) WHERE state = 'dead' AND group_id IS NULL;
CREATE INDEX deliveries_open ON deliveries (group_id, id)
    WHERE state = 'dead' AND resolution IS NULL;
CREATE INDEX deliveries_by_event ON deliveries (event_id);

COMMENT ON TABLE  deliveries                  IS 'What is being done about an event: one row per event, handler and trigger. A replay is a new row.';
COMMENT ON COLUMN deliveries.id               IS 'Identity; its order is the order of arrival.';
COMMENT ON COLUMN deliveries.event_id         IS 'The event. No foreign key: both rows are written by one statement and removed together, and the check would cost on every insert.';
COMMENT ON COLUMN deliveries.source           IS 'The source of the event, repeated here so that the poll can be fair among sources without a join.';
COMMENT ON COLUMN deliveries.handler          IS 'The stored name of the handler; `gate` for what was quarantined before any handler.';
COMMENT ON COLUMN deliveries.triggered_by     IS 'arrival: the event came in; replay: an operator asked; edit: an operator edited it.';
COMMENT ON COLUMN deliveries.replay_of        IS 'The delivery that this one replays.';
COMMENT ON COLUMN deliveries.lane             IS 'Deliveries of one source and handler with the same lane run one after the other.';
COMMENT ON COLUMN deliveries.lane_position    IS 'Place in the lane where it is not its id: the replay of a blocking head takes the place of what it replays. The lowest unfinished goes first.';
COMMENT ON COLUMN deliveries.lane_blocks      IS 'Whether a dead head holds its lane until it is resolved (block) or frees it (park).';
COMMENT ON COLUMN deliveries.state            IS 'ready, leased, done or dead.';
COMMENT ON COLUMN deliveries.parked            IS 'Why the queue leaves a ready delivery out. behind: another of its lane is before it, whose end lets it in again; suspect: its lease ran out with no result, and it is run by itself. A suspect keeps the word while it is leased.';
COMMENT ON COLUMN deliveries.attempts         IS 'Attempts begun. Counted when the lease is taken, so that an attempt that kills the process counts too.';
COMMENT ON COLUMN deliveries.created_at       IS 'When the delivery was created.';
COMMENT ON COLUMN deliveries.due_at           IS 'Not before this time.';
COMMENT ON COLUMN deliveries.lease_token      IS 'The fencing token of the present lease: only its holder may settle.';
COMMENT ON COLUMN deliveries.lease_expires_at IS 'When the lease may be taken over, by the database''s clock.';
COMMENT ON COLUMN deliveries.finished_at      IS 'When it became done or dead.';
COMMENT ON COLUMN deliveries.outcome          IS 'For done: handled, unchanged or ignored.';
COMMENT ON COLUMN deliveries.death_reason     IS 'For dead: a word of a closed list.';
COMMENT ON COLUMN deliveries.last_error       IS 'The last error, at most 8 KiB.';
COMMENT ON COLUMN deliveries.awaiting         IS 'For ready: what it waits for, where somebody will say that it has come.';
COMMENT ON COLUMN deliveries.resolution       IS 'For dead: replayed or discarded by an operator; null while it is open.';
COMMENT ON COLUMN deliveries.resolved_at      IS 'When it was resolved.';
COMMENT ON COLUMN deliveries.group_id IS 'For dead: its group; null until it is grouped, which is done in the background.';

CREATE VIEW invalid_rows AS
    SELECT 'deliveries' AS "table", id::text AS row FROM deliveries
     WHERE (CASE state
            WHEN 'ready' THEN
                num_nonnulls(lease_token, lease_expires_at, finished_at, outcome, death_reason,
                             resolution, resolved_at) = 0
            WHEN 'leased' THEN
                num_nonnulls(lease_token, lease_expires_at) = 2
                AND num_nonnulls(finished_at, outcome, death_reason, resolution, resolved_at) = 0
            WHEN 'done' THEN
                num_nonnulls(finished_at, outcome) = 2
                AND num_nonnulls(lease_token, lease_expires_at, death_reason, resolution,
                                 resolved_at) = 0
            WHEN 'dead' THEN
                num_nonnulls(finished_at, death_reason) = 2
                AND num_nonnulls(lease_token, lease_expires_at, outcome) = 0
                AND (resolution IS NULL) = (resolved_at IS NULL)
                AND COALESCE(resolution IN ('replayed', 'discarded'), true)
            END) IS NOT TRUE
        OR (CASE parked
            WHEN 'behind' THEN state = 'ready' AND lane IS NOT NULL
            WHEN 'isolated' THEN state IN ('ready', 'leased')
            ELSE parked IS NULL
            END) IS NOT TRUE
        OR (CASE triggered_by
            WHEN 'arrival' THEN replay_of IS NULL
            WHEN 'replay' THEN replay_of IS NOT NULL
            WHEN 'edit' THEN replay_of IS NOT NULL
            END) IS NOT TRUE
    UNION ALL
    SELECT 'events', id::text FROM events
     WHERE strength NOT IN ('signed', 'vouched', 'edited') OR octet_length(key) <> 32
    UNION ALL
    SELECT 'event_keys', encode(key, 'hex') FROM event_keys
     WHERE octet_length(key) <> 32 OR octet_length(fingerprint) <> 32 OR seen_count < 1;
COMMENT ON VIEW invalid_rows IS 'Rows that break a rule of their table. Always empty, unless there is a bug.';

-- The same condition as `deliveries_lane`, defined once.
CREATE VIEW lane_members AS
    SELECT id, event_id, source, handler, lane, COALESCE(lane_position, id) AS position, state,
           parked
      FROM deliveries
     WHERE lane IS NOT NULL
       AND (state IN ('ready', 'leased') OR (state = 'dead' AND lane_blocks AND resolution IS NULL));
COMMENT ON VIEW lane_members IS 'The deliveries that hold up those behind them in their lane: what is to be done, what is being done, and a dead letter that blocks.';

-- Reads one row per queue, not the deliveries in it.
CREATE VIEW queues AS
    WITH RECURSIVE queue AS (
        (SELECT source, handler FROM deliveries WHERE state = 'ready' AND parked IS NULL
          ORDER BY source, handler LIMIT 1)
        UNION ALL
        SELECT following.source, following.handler
          FROM queue CROSS JOIN LATERAL (
            SELECT d.source, d.handler FROM deliveries d
             WHERE d.state = 'ready' AND d.parked IS NULL
               AND (d.source, d.handler) > (queue.source, queue.handler)
             ORDER BY d.source, d.handler LIMIT 1) AS following
    )
    SELECT source, handler FROM queue;
COMMENT ON VIEW queues IS 'The sources and handlers for which something is ready.';

CREATE TABLE attempts (
    delivery_id bigint      NOT NULL,
    number      integer     NOT NULL CHECK (number > 0),
    started_at  timestamptz NOT NULL,
    finished_at timestamptz NOT NULL,
    result      text        NOT NULL CHECK (result IN ('done', 'retry', 'deferred', 'dead', 'lost')),
    error       text,
    xact        xid8        NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (delivery_id, number)
);
CREATE INDEX attempts_by_xact ON attempts (xact);
COMMENT ON TABLE  attempts             IS 'What happened each time. Append-only, written in the transaction that settles.';
COMMENT ON COLUMN attempts.delivery_id IS 'The delivery.';
COMMENT ON COLUMN attempts.number      IS 'From 1, without gaps.';
COMMENT ON COLUMN attempts.started_at  IS 'When the handler was called.';
COMMENT ON COLUMN attempts.finished_at IS 'When it came back; for a lost attempt, when the loss was noticed.';
COMMENT ON COLUMN attempts.result      IS 'done; retry: failed, due again later; deferred: its destination could not be tried or is failing for all, which does not count as an attempt; dead: failed for good; lost: the lease ran out with no result, and does not count either.';
COMMENT ON COLUMN attempts.error       IS 'What went wrong, at most 8 KiB.';
COMMENT ON COLUMN attempts.xact        IS 'The transaction that inserted it: its place in the stream of changes.';

CREATE TABLE chunk_transfers (
    id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant        text        NOT NULL,
    source        text        NOT NULL,
    provider      text        NOT NULL,
    action        text,
    strength      text        NOT NULL,
    secret        text        NOT NULL,
    headers       bytea       NOT NULL,
    key           bytea       NOT NULL CHECK (octet_length(key) = 32),
    subject       bytea       NOT NULL CHECK (octet_length(subject) = 32),
    owner         bytea       NOT NULL CHECK (octet_length(owner) = 32),
    transfer_id   text        NOT NULL,
    manifest      bytea       NOT NULL CHECK (octet_length(manifest) = 32),
    event_type    text        NOT NULL,
    envelope      bytea       NOT NULL,
    total         integer     NOT NULL CHECK (total > 0),
    have          integer     NOT NULL DEFAULT 0 CHECK (have BETWEEN 0 AND total),
    received      bigint      NOT NULL DEFAULT 0 CHECK (received >= 0),
    sent_at       timestamptz NOT NULL,
    opened_at     timestamptz NOT NULL,
    last_chunk_at timestamptz NOT NULL,
    state         text        NOT NULL CHECK (state IN ('open', 'whole', 'quarantined', 'superseded', 'expired')),
    event_id      uuid        NOT NULL,
    UNIQUE (source, key)
);
CREATE INDEX chunk_transfers_open ON chunk_transfers (source, subject) WHERE state = 'open';
CREATE INDEX chunk_transfers_by_event ON chunk_transfers (event_id);
CREATE INDEX chunk_transfers_closed ON chunk_transfers (last_chunk_at) WHERE state <> 'open';

COMMENT ON TABLE  chunk_transfers               IS 'Payloads that come in several requests. A closed one stays as a tombstone, so that a late repetition is recognised.';
COMMENT ON COLUMN chunk_transfers.id            IS 'Identity.';
COMMENT ON COLUMN chunk_transfers.tenant        IS 'As in events, of the first chunk.';
COMMENT ON COLUMN chunk_transfers.source        IS 'The source.';
COMMENT ON COLUMN chunk_transfers.provider      IS 'As in events.';
COMMENT ON COLUMN chunk_transfers.action        IS 'As in events, of the first chunk.';
COMMENT ON COLUMN chunk_transfers.strength      IS 'As in events, of the first chunk.';
COMMENT ON COLUMN chunk_transfers.secret        IS 'As in events, of the first chunk.';
COMMENT ON COLUMN chunk_transfers.headers       IS 'As in events, of the first chunk.';
COMMENT ON COLUMN chunk_transfers.key           IS 'SHA-256 over the sender''s transfer id and the first part of the subject (the repository).';
COMMENT ON COLUMN chunk_transfers.subject       IS 'SHA-256 over what is transferred: a newer transfer of the same supersedes an older one.';
COMMENT ON COLUMN chunk_transfers.owner         IS 'SHA-256 over the first part of the subject (the repository): each has a share of what its source may have open.';
COMMENT ON COLUMN chunk_transfers.transfer_id   IS 'The sender''s id of the transfer.';
COMMENT ON COLUMN chunk_transfers.manifest      IS 'Digest over everything that the first chunk froze.';
COMMENT ON COLUMN chunk_transfers.event_type    IS 'The event type of the whole.';
COMMENT ON COLUMN chunk_transfers.envelope      IS 'The payload''s JSON without content and chunk number.';
COMMENT ON COLUMN chunk_transfers.total         IS 'How many chunks there are.';
COMMENT ON COLUMN chunk_transfers.have          IS 'How many have arrived.';
COMMENT ON COLUMN chunk_transfers.received      IS 'Bytes of base64 text that have arrived.';
COMMENT ON COLUMN chunk_transfers.sent_at       IS 'When the sender built the payload.';
COMMENT ON COLUMN chunk_transfers.opened_at     IS 'When the first chunk arrived.';
COMMENT ON COLUMN chunk_transfers.last_chunk_at IS 'When the last new chunk arrived.';
COMMENT ON COLUMN chunk_transfers.state         IS 'open; whole: became an event; quarantined: became a dead letter; superseded: a newer one came; expired: the rest did not come in time.';
COMMENT ON COLUMN chunk_transfers.event_id      IS 'The id that the whole event has, or will have: answered from the first chunk on.';

CREATE TABLE chunk_buffer (
    transfer bigint  NOT NULL REFERENCES chunk_transfers ON DELETE CASCADE,
    index    integer NOT NULL CHECK (index >= 0),
    digest   bytea   NOT NULL CHECK (octet_length(digest) = 32),
    content  bytea   NOT NULL,
    PRIMARY KEY (transfer, index)
);
ALTER TABLE chunk_buffer ALTER COLUMN content SET STORAGE EXTERNAL;

COMMENT ON TABLE  chunk_buffer          IS 'Chunks of open transfers. Emptied in the transaction that closes the transfer.';
COMMENT ON COLUMN chunk_buffer.transfer IS 'The transfer.';
COMMENT ON COLUMN chunk_buffer.index    IS 'The chunk''s place, from 0.';
COMMENT ON COLUMN chunk_buffer.digest   IS 'SHA-256 of the content: tells a repetition from a conflict without reading the content.';
COMMENT ON COLUMN chunk_buffer.content  IS 'The slice of base64 text, as it was received.';

-- Destinations that events are sent to. Their deliveries are those whose handler begins with
-- `to:`; they are claimed separately, under a lock per destination.

-- A destination without failures that is not paused has no row.
CREATE TABLE destinations (
    handler        text        COLLATE "C" PRIMARY KEY CHECK (handler LIKE 'to:%'),
    paused_at      timestamptz,
    disabled_at    timestamptz,
    disabled_reason text,
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
        CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL)),
    CONSTRAINT open_until_a_probe
        CHECK ((opened_at IS NULL) = (openings = 0)
           AND (opened_at IS NULL OR not_before IS NOT NULL))
);

COMMENT ON TABLE  destinations                IS 'What holds destinations back. Shared by all gateways on this database.';
COMMENT ON COLUMN destinations.handler        IS 'As in deliveries: `to:` and the destination''s name.';
COMMENT ON COLUMN destinations.paused_at      IS 'When an operator paused it; null where it is not paused.';
COMMENT ON COLUMN destinations.disabled_at    IS 'When it was disabled, by an operator or because it answered 410; null where it is enabled.';
COMMENT ON COLUMN destinations.disabled_reason IS 'Why it is disabled.';
COMMENT ON COLUMN destinations.failures       IS 'Failures in a row, with no success between them.';
COMMENT ON COLUMN destinations.failing_since  IS 'When the first of those failures was; null where the last request succeeded.';
COMMENT ON COLUMN destinations.opened_at      IS 'When its breaker opened; null while it is closed.';
COMMENT ON COLUMN destinations.openings       IS 'How often the breaker has opened, the first time and after every probe that failed; 0 while it is closed.';
COMMENT ON COLUMN destinations.not_before     IS 'Nothing is sent before this time: the next probe of an open breaker, or what a Retry-After asked for.';
COMMENT ON COLUMN destinations.rejections     IS 'Grows by 2 with every event that is rejected (4xx), up to 20, and shrinks by 1 with every event that is taken.';
COMMENT ON COLUMN destinations.rejecting_since IS 'When rejections reached 10: more than a third of the events are rejected. Null again once it is back at 0.';
COMMENT ON COLUMN destinations.last_failed_at IS 'When it last failed.';
COMMENT ON COLUMN destinations.last_error     IS 'How it last failed, at most 8 KiB.';

-- Statistics of destinations for the console. Approximate, like the counters: each gateway writes
-- its numbers every few seconds.
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

-- Credentials that the gateway keeps: API tokens for the senders.

CREATE TABLE credentials (
    tenant     text        COLLATE "C" NOT NULL,
    source     text        COLLATE "C" NOT NULL,
    name       text        COLLATE "C" NOT NULL,
    key_id     text        COLLATE "C" NOT NULL,
    nonce      bytea       NOT NULL CHECK (octet_length(nonce) = 12),
    ciphertext bytea       NOT NULL CHECK (octet_length(ciphertext) >= 16),
    sealed_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant, source, name)
);

COMMENT ON TABLE  credentials            IS 'Credentials, sealed with AES-256-GCM under a master key that is not in the database. What is authenticated with each: tenant, source and name, so that one row''s secret cannot be put into another.';
COMMENT ON COLUMN credentials.tenant     IS 'To whom the source belongs.';
COMMENT ON COLUMN credentials.source     IS 'The source that uses it.';
COMMENT ON COLUMN credentials.name       IS 'What it is, in the words of the source''s provider.';
COMMENT ON COLUMN credentials.key_id     IS 'Which master key seals it: a digest of the key.';
COMMENT ON COLUMN credentials.nonce      IS 'The nonce: random, new with every sealing.';
COMMENT ON COLUMN credentials.ciphertext IS 'The sealed secret with its tag.';
COMMENT ON COLUMN credentials.sealed_at  IS 'When it was sealed last.';

-- Alerts: written in the transaction that raises them, sent afterwards. Times are by the database's
-- clock, which all gateways share.

CREATE TABLE alerts (
    id               bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source           text        NOT NULL,
    kind             text        NOT NULL,
    key              text        NOT NULL,
    dedup_key        bytea       NOT NULL CHECK (octet_length(dedup_key) = 32),
    severity         smallint    NOT NULL CHECK (severity BETWEEN 1 AND 3),
    resolution       boolean     NOT NULL DEFAULT false,
    text             text        NOT NULL,
    first_at         timestamptz NOT NULL,
    last_at          timestamptz NOT NULL,
    count            bigint      NOT NULL DEFAULT 1 CHECK (count > 0),
    hour_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    hour_count       bigint      NOT NULL DEFAULT 1,
    hour_before      bigint      NOT NULL DEFAULT 0,
    notified_count   bigint      NOT NULL DEFAULT 0 CHECK (notified_count BETWEEN 0 AND count),
    pending          boolean     NOT NULL DEFAULT true,
    sent_at          timestamptz,
    closed_at        timestamptz,
    passing          boolean     NOT NULL DEFAULT false,
    attempts         integer     NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    retry_at         timestamptz,
    lease_token      uuid,
    lease_expires_at timestamptz,
    CONSTRAINT leased_whole_or_not_at_all
        CHECK ((lease_token IS NULL) = (lease_expires_at IS NULL)),
    CONSTRAINT a_resolution_is_closed
        CHECK (NOT resolution OR closed_at IS NOT NULL)
);
CREATE UNIQUE INDEX alerts_open ON alerts (dedup_key) WHERE closed_at IS NULL;
CREATE INDEX alerts_pending ON alerts (severity, id) WHERE pending;
CREATE INDEX alerts_by_age ON alerts (last_at);

COMMENT ON TABLE  alerts                  IS 'Notifications for users. Repeats of an open alert are counted in its row.';
COMMENT ON COLUMN alerts.id               IS 'Identity.';
COMMENT ON COLUMN alerts.source           IS 'The source it is about; empty for the gateway itself.';
COMMENT ON COLUMN alerts.kind             IS 'The type of the alert, such as dead_letter.';
COMMENT ON COLUMN alerts.key              IS 'The subject, at most 200 bytes.';
COMMENT ON COLUMN alerts.dedup_key        IS 'SHA-256 over source, kind and the full key: an alert with the same one is a repeat.';
COMMENT ON COLUMN alerts.severity         IS '1: info, 2: warning, 3: critical. The highest it was raised with.';
COMMENT ON COLUMN alerts.resolution       IS 'Whether it reports that another alert was closed.';
COMMENT ON COLUMN alerts.text             IS 'The latest text, at most 1 KiB. It may quote untrusted data.';
COMMENT ON COLUMN alerts.first_at         IS 'When it was first raised.';
COMMENT ON COLUMN alerts.last_at          IS 'When it was last raised.';
COMMENT ON COLUMN alerts.count            IS 'How often it was raised.';
COMMENT ON COLUMN alerts.hour_at          IS 'The beginning of the hour counted in hour_count, to notice a change of rate.';
COMMENT ON COLUMN alerts.hour_count       IS 'How often it was raised in that hour.';
COMMENT ON COLUMN alerts.hour_before      IS 'How often it was raised in the hour before that.';
COMMENT ON COLUMN alerts.notified_count   IS 'The count that was last sent.';
COMMENT ON COLUMN alerts.pending          IS 'Whether it is to be sent. False once it was sent, or given up as too old or one too many.';
COMMENT ON COLUMN alerts.sent_at          IS 'When it was last sent; null if never.';
COMMENT ON COLUMN alerts.closed_at        IS 'When it was closed; null while it is open.';
COMMENT ON COLUMN alerts.passing          IS 'Whether it is closed by itself, an hour after it was last raised: no resolution follows.';
COMMENT ON COLUMN alerts.attempts         IS 'Failed attempts to send it, in a row.';
COMMENT ON COLUMN alerts.retry_at         IS 'After a failure: no alert is sent before this time, since all go to the same channel.';
COMMENT ON COLUMN alerts.lease_token      IS 'The fencing token of the gateway that is sending it.';
COMMENT ON COLUMN alerts.lease_expires_at IS 'When another gateway may send it instead.';

-- Counters of received events and outcomes. Overviews and alarms read these, never events or
-- deliveries. Counted in each gateway and added every few seconds, so they are approximate.

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
COMMENT ON COLUMN counters.what    IS 'accepted, duplicate, quarantined, chunk, refused; acknowledged; handled, ignored, retry, deferred, dead, replayed, expired.';
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

-- Rejected requests that a source is configured to keep, so that an operator can see why they were
-- rejected and reprocess them once the cause is fixed.

CREATE TABLE rejected_requests (
    id          uuid        PRIMARY KEY,
    number      bigint      GENERATED ALWAYS AS IDENTITY UNIQUE,
    tenant      text        NOT NULL,
    source      text        NOT NULL,
    provider    text        NOT NULL,
    reason      text        NOT NULL
        CHECK (reason IN ('unknown_source', 'sig_missing', 'sig_malformed', 'ts_malformed',
                          'ts_stale', 'ts_future', 'sig_mismatch', 'id_charset', 'not_allowed')),
    peer        text,
    size_bytes  bigint      NOT NULL CHECK (size_bytes >= 0),
    key_id      text        COLLATE "C",
    nonce       bytea       CHECK (octet_length(nonce) = 12),
    ciphertext  bytea       CHECK (octet_length(ciphertext) >= 16),
    received_at timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    event_id    uuid,
    verified_at timestamptz,
    verified_by text,
    CONSTRAINT sealed_until_it_is_an_event CHECK (
        num_nonnulls(key_id, nonce, ciphertext) = CASE WHEN event_id IS NULL THEN 3 ELSE 0 END
        AND num_nonnulls(verified_at, verified_by) = CASE WHEN event_id IS NULL THEN 0 ELSE 2 END
    )
);
CREATE INDEX rejected_requests_by_source ON rejected_requests (source, id);
CREATE INDEX rejected_requests_by_expiry ON rejected_requests (expires_at);

COMMENT ON TABLE  rejected_requests             IS 'Rejected requests with a signature, of sources with keep_rejected. Never dispatched. Bounded per source; removed when they expire.';
COMMENT ON COLUMN rejected_requests.id          IS 'A UUID of version 7, by time of arrival.';
COMMENT ON COLUMN rejected_requests.number      IS 'Sequence number, in the order of insertion: how far a job has come.';
COMMENT ON COLUMN rejected_requests.tenant      IS 'To whom the source belongs.';
COMMENT ON COLUMN rejected_requests.source      IS 'The source that rejected it.';
COMMENT ON COLUMN rejected_requests.provider    IS 'What kind of sender the source is for.';
COMMENT ON COLUMN rejected_requests.reason      IS 'Why it was rejected.';
COMMENT ON COLUMN rejected_requests.peer        IS 'The address that it came from, as far as it is known.';
COMMENT ON COLUMN rejected_requests.size_bytes  IS 'The size of its body.';
COMMENT ON COLUMN rejected_requests.key_id      IS 'Which master key seals it; null once it is an event.';
COMMENT ON COLUMN rejected_requests.nonce       IS 'The nonce; null once it is an event.';
COMMENT ON COLUMN rejected_requests.ciphertext  IS 'Its head and body, sealed with AES-256-GCM under tenant, source and id; null once it is an event.';
COMMENT ON COLUMN rejected_requests.received_at IS 'When it arrived: the time by which it is verified again.';
COMMENT ON COLUMN rejected_requests.expires_at  IS 'When it is removed.';
COMMENT ON COLUMN rejected_requests.event_id    IS 'The event that it became when it was verified again.';
COMMENT ON COLUMN rejected_requests.verified_at IS 'When that was.';
COMMENT ON COLUMN rejected_requests.verified_by IS 'Who had it verified again.';

-- Paused sources and handlers.
CREATE TABLE pauses (
    what       text        NOT NULL CHECK (what IN ('source', 'handler')),
    name       text        COLLATE "C" NOT NULL,
    paused_at  timestamptz,
    paused_by  text        NOT NULL,
    reason     text        NOT NULL,
    resumed_at timestamptz,
    PRIMARY KEY (what, name),
    CONSTRAINT paused_or_resumed CHECK (num_nonnulls(paused_at, resumed_at) >= 1)
);
COMMENT ON TABLE  pauses            IS 'Sources and handlers that are or were paused: what arrives is recorded, and waits.';
COMMENT ON COLUMN pauses.what       IS 'source or handler.';
COMMENT ON COLUMN pauses.name       IS 'Its name, as in deliveries.';
COMMENT ON COLUMN pauses.paused_at  IS 'Since when it is paused; null where it is not.';
COMMENT ON COLUMN pauses.paused_by  IS 'Who paused it last.';
COMMENT ON COLUMN pauses.reason     IS 'The reason that was given.';
COMMENT ON COLUMN pauses.resumed_at IS 'When it was resumed last: what is older counts its age from then.';

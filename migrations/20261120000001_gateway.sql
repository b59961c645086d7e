-- The gateway's own tables. Events and attempts are append-only; what changes is the delivery.
--
-- The three tables that every request writes to have no CHECK: the server parses and plans each
-- one anew for every statement, which together cost as much as the rows of a small group. What
-- they would say, the view `invalid_rows` says; the tests ask it after every run.

CREATE TABLE events (
    id           uuid        PRIMARY KEY,
    tenant       text        NOT NULL,
    source       text        NOT NULL,
    provider     text        NOT NULL,
    kind         text        NOT NULL,
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
    xact         xid8        NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX events_by_xact ON events (xact);
-- Bodies are mostly compressed or base64 already: compressing again costs and gains nothing, and
-- stored plain they can be read in slices.
ALTER TABLE events ALTER COLUMN body SET STORAGE EXTERNAL;

COMMENT ON TABLE  events              IS 'What arrived, verified. Append-only.';
COMMENT ON COLUMN events.id           IS 'UUIDv7: sorts by time of arrival.';
COMMENT ON COLUMN events.tenant       IS 'To whom the source belongs.';
COMMENT ON COLUMN events.source       IS 'The name of the source in the configuration.';
COMMENT ON COLUMN events.provider     IS 'What kind of sender the source is.';
COMMENT ON COLUMN events.kind         IS 'The event type, at most 200 bytes.';
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

-- Names are compared byte by byte: they are looked up, never sorted for people.
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
    resolved_at      timestamptz
);
-- A queue for every source and handler: what waits in one is never looked at for another. What is
-- put aside is in none of them.
CREATE INDEX deliveries_ready ON deliveries (source, handler, due_at, id)
    WHERE state = 'ready' AND parked IS NULL;
CREATE INDEX deliveries_aside ON deliveries (parked, source, handler, lane, id)
    WHERE state = 'ready' AND parked IS NOT NULL;
CREATE INDEX deliveries_awaiting ON deliveries (source, awaiting)
    WHERE state = 'ready' AND awaiting IS NOT NULL;
CREATE INDEX deliveries_leased ON deliveries (source, handler, lane) WHERE state = 'leased';
-- How many requests to a destination are under way.
CREATE INDEX deliveries_sending ON deliveries (handler, lease_expires_at)
    WHERE state = 'leased' AND handler LIKE 'to:%';
-- Exactly what stands in the way of a lane's followers: what is at work in it, and what is ahead.
CREATE INDEX deliveries_lane
    ON deliveries (lane, source, handler, (COALESCE(lane_position, id)), id)
    WHERE lane IS NOT NULL
      AND (state IN ('ready', 'leased') OR (state = 'dead' AND lane_blocks AND resolution IS NULL));
CREATE INDEX deliveries_dead ON deliveries (id) WHERE state = 'dead';
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

-- What `deliveries_lane` has, so that the condition stands once.
CREATE VIEW lane_members AS
    SELECT id, event_id, source, handler, lane, COALESCE(lane_position, id) AS position, state,
           parked
      FROM deliveries
     WHERE lane IS NOT NULL
       AND (state IN ('ready', 'leased') OR (state = 'dead' AND lane_blocks AND resolution IS NULL));
COMMENT ON VIEW lane_members IS 'The deliveries that hold up those behind them in their lane: what is to be done, what is being done, and a dead letter that blocks.';

-- Reads one row for each queue, and not what waits in it.
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
COMMENT ON COLUMN attempts.result      IS 'done; retry: failed, due again later; held: the same while its destination is held back, and does not count; dead: failed for good; lost: the lease ran out with no result, and does not count either.';
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
    kind          text        NOT NULL,
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
COMMENT ON COLUMN chunk_transfers.kind          IS 'The event type of the whole.';
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

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
-- Bodies are mostly compressed or base64 already: compressing them again costs time and saves
-- nothing, and uncompressed they can be read in slices.
ALTER TABLE events ALTER COLUMN body SET STORAGE EXTERNAL;

COMMENT ON TABLE  events              IS 'Received events, verified. Append-only.';
COMMENT ON COLUMN events.id           IS 'UUIDv7: sorts by time of arrival.';
COMMENT ON COLUMN events.tenant       IS 'The tenant of the source.';
COMMENT ON COLUMN events.source       IS 'The name of the source in the configuration.';
COMMENT ON COLUMN events.provider     IS 'The provider of the source.';
COMMENT ON COLUMN events.event_type   IS 'The event type, at most 200 bytes.';
COMMENT ON COLUMN events.action       IS 'The action in the path; an unsigned hint.';
COMMENT ON COLUMN events.strength     IS 'signed: the body is covered by the signature; vouched: a token or a shared secret authenticates the request; edited: an operator wrote the body.';
COMMENT ON COLUMN events.late         IS 'Accepted after its token expired, because the provider still expected it.';
COMMENT ON COLUMN events.secret       IS 'The fingerprint of the secret that verified it.';
COMMENT ON COLUMN events.skew_seconds IS 'The gateway''s time minus the signed time at arrival; null if the sender signs no time.';
COMMENT ON COLUMN events.received_at  IS 'When it was received, by the gateway''s clock. For a chunked payload: when it was complete.';
COMMENT ON COLUMN events.occurred_at  IS 'The time reported by the sender.';
COMMENT ON COLUMN events.key          IS 'Its key in event_keys.';
COMMENT ON COLUMN events.headers      IS 'The stored headers, as a JSON object of strings. Never a signature or a secret. Names that begin with a colon are request metadata: the content type, the user agent and the client address.';
COMMENT ON COLUMN events.claims       IS 'The claims of the verified token, as JSON; null without a token.';
COMMENT ON COLUMN events.envelope     IS 'For a chunked payload: its JSON without content and chunk number. Null otherwise.';
COMMENT ON COLUMN events.body         IS 'The exact bytes received; for a chunked payload, the decoded file.';
COMMENT ON COLUMN events.xact         IS 'The transaction that inserted it: its position in the change stream.';
COMMENT ON COLUMN events.edited_from IS 'The original event, if an operator created this one by an edit. The body is the operator''s; the fingerprint of the secret and the rest of the proof are those of the original.';
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
-- Rows are inserted in the order of their expiry: a block range index costs almost nothing per insert.
CREATE INDEX event_keys_by_expiry ON event_keys USING brin (expires_at);

COMMENT ON TABLE  event_keys              IS 'Deduplication keys. Inserted in the transaction that inserts the event; a separate table, so that keys expire on their own.';
COMMENT ON COLUMN event_keys.key          IS 'SHA-256 over tenant, source, type of key and key: long or odd ids cannot break the index.';
COMMENT ON COLUMN event_keys.event_id     IS 'The first event with this key.';
COMMENT ON COLUMN event_keys.fingerprint  IS 'The SHA-256 of the first body with this key; null if the key already depends on it, and for chunked payloads.';
COMMENT ON COLUMN event_keys.seen_count   IS 'How often it was received, including the first time.';
COMMENT ON COLUMN event_keys.other_bodies IS 'How often it was received with another body than the first.';
COMMENT ON COLUMN event_keys.last_seen_at IS 'When it was last received.';
COMMENT ON COLUMN event_keys.expires_at   IS 'When the key may be deleted.';

-- Names are compared byte by byte: they are looked up, never sorted for display.
CREATE TABLE deliveries (
    id               bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id         uuid        NOT NULL,
    source           text        COLLATE "C" NOT NULL,
    handler          text        COLLATE "C" NOT NULL,
    -- Costs every INSERT what a CHECK would, but no update, since no handler is ever changed. The
    -- prefix is also in src/store/handler_name.rs.
    destination      text        COLLATE "C" GENERATED ALWAYS AS
        (CASE WHEN starts_with(handler, 'to:') THEN substr(handler, 4) END) STORED,
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
CREATE INDEX deliveries_sending ON deliveries (destination, lease_expires_at)
    WHERE state = 'leased' AND destination IS NOT NULL;
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

COMMENT ON TABLE  deliveries                  IS 'The processing of an event: one row per event, handler and trigger. A replay is a new row.';
COMMENT ON COLUMN deliveries.id               IS 'Identity; its order is the order of arrival.';
COMMENT ON COLUMN deliveries.event_id         IS 'The event. No foreign key: both rows are written by one statement and deleted together, and the check would cost on every insert.';
COMMENT ON COLUMN deliveries.source           IS 'The source of the event, stored here too so that queues need no join.';
COMMENT ON COLUMN deliveries.handler          IS 'The stored name of the handler: that of a destination is `to:` and its name. `quarantine` if the event reached no handler.';
COMMENT ON COLUMN deliveries.destination      IS 'The name of the destination; null if the handler is none.';
COMMENT ON COLUMN deliveries.triggered_by     IS 'arrival: the event was received; replay: an operator replayed a delivery; edit: an operator edited the event.';
COMMENT ON COLUMN deliveries.replay_of        IS 'The delivery that this one replays.';
COMMENT ON COLUMN deliveries.lane             IS 'Deliveries of one source and handler with the same lane run one after the other.';
COMMENT ON COLUMN deliveries.lane_position    IS 'The position in the lane, if it is not the id: the replay of a blocking dead letter takes its position. The lowest unfinished one goes first.';
COMMENT ON COLUMN deliveries.lane_blocks      IS 'Whether a dead letter blocks its lane until it is resolved (block) or not (park).';
COMMENT ON COLUMN deliveries.state            IS 'ready, leased, done or dead.';
COMMENT ON COLUMN deliveries.parked            IS 'Why a ready delivery is not in its queue. behind: another delivery of its lane is before it, and unparks it when it ends; isolated: its lease expired without a result, and it runs alone. An isolated delivery keeps the word while it is leased.';
COMMENT ON COLUMN deliveries.attempts         IS 'Attempts started. Counted when the lease is taken, so that an attempt that crashes the process counts too.';
COMMENT ON COLUMN deliveries.created_at       IS 'When the delivery was created.';
COMMENT ON COLUMN deliveries.due_at           IS 'The earliest time of the next attempt.';
COMMENT ON COLUMN deliveries.lease_token      IS 'The fencing token of the current lease: only its holder may settle.';
COMMENT ON COLUMN deliveries.lease_expires_at IS 'When the lease expires, by the database''s clock.';
COMMENT ON COLUMN deliveries.finished_at      IS 'When it was completed or dead-lettered.';
COMMENT ON COLUMN deliveries.outcome          IS 'For done: handled, unchanged or ignored.';
COMMENT ON COLUMN deliveries.death_reason     IS 'For dead: the reason, one of a closed list.';
COMMENT ON COLUMN deliveries.last_error       IS 'The last error, at most 8 KiB.';
COMMENT ON COLUMN deliveries.awaiting         IS 'For ready: the name of what it waits for, if something will release it.';
COMMENT ON COLUMN deliveries.resolution       IS 'For dead: replayed or discarded by an operator; null while it is open.';
COMMENT ON COLUMN deliveries.resolved_at      IS 'When it was resolved.';
COMMENT ON COLUMN deliveries.group_id IS 'For dead: its group; null until it is grouped in the background.';

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
COMMENT ON VIEW invalid_rows IS 'Rows that violate a rule of their table. Always empty, unless there is a bug.';

-- The same condition as `deliveries_lane`, defined once.
CREATE VIEW lane_members AS
    SELECT id, event_id, source, handler, lane, COALESCE(lane_position, id) AS position, state,
           parked
      FROM deliveries
     WHERE lane IS NOT NULL
       AND (state IN ('ready', 'leased') OR (state = 'dead' AND lane_blocks AND resolution IS NULL));
COMMENT ON VIEW lane_members IS 'The deliveries that block those behind them in their lane: unfinished ones, and dead letters that block.';

-- Reads one row per queue, not the deliveries in it.
CREATE VIEW queues AS
    WITH RECURSIVE queue AS (
        (SELECT source, handler, destination FROM deliveries
          WHERE state = 'ready' AND parked IS NULL
          ORDER BY source, handler LIMIT 1)
        UNION ALL
        SELECT following.source, following.handler, following.destination
          FROM queue CROSS JOIN LATERAL (
            SELECT d.source, d.handler, d.destination FROM deliveries d
             WHERE d.state = 'ready' AND d.parked IS NULL
               AND (d.source, d.handler) > (queue.source, queue.handler)
             ORDER BY d.source, d.handler LIMIT 1) AS following
    )
    SELECT source, handler, destination FROM queue;
COMMENT ON VIEW queues IS 'The sources and handlers with ready deliveries.';

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
COMMENT ON TABLE  attempts             IS 'The attempts of deliveries. Append-only, written in the transaction that settles the delivery.';
COMMENT ON COLUMN attempts.delivery_id IS 'The delivery.';
COMMENT ON COLUMN attempts.number      IS 'From 1, without gaps.';
COMMENT ON COLUMN attempts.started_at  IS 'When the handler was called.';
COMMENT ON COLUMN attempts.finished_at IS 'When the handler returned; for a lost attempt, when the loss was detected.';
COMMENT ON COLUMN attempts.result      IS 'done; retry: failed, will be retried; deferred: the destination was blocked, which does not count as an attempt; dead: failed, dead-lettered; lost: the lease expired without a result, which does not count either.';
COMMENT ON COLUMN attempts.error       IS 'The error, at most 8 KiB.';
COMMENT ON COLUMN attempts.xact        IS 'The transaction that inserted it: its position in the change stream.';

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

COMMENT ON TABLE  chunk_transfers               IS 'Payloads received in several requests. A closed transfer remains as a tombstone, so that late duplicates are recognised.';
COMMENT ON COLUMN chunk_transfers.id            IS 'Identity.';
COMMENT ON COLUMN chunk_transfers.tenant        IS 'As in events, of the first chunk.';
COMMENT ON COLUMN chunk_transfers.source        IS 'The source.';
COMMENT ON COLUMN chunk_transfers.provider      IS 'As in events.';
COMMENT ON COLUMN chunk_transfers.action        IS 'As in events, of the first chunk.';
COMMENT ON COLUMN chunk_transfers.strength      IS 'As in events, of the first chunk.';
COMMENT ON COLUMN chunk_transfers.secret        IS 'As in events, of the first chunk.';
COMMENT ON COLUMN chunk_transfers.headers       IS 'As in events, of the first chunk.';
COMMENT ON COLUMN chunk_transfers.key           IS 'SHA-256 over the sender''s transfer id and the first part of the subject (the repository).';
COMMENT ON COLUMN chunk_transfers.subject       IS 'SHA-256 over the subject: a newer transfer of the same subject supersedes an older one.';
COMMENT ON COLUMN chunk_transfers.owner         IS 'SHA-256 over the first part of the subject (the repository): each has its own limit on open transfers.';
COMMENT ON COLUMN chunk_transfers.transfer_id   IS 'The sender''s id of the transfer.';
COMMENT ON COLUMN chunk_transfers.manifest      IS 'Digest over the fields that must be the same in every chunk.';
COMMENT ON COLUMN chunk_transfers.event_type    IS 'The event type of the complete payload.';
COMMENT ON COLUMN chunk_transfers.envelope      IS 'The payload''s JSON without content and chunk number.';
COMMENT ON COLUMN chunk_transfers.total         IS 'The total number of chunks.';
COMMENT ON COLUMN chunk_transfers.have          IS 'The number of chunks received.';
COMMENT ON COLUMN chunk_transfers.received      IS 'Bytes of base64 text received.';
COMMENT ON COLUMN chunk_transfers.sent_at       IS 'When the sender built the payload.';
COMMENT ON COLUMN chunk_transfers.opened_at     IS 'When the first chunk arrived.';
COMMENT ON COLUMN chunk_transfers.last_chunk_at IS 'When the last new chunk arrived.';
COMMENT ON COLUMN chunk_transfers.state         IS 'open; whole: complete, became an event; quarantined: complete, became a dead letter; superseded: replaced by a newer transfer; expired: not completed in time.';
COMMENT ON COLUMN chunk_transfers.event_id      IS 'The id of the event, assigned with the first chunk.';

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
COMMENT ON COLUMN chunk_buffer.index    IS 'The number of the chunk, from 0.';
COMMENT ON COLUMN chunk_buffer.digest   IS 'SHA-256 of the content: tells a duplicate from a conflict without reading the content.';
COMMENT ON COLUMN chunk_buffer.content  IS 'The slice of base64 text, as received.';

-- Destinations that events are sent to. Their deliveries, those with a destination, are claimed
-- separately, under a lock per destination.

-- A destination without failures that is not paused has no row.
CREATE TABLE destinations (
    name           text        COLLATE "C" PRIMARY KEY,
    paused_at      timestamptz,
    paused_by      text,
    paused_reason  text,
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
    CONSTRAINT paused_by_somebody
        CHECK (num_nulls(paused_at, paused_by, paused_reason) IN (0, 3)),
    CONSTRAINT disabled_for_a_reason
        CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL)),
    CONSTRAINT open_until_a_probe
        CHECK ((opened_at IS NULL) = (openings = 0)
           AND (opened_at IS NULL OR not_before IS NOT NULL))
);

COMMENT ON TABLE  destinations                IS 'The state of destinations: paused, disabled, circuit breaker. Shared by all gateways on this database.';
COMMENT ON COLUMN destinations.name           IS 'Its name.';
COMMENT ON COLUMN destinations.paused_at      IS 'When an operator paused it; null if it is not paused.';
COMMENT ON COLUMN destinations.paused_by      IS 'Who paused it.';
COMMENT ON COLUMN destinations.paused_reason  IS 'The reason given.';
COMMENT ON COLUMN destinations.disabled_at    IS 'When it was disabled, by an operator or by a 410 response; null if it is enabled.';
COMMENT ON COLUMN destinations.disabled_reason IS 'Why it is disabled.';
COMMENT ON COLUMN destinations.failures       IS 'Consecutive failures.';
COMMENT ON COLUMN destinations.failing_since  IS 'When the first of those failures was; null if the last request succeeded.';
COMMENT ON COLUMN destinations.opened_at      IS 'When its breaker opened; null while it is closed.';
COMMENT ON COLUMN destinations.openings       IS 'How often the breaker has opened since it was closed: the first time, and after every failed probe. 0 while it is closed.';
COMMENT ON COLUMN destinations.not_before     IS 'Nothing is sent before this time: the next probe of an open breaker, or a Retry-After.';
COMMENT ON COLUMN destinations.rejections     IS 'Incremented by 2 for every rejected event (4xx), up to 20, and decremented by 1 for every accepted one.';
COMMENT ON COLUMN destinations.rejecting_since IS 'When rejections reached 10: more than a third of the events are rejected. Null again when it is back at 0.';
COMMENT ON COLUMN destinations.last_failed_at IS 'When it last failed.';
COMMENT ON COLUMN destinations.last_error     IS 'The last error, at most 8 KiB.';

-- Statistics of destinations for the console. Approximate, like the counters: each gateway writes
-- its numbers every few seconds.
CREATE TABLE destination_hours (
    destination text        COLLATE "C" NOT NULL,
    hour        timestamptz NOT NULL,
    delivered   bigint      NOT NULL,
    failed      bigint      NOT NULL,
    within      bigint[]    NOT NULL,
    PRIMARY KEY (destination, hour)
);

COMMENT ON TABLE  destination_hours             IS 'Results of destinations per hour. Kept for a week.';
COMMENT ON COLUMN destination_hours.destination IS 'The name of the destination.';
COMMENT ON COLUMN destination_hours.hour        IS 'The start of the hour, in UTC.';
COMMENT ON COLUMN destination_hours.delivered   IS 'Accepted events.';
COMMENT ON COLUMN destination_hours.failed      IS 'Requests that failed or were rejected.';
COMMENT ON COLUMN destination_hours.within      IS 'Responses by duration: up to 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000 and 5000 ms, and longer.';

CREATE TABLE destination_responses (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    destination text        COLLATE "C" NOT NULL,
    at          timestamptz NOT NULL,
    took_ms     bigint      NOT NULL,
    delivery_id bigint,
    event_id    uuid        NOT NULL,
    status      integer,
    headers     text        NOT NULL,
    body        text        NOT NULL,
    error       text
);
CREATE INDEX destination_responses_of ON destination_responses (destination, id);

COMMENT ON TABLE  destination_responses             IS 'The last responses of each destination, at most twenty; of successes, at most one per second.';
COMMENT ON COLUMN destination_responses.id          IS 'Identity.';
COMMENT ON COLUMN destination_responses.destination IS 'The name of the destination.';
COMMENT ON COLUMN destination_responses.at          IS 'When the request began.';
COMMENT ON COLUMN destination_responses.took_ms     IS 'The duration in milliseconds.';
COMMENT ON COLUMN destination_responses.delivery_id IS 'The delivery; null for a test.';
COMMENT ON COLUMN destination_responses.event_id    IS 'The event that was sent.';
COMMENT ON COLUMN destination_responses.status      IS 'The status; null without a response.';
COMMENT ON COLUMN destination_responses.headers     IS 'The headers as JSON, truncated. Untrusted.';
COMMENT ON COLUMN destination_responses.body        IS 'The beginning of the body. Untrusted.';
COMMENT ON COLUMN destination_responses.error       IS 'Why the event was not accepted; null if it was.';

-- Credentials stored by the gateway: API tokens for senders.

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

COMMENT ON TABLE  credentials            IS 'Credentials, encrypted with AES-256-GCM under a master key that is not in the database. Tenant, source and name are authenticated, so that a secret cannot be moved to another row.';
COMMENT ON COLUMN credentials.tenant     IS 'The tenant of the source.';
COMMENT ON COLUMN credentials.source     IS 'The source that uses it.';
COMMENT ON COLUMN credentials.name       IS 'The name, as defined by the provider of the source.';
COMMENT ON COLUMN credentials.key_id     IS 'The master key it is sealed with: a digest of the key.';
COMMENT ON COLUMN credentials.nonce      IS 'The nonce: random, new for every sealing.';
COMMENT ON COLUMN credentials.ciphertext IS 'The sealed secret with its tag.';
COMMENT ON COLUMN credentials.sealed_at  IS 'When it was last sealed.';

-- Alerts: written in the transaction that raises them, sent afterwards. Times are by the database's
-- clock, which all gateways share.

CREATE TABLE alerts (
    id               bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source           text        NOT NULL,
    alert_type       text        NOT NULL,
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
COMMENT ON COLUMN alerts.alert_type       IS 'The type of the alert, such as dead_letter.';
COMMENT ON COLUMN alerts.key              IS 'The subject, at most 200 bytes.';
COMMENT ON COLUMN alerts.dedup_key        IS 'SHA-256 over source, type and the full key: an alert with the same one is a repeat.';
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
COMMENT ON COLUMN alerts.passing          IS 'Whether it closes by itself an hour after it was last raised, without a resolution.';
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

COMMENT ON TABLE  counters         IS 'Counts per source and span of time. Approximate: a killed gateway loses counts that it has not added yet.';
COMMENT ON COLUMN counters.minutes IS 'The length of the span. Everything is counted twice: in spans of five minutes, kept for days, and of one hour, kept for weeks.';
COMMENT ON COLUMN counters.bucket  IS 'The start of the span; a multiple of its length in UTC.';
COMMENT ON COLUMN counters.source  IS 'The source; empty for requests to unknown paths.';
COMMENT ON COLUMN counters.what    IS 'accepted, duplicate, quarantined, chunk, refused; acknowledged; handled, ignored, retry, deferred, dead, replayed, expired.';
COMMENT ON COLUMN counters.detail  IS 'For refused: the reason. For quarantined: `too_large` if the body exceeded the limit. For acknowledged: the upper bound of the duration in milliseconds, or `more`. Empty otherwise.';
COMMENT ON COLUMN counters.count   IS 'The count.';

CREATE TABLE secret_usage (
    source   text        COLLATE "C" NOT NULL,
    secret   text        COLLATE "C" NOT NULL,
    requests bigint      NOT NULL CHECK (requests > 0),
    first_at timestamptz NOT NULL,
    last_at  timestamptz NOT NULL,
    PRIMARY KEY (source, secret)
) WITH (fillfactor = 70);

COMMENT ON TABLE  secret_usage          IS 'The secrets that senders use, so that unused ones can be removed. Approximate, like counters.';
COMMENT ON COLUMN secret_usage.source   IS 'The source.';
COMMENT ON COLUMN secret_usage.secret   IS 'The fingerprint of the secret.';
COMMENT ON COLUMN secret_usage.requests IS 'The number of requests verified with it.';
COMMENT ON COLUMN secret_usage.first_at IS 'When it first verified a request.';
COMMENT ON COLUMN secret_usage.last_at  IS 'When it last verified a request.';

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

COMMENT ON TABLE  rejected_requests             IS 'Rejected requests with a signature, of sources with keep_rejected. Never delivered. Limited per source; deleted when they expire.';
COMMENT ON COLUMN rejected_requests.id          IS 'A UUID of version 7: sorts by time of arrival.';
COMMENT ON COLUMN rejected_requests.number      IS 'Sequence number, in the order of insertion: the progress of a job.';
COMMENT ON COLUMN rejected_requests.tenant      IS 'The tenant of the source.';
COMMENT ON COLUMN rejected_requests.source      IS 'The source that rejected it.';
COMMENT ON COLUMN rejected_requests.provider    IS 'The provider of the source.';
COMMENT ON COLUMN rejected_requests.reason      IS 'Why it was rejected.';
COMMENT ON COLUMN rejected_requests.peer        IS 'The client address, if known.';
COMMENT ON COLUMN rejected_requests.size_bytes  IS 'The size of its body in bytes.';
COMMENT ON COLUMN rejected_requests.key_id      IS 'The master key it is sealed with; null once it is an event.';
COMMENT ON COLUMN rejected_requests.nonce       IS 'The nonce; null once it is an event.';
COMMENT ON COLUMN rejected_requests.ciphertext  IS 'Its head and body, sealed with AES-256-GCM under tenant, source and id; null once it is an event.';
COMMENT ON COLUMN rejected_requests.received_at IS 'When it arrived: the time used to verify it again.';
COMMENT ON COLUMN rejected_requests.expires_at  IS 'When it is deleted.';
COMMENT ON COLUMN rejected_requests.event_id    IS 'The event it became when it was reprocessed.';
COMMENT ON COLUMN rejected_requests.verified_at IS 'When it was reprocessed.';
COMMENT ON COLUMN rejected_requests.verified_by IS 'Who reprocessed it.';

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
COMMENT ON TABLE  pauses            IS 'Sources and handlers that are or were paused: their events are recorded and wait.';
COMMENT ON COLUMN pauses.what       IS 'source or handler.';
COMMENT ON COLUMN pauses.name       IS 'Its name, as in deliveries.';
COMMENT ON COLUMN pauses.paused_at  IS 'When it was paused; null if it is not paused.';
COMMENT ON COLUMN pauses.paused_by  IS 'Who last paused it.';
COMMENT ON COLUMN pauses.reason     IS 'The reason given.';
COMMENT ON COLUMN pauses.resumed_at IS 'When it was last resumed: the age of older deliveries counts from then.';

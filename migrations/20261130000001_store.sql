-- Narrower keys, erasure, resending, stored handshake secrets.
--
-- Rewrites `events` and `event_keys`, which nothing can read meanwhile: about a minute for a million
-- events. Stop the gateways first.

DROP VIEW invalid_rows;

ALTER TABLE events
    ALTER COLUMN key TYPE uuid USING encode(substring(key FROM 1 FOR 16), 'hex')::uuid,
    ADD COLUMN lane          text COLLATE "C",
    ADD COLUMN erased_at     timestamptz,
    ADD COLUMN erased_by     text,
    ADD COLUMN erased_reason text,
    ADD COLUMN body_digest   bytea;
UPDATE events SET lane = ordered.lane
  FROM (SELECT DISTINCT ON (event_id) event_id, lane FROM deliveries
         WHERE lane IS NOT NULL ORDER BY event_id, id) AS ordered
 WHERE events.id = ordered.event_id;
-- For lists of a source's events: those of a quiet one are far apart.
CREATE INDEX events_by_source ON events (source, id);

COMMENT ON TABLE  events               IS 'Received events, verified. Append-only, until they are erased: then headers, claims, envelope and body are gone, and the rest stays.';
COMMENT ON COLUMN events.lane          IS 'The lane of its deliveries; null if they need no order. Stored here too for deliveries that are made later, to a handler that had none.';
COMMENT ON COLUMN events.erased_at     IS 'When it was erased; null while it is whole.';
COMMENT ON COLUMN events.erased_by     IS 'Who erased it.';
COMMENT ON COLUMN events.erased_reason IS 'The reason given.';
COMMENT ON COLUMN events.body_digest   IS 'The SHA-256 of the body that was erased; null while it is there.';

ALTER TABLE event_keys
    ALTER COLUMN key TYPE uuid USING encode(substring(key FROM 1 FOR 16), 'hex')::uuid;
-- The ranges of the index before only grow: once expired keys had made room for new ones, every
-- range would have had expired keys.
DROP INDEX event_keys_by_expiry;
CREATE INDEX event_keys_by_expiry ON event_keys (expires_at);
COMMENT ON COLUMN event_keys.key IS 'The first half of a SHA-256 over tenant, source, type of key and key: long or odd ids cannot break the index. Half, because this index takes a random entry for every event, and its width is most of its cost. Two ids of one sender with the same half take 2^64 attempts to find, and would cost only that sender an event.';

-- The prefix is also in src/store/handler_name.rs.
CREATE FUNCTION destination_of(handler text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN starts_with(handler, 'to:') THEN substr(handler, 4) END;
COMMENT ON FUNCTION destination_of IS 'The name of the destination in a stored handler name; null if the handler is none.';

-- It is always destination_of(handler), but not generated: that costs every INSERT what a CHECK
-- would.
ALTER TABLE deliveries ALTER COLUMN destination DROP EXPRESSION;
-- The destinations with waiting deliveries, and how many: for alarms and the overview.
CREATE INDEX deliveries_waiting ON deliveries (destination)
    WHERE state = 'ready' AND destination IS NOT NULL;
COMMENT ON COLUMN deliveries.triggered_by IS 'arrival: the event was received; replay: an operator replayed a delivery; resend: an operator had the event delivered again, or for the first time; edit: an operator edited the event.';
COMMENT ON COLUMN deliveries.replay_of    IS 'The delivery that this one replays or resends; null for a resend to a handler that had none.';

CREATE VIEW invalid_rows AS
    SELECT 'deliveries' AS "table", id::text AS row FROM deliveries
     WHERE destination IS DISTINCT FROM destination_of(handler)
        OR (CASE state
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
            WHEN 'resend' THEN true
            END) IS NOT TRUE
    UNION ALL
    SELECT 'events', id::text FROM events
     WHERE strength NOT IN ('signed', 'vouched', 'edited')
        OR (CASE WHEN erased_at IS NULL THEN
                num_nonnulls(erased_by, erased_reason, body_digest) = 0
            ELSE
                num_nonnulls(erased_by, erased_reason, body_digest) = 3
                AND octet_length(body_digest) = 32 AND octet_length(body) = 0
                AND num_nonnulls(action, occurred_at, claims, envelope, lane) = 0
            END) IS NOT TRUE
    UNION ALL
    -- What nothing may deliver any more.
    SELECT 'deliveries', d.id::text
      FROM events e JOIN deliveries d ON d.event_id = e.id
     WHERE e.erased_at IS NOT NULL
       AND (d.state IN ('ready', 'leased') OR d.last_error IS NOT NULL OR d.lane IS NOT NULL)
    UNION ALL
    SELECT 'event_keys', key::text FROM event_keys
     WHERE octet_length(fingerprint) <> 32 OR seen_count < 1;
COMMENT ON VIEW invalid_rows IS 'Rows that violate a rule of their table. Always empty, unless there is a bug.';

-- Secrets that senders bring in a handshake. The secrets themselves are in credentials.

CREATE TABLE handshake_windows (
    tenant    text        COLLATE "C" NOT NULL,
    source    text        COLLATE "C" NOT NULL,
    opened_at timestamptz NOT NULL,
    opened_by text        NOT NULL,
    closes_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, source)
);

COMMENT ON TABLE  handshake_windows           IS 'Sources that accept a handshake which brings a secret. The row is deleted with the first one that is accepted.';
COMMENT ON COLUMN handshake_windows.tenant    IS 'The tenant of the source.';
COMMENT ON COLUMN handshake_windows.source    IS 'The source.';
COMMENT ON COLUMN handshake_windows.opened_at IS 'When it was opened.';
COMMENT ON COLUMN handshake_windows.opened_by IS 'Who opened it.';
COMMENT ON COLUMN handshake_windows.closes_at IS 'When it closes if no handshake arrives.';

CREATE TABLE handshake_secrets (
    tenant    text        COLLATE "C" NOT NULL,
    source    text        COLLATE "C" NOT NULL,
    name      text        COLLATE "C" NOT NULL,
    stored_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, source, name),
    FOREIGN KEY (tenant, source, name) REFERENCES credentials ON DELETE CASCADE
);

COMMENT ON TABLE  handshake_secrets           IS 'The credentials that are secrets of handshakes: a source verifies with them as with its configured secrets.';
COMMENT ON COLUMN handshake_secrets.tenant    IS 'As in credentials.';
COMMENT ON COLUMN handshake_secrets.source    IS 'As in credentials.';
COMMENT ON COLUMN handshake_secrets.name      IS 'As in credentials: handshake and the fingerprint of the secret.';
COMMENT ON COLUMN handshake_secrets.stored_at IS 'When the handshake was accepted.';

ALTER TABLE alerts ADD COLUMN event_id uuid;
CREATE INDEX alerts_by_event ON alerts (event_id) WHERE event_id IS NOT NULL;
COMMENT ON COLUMN alerts.event_id         IS 'The event that the text is about; null if it is about none. When the event is erased, key and text go.';

ALTER TABLE rejected_requests
    DROP CONSTRAINT rejected_requests_reason_check,
    ADD CONSTRAINT rejected_requests_reason_check
        CHECK (reason IN ('unknown_source', 'sig_missing', 'sig_malformed', 'ts_malformed',
                          'ts_stale', 'ts_future', 'sig_mismatch', 'id_charset', 'not_allowed',
                          'no_secret', 'handshake_closed'));

ALTER TABLE operator_actions
    DROP CONSTRAINT operator_actions_action_check,
    ADD CONSTRAINT operator_actions_action_check
        CHECK (action IN ('replay', 'resend', 'retry', 'discard', 'unblock', 'dead_letter')),
    DROP CONSTRAINT a_replay_made_a_delivery,
    ADD CONSTRAINT a_replay_made_a_delivery
        CHECK ((action IN ('replay', 'resend')) = (replay_id IS NOT NULL));
COMMENT ON TABLE operator_actions IS 'Actions of operators on deliveries: one row per delivery, and per new delivery of a replay or a resend. Append-only, written in the transaction of the action.';
COMMENT ON COLUMN operator_actions.action IS 'replay; resend; retry: it was due at once; discard; unblock: its lane was unblocked; dead_letter: its destination was deleted, and it became a dead letter.';
COMMENT ON COLUMN operator_actions.delivery_id IS 'The delivery the action was applied to; for a resend to a handler that had none, the new one.';
COMMENT ON COLUMN operator_actions.replay_id IS 'The new delivery, for a replay or a resend.';

ALTER TABLE jobs
    DROP CONSTRAINT jobs_action_check,
    ADD CONSTRAINT jobs_action_check
        CHECK (action IN ('replay', 'discard', 'resend', 'retry_now', 'reprocess_rejected',
                          'discard_rejected')),
    ADD COLUMN sample_events uuid[] NOT NULL DEFAULT '{}',
    ADD COLUMN counted_to    timestamptz,
    ADD COLUMN after_event   uuid;
ALTER TABLE jobs ALTER COLUMN sample_events DROP DEFAULT;
COMMENT ON TABLE jobs IS 'A bulk action on dead letters, events or rejected requests. Planned first, then started.';
COMMENT ON COLUMN jobs.action IS 'replay or discard: dead letters; resend or retry_now: deliveries of events; reprocess_rejected or discard_rejected: rejected requests.';
COMMENT ON COLUMN jobs.matched IS 'The number of matches at planning time, as far as they were counted.';
COMMENT ON COLUMN jobs.up_to IS 'The highest id that matched at planning time: later dead letters are not included. 0 for jobs on events, whose selection has the highest event.';
COMMENT ON COLUMN jobs.sample_events IS 'Some of the events of resend and retry_now.';
COMMENT ON COLUMN jobs.counted_to IS 'For resend and retry_now: when the last event was received up to which matches were counted; null if all were.';
COMMENT ON COLUMN jobs.after_event IS 'For resend and retry_now: everything up to this event is processed.';
COMMENT ON COLUMN jobs.resolved IS 'The number of items replayed, resent, made due, accepted or discarded.';

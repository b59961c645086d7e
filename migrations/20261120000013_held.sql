-- Refused requests that a source is told to hold, so that an operator can see why they are refused
-- and verify them again once that is put right.

CREATE TABLE rejected_requests (
    id          uuid        PRIMARY KEY,
    number      bigint      GENERATED ALWAYS AS IDENTITY UNIQUE,
    tenant      text        NOT NULL,
    source      text        NOT NULL,
    provider    text        NOT NULL,
    reason      text        NOT NULL,
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

COMMENT ON TABLE  rejected_requests             IS 'Refused requests that carried a signature, of sources with hold_refused. Never dispatched. Bounded per source; removed when they expire.';
COMMENT ON COLUMN rejected_requests.id          IS 'A UUID of version 7, by time of arrival.';
COMMENT ON COLUMN rejected_requests.number      IS 'Its place in the order in which requests were held: how far a job has come.';
COMMENT ON COLUMN rejected_requests.tenant      IS 'To whom the source belongs.';
COMMENT ON COLUMN rejected_requests.source      IS 'The source that refused it.';
COMMENT ON COLUMN rejected_requests.provider    IS 'What kind of sender the source is for.';
COMMENT ON COLUMN rejected_requests.reason      IS 'The closed word under which it was refused.';
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

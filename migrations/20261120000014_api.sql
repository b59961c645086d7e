-- Requests to the operator's API that name themselves with an Idempotency-Key.

CREATE TABLE idempotency_keys (
    key         bytea       PRIMARY KEY CHECK (octet_length(key) = 32),
    request     bytea       NOT NULL CHECK (octet_length(request) = 32),
    claim       uuid        NOT NULL,
    claimed_at  timestamptz NOT NULL,
    answered_at timestamptz,
    status      smallint    CHECK (status BETWEEN 200 AND 299),
    body        bytea       CHECK (octet_length(body) <= 65536),
    expires_at  timestamptz NOT NULL,
    CONSTRAINT answered_with_a_status CHECK ((answered_at IS NULL) = (status IS NULL)),
    CONSTRAINT no_body_before_the_answer CHECK (answered_at IS NOT NULL OR body IS NULL)
);
CREATE INDEX idempotency_keys_expired ON idempotency_keys (expires_at);

COMMENT ON TABLE  idempotency_keys             IS 'Requests to the operator''s API that name themselves with an Idempotency-Key: claimed before anything is done, answered afterwards, forgotten after a day. What was refused leaves no row.';
COMMENT ON COLUMN idempotency_keys.key         IS 'SHA-256 of the caller and their key.';
COMMENT ON COLUMN idempotency_keys.request     IS 'SHA-256 of the method, the path and the body: another request must not use the same key.';
COMMENT ON COLUMN idempotency_keys.claim       IS 'Which request holds it; whoever lost the claim settles nothing.';
COMMENT ON COLUMN idempotency_keys.claimed_at  IS 'When that request began.';
COMMENT ON COLUMN idempotency_keys.answered_at IS 'When it was carried out; null while it is at work, or was broken off.';
COMMENT ON COLUMN idempotency_keys.status      IS 'The status of the answer.';
COMMENT ON COLUMN idempotency_keys.body        IS 'The body of the answer; null where it held a secret or was too large to keep.';
COMMENT ON COLUMN idempotency_keys.expires_at  IS 'When it is forgotten.';

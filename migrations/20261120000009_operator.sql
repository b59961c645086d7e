-- Who may operate the gateway, and what operators did to deliveries.

CREATE TABLE operator_tokens (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest     bytea       NOT NULL CHECK (octet_length(digest) = 32),
    created_at timestamptz NOT NULL,
    created_by text        NOT NULL,
    revoked_at timestamptz
);
-- At most one is good.
CREATE UNIQUE INDEX operator_tokens_good ON operator_tokens ((true)) WHERE revoked_at IS NULL;

COMMENT ON TABLE  operator_tokens            IS 'Tokens of the operator listener, where the configuration names none.';
COMMENT ON COLUMN operator_tokens.id         IS 'Identity.';
COMMENT ON COLUMN operator_tokens.digest     IS 'SHA-256 of the token. The token itself was shown once and is nowhere.';
COMMENT ON COLUMN operator_tokens.created_at IS 'When it was made.';
COMMENT ON COLUMN operator_tokens.created_by IS 'Who made it.';
COMMENT ON COLUMN operator_tokens.revoked_at IS 'Since when it is refused; null for the one that is good.';

CREATE TABLE operator_actions (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL,
    actor       text        NOT NULL,
    action      text        NOT NULL CHECK (action IN ('replay', 'discard')),
    delivery_id bigint      NOT NULL,
    replay_id   bigint,
    xact        xid8        NOT NULL DEFAULT pg_current_xact_id(),
    CONSTRAINT a_replay_made_a_delivery CHECK ((action = 'replay') = (replay_id IS NOT NULL))
);
CREATE INDEX operator_actions_by_xact ON operator_actions (xact);

COMMENT ON TABLE  operator_actions             IS 'What operators did to which delivery: one row per delivery, and per new delivery of a replay. Append-only, written in the transaction that does it.';
COMMENT ON COLUMN operator_actions.id          IS 'Identity.';
COMMENT ON COLUMN operator_actions.at          IS 'When.';
COMMENT ON COLUMN operator_actions.actor       IS 'Who.';
COMMENT ON COLUMN operator_actions.action      IS 'replay or discard.';
COMMENT ON COLUMN operator_actions.delivery_id IS 'The delivery that was replayed or discarded.';
COMMENT ON COLUMN operator_actions.replay_id   IS 'The new delivery, for a replay.';
COMMENT ON COLUMN operator_actions.xact        IS 'The transaction that inserted it: its place in the stream of changes.';

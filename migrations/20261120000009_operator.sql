-- What operators did to deliveries.

CREATE TABLE operator_actions (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL,
    actor       text        NOT NULL,
    action      text        NOT NULL CHECK (action IN ('replay', 'discard', 'unblock', 'dead_letter')),
    reason      text        NOT NULL DEFAULT '',
    delivery_id bigint      NOT NULL,
    replay_id   bigint,
    xact        xid8        NOT NULL DEFAULT pg_current_xact_id(),
    CONSTRAINT a_replay_made_a_delivery CHECK ((action = 'replay') = (replay_id IS NOT NULL))
);
CREATE INDEX operator_actions_by_xact ON operator_actions (xact);
CREATE INDEX operator_actions_by_delivery ON operator_actions (delivery_id);
CREATE INDEX operator_actions_by_replay ON operator_actions (replay_id) WHERE replay_id IS NOT NULL;

COMMENT ON TABLE  operator_actions             IS 'What operators did to which delivery: one row per delivery, and per new delivery of a replay. Append-only, written in the transaction that does it.';
COMMENT ON COLUMN operator_actions.id          IS 'Identity.';
COMMENT ON COLUMN operator_actions.at          IS 'When.';
COMMENT ON COLUMN operator_actions.actor       IS 'Who.';
COMMENT ON COLUMN operator_actions.action      IS 'replay, discard, free: it holds its lane no longer, or bury: its destination was forgotten, and it became a dead letter.';
COMMENT ON COLUMN operator_actions.reason      IS 'Why, in their words.';
COMMENT ON COLUMN operator_actions.delivery_id IS 'The delivery to which it was done.';
COMMENT ON COLUMN operator_actions.replay_id   IS 'The new delivery, for a replay.';
COMMENT ON COLUMN operator_actions.xact        IS 'The transaction that inserted it: its place in the stream of changes.';

-- Reports from the bot and its services.

CREATE TABLE bot_events (
    event_id    uuid        PRIMARY KEY,
    source      text        NOT NULL,
    guild_id    text,
    service     text,
    kind        text        NOT NULL,
    body        bytea       NOT NULL,
    received_at timestamptz NOT NULL
);
CREATE INDEX bot_events_by_guild ON bot_events (source, guild_id, received_at DESC);
CREATE INDEX bot_events_by_kind ON bot_events (source, kind, received_at DESC);

COMMENT ON TABLE  bot_events             IS 'Callbacks of the bot, without heartbeats. Append-only.';
COMMENT ON COLUMN bot_events.event_id    IS 'The event.';
COMMENT ON COLUMN bot_events.source      IS 'The source.';
COMMENT ON COLUMN bot_events.guild_id    IS 'The Discord guild, from the signed header; null if the callback has none.';
COMMENT ON COLUMN bot_events.service     IS 'The calling service, one of the source''s allowed services. Only the native form signs it.';
COMMENT ON COLUMN bot_events.kind        IS 'The body''s `event`.';
COMMENT ON COLUMN bot_events.body        IS 'The exact body. Bytes, since JSON may contain characters that text columns reject.';
COMMENT ON COLUMN bot_events.received_at IS 'When it was received, by the gateway''s clock.';

CREATE TABLE bot_health (
    source            text        PRIMARY KEY,
    status            text        NOT NULL CHECK (status IN ('online', 'degraded', 'offline', 'unknown')),
    shard_count       bigint      CHECK (shard_count >= 0),
    guild_count       bigint      CHECK (guild_count >= 0),
    memory_bytes      bigint      CHECK (memory_bytes >= 0),
    uptime_seconds    bigint      CHECK (uptime_seconds >= 0),
    last_heartbeat_at timestamptz NOT NULL,
    missing_since     timestamptz,
    event_id          uuid        NOT NULL
);
COMMENT ON TABLE  bot_health                   IS 'The health of the bot: its newest heartbeat, one row per source.';
COMMENT ON COLUMN bot_health.source            IS 'The source.';
COMMENT ON COLUMN bot_health.status            IS 'The bot''s own status: online, degraded, offline or unknown.';
COMMENT ON COLUMN bot_health.shard_count       IS 'The number of connected shards; null if not reported.';
COMMENT ON COLUMN bot_health.guild_count       IS 'The number of guilds it serves; null if not reported.';
COMMENT ON COLUMN bot_health.memory_bytes      IS 'Memory in use, in bytes; null if not reported.';
COMMENT ON COLUMN bot_health.uptime_seconds    IS 'Seconds since its start; null if not reported.';
COMMENT ON COLUMN bot_health.last_heartbeat_at IS 'When the heartbeat was signed, by the sender''s clock. An older heartbeat never replaces a newer one.';
COMMENT ON COLUMN bot_health.missing_since     IS 'When the gateway noticed missing heartbeats, if the source defines an interval; null while they arrive.';
COMMENT ON COLUMN bot_health.event_id          IS 'The event of this heartbeat.';

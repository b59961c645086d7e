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

COMMENT ON TABLE  bot_events             IS 'Callbacks of the bot, heartbeats excepted. Append-only.';
COMMENT ON COLUMN bot_events.event_id    IS 'The event.';
COMMENT ON COLUMN bot_events.source      IS 'The source.';
COMMENT ON COLUMN bot_events.guild_id    IS 'The Discord guild, from the signed header; null where the callback concerns none.';
COMMENT ON COLUMN bot_events.service     IS 'The service that calls, one of those that the source allows; as the caller says: only the native form signs it.';
COMMENT ON COLUMN bot_events.kind        IS 'What happened, as the body''s `event` says.';
COMMENT ON COLUMN bot_events.body        IS 'The exact body. Bytes, since JSON may hold characters that text columns refuse.';
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
COMMENT ON TABLE  bot_health                   IS 'How the bot is: its newest heartbeat, one row per source.';
COMMENT ON COLUMN bot_health.source            IS 'The source.';
COMMENT ON COLUMN bot_health.status            IS 'What the bot says of itself: online, degraded, offline or unknown.';
COMMENT ON COLUMN bot_health.shard_count       IS 'Shards that are connected; null where it was not said.';
COMMENT ON COLUMN bot_health.guild_count       IS 'Guilds that it serves; null where it was not said.';
COMMENT ON COLUMN bot_health.memory_bytes      IS 'Memory in use, in bytes; null where it was not said.';
COMMENT ON COLUMN bot_health.uptime_seconds    IS 'Seconds since it started; null where it was not said.';
COMMENT ON COLUMN bot_health.last_heartbeat_at IS 'When the heartbeat was signed, by the sender''s clock. An older heartbeat never replaces a newer one.';
COMMENT ON COLUMN bot_health.missing_since     IS 'When the gateway noticed that heartbeats no longer come, where the source says how often they should; null while they do.';
COMMENT ON COLUMN bot_health.event_id          IS 'The event that the row is from.';

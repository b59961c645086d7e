-- Runs started at Apify, their outcomes and their results.

CREATE TABLE apify_runs (
    source         text        NOT NULL,
    run_key        uuid        NOT NULL,
    purpose        text        NOT NULL CHECK (purpose IN ('run', 'verify')),
    guild_id       text        NOT NULL,
    actor_id       text,
    actor_run_id   text,
    platform       text        CHECK (platform IN ('tiktok', 'instagram', 'x', 'youtube', 'facebook')),
    claims         text,
    request_key    text,
    request_digest bytea       CHECK (octet_length(request_digest) = 32),
    status         text        NOT NULL CHECK (status IN ('initiated', 'succeeded', 'failed', 'expired')),
    late           boolean     NOT NULL DEFAULT false,
    initiated_at   timestamptz NOT NULL,
    resurrected_at timestamptz,
    finished_at    timestamptz,
    items          bigint      CHECK (items >= 0),
    items_left_off boolean     NOT NULL DEFAULT false,
    event_id       uuid,
    PRIMARY KEY (source, run_key),
    CONSTRAINT request_key_with_its_digest
        CHECK ((request_key IS NULL) = (request_digest IS NULL)),
    CONSTRAINT awaited_iff_not_finished
        CHECK ((status = 'initiated') = (finished_at IS NULL))
);
CREATE UNIQUE INDEX apify_runs_by_actor_run ON apify_runs (source, actor_run_id)
    WHERE actor_run_id IS NOT NULL;
CREATE UNIQUE INDEX apify_runs_by_request ON apify_runs (source, request_key)
    WHERE request_key IS NOT NULL;
-- Exactly the rows that housekeeping looks for.
CREATE INDEX apify_runs_awaited ON apify_runs (source, (GREATEST(initiated_at, resurrected_at)))
    WHERE status = 'initiated';

COMMENT ON TABLE  apify_runs                IS 'Runs that the application started, entered before they start: only these can finish.';
COMMENT ON COLUMN apify_runs.source         IS 'The source at which their webhooks arrive.';
COMMENT ON COLUMN apify_runs.run_key        IS 'The application''s own id of the run, which its token carries.';
COMMENT ON COLUMN apify_runs.purpose        IS 'run: collects metrics; verify: checks that a profile belongs to who claims it.';
COMMENT ON COLUMN apify_runs.guild_id       IS 'The Discord guild that the run was started for.';
COMMENT ON COLUMN apify_runs.actor_id       IS 'The actor, as its id or its name; null until it is known.';
COMMENT ON COLUMN apify_runs.actor_run_id   IS 'Apify''s id of the run; null until the application or the first event names it, fixed from then on.';
COMMENT ON COLUMN apify_runs.platform       IS 'The platform that it looks at, as the application says: for items that do not tell. Null where it says nothing.';
COMMENT ON COLUMN apify_runs.claims         IS 'What its token says, as JSON without the MAC: the token is made of it again when the call that started the run is repeated. Null for a run that was entered without a token.';
COMMENT ON COLUMN apify_runs.request_key    IS 'The Idempotency-Key of the call that started it; null where it had none. A key belongs to its run for as long as this row is there.';
COMMENT ON COLUMN apify_runs.request_digest IS 'The SHA-256 of that call''s body: the same key with another body is refused.';
COMMENT ON COLUMN apify_runs.status         IS 'initiated: awaited; succeeded: as Apify said, and what it brought is here; failed: as Apify said; expired: nothing was heard in time.';
COMMENT ON COLUMN apify_runs.late           IS 'Whether its end was heard of past the time of its token, or after it had expired.';
COMMENT ON COLUMN apify_runs.initiated_at   IS 'When the application entered it, by the application''s clock.';
COMMENT ON COLUMN apify_runs.resurrected_at IS 'When it was last started again, by Apify''s clock; ends before that no longer count.';
COMMENT ON COLUMN apify_runs.finished_at    IS 'When it ended, by Apify''s clock; for an expired one, when it was given up. Null while it is awaited.';
COMMENT ON COLUMN apify_runs.items          IS 'How many items it brought, the flagged ones included; null where none were in the payload and none could be fetched.';
COMMENT ON COLUMN apify_runs.items_left_off IS 'Whether it has more items than were read, since there is a limit.';
COMMENT ON COLUMN apify_runs.event_id       IS 'The event that last changed this row; null while none has.';

CREATE TABLE apify_usage (
    source   text    NOT NULL,
    guild_id text    NOT NULL,
    day      date    NOT NULL,
    runs     integer NOT NULL CHECK (runs > 0),
    PRIMARY KEY (source, guild_id, day)
);
COMMENT ON TABLE  apify_usage          IS 'How many runs were started for a guild on a day: what the daily budget is held against.';
COMMENT ON COLUMN apify_usage.source   IS 'The source; each has a budget of its own.';
COMMENT ON COLUMN apify_usage.guild_id IS 'The Discord guild.';
COMMENT ON COLUMN apify_usage.day      IS 'The day, from midnight to midnight UTC.';
COMMENT ON COLUMN apify_usage.runs     IS 'Runs that were started on it; a call that is repeated counts once, a refused one not at all.';

CREATE TABLE apify_posts (
    source     text        NOT NULL,
    guild_id   text        NOT NULL,
    post_id    text        NOT NULL,
    run_key    uuid        NOT NULL,
    status     text        NOT NULL CHECK (status IN ('pending', 'collected', 'failed')),
    changed_at timestamptz NOT NULL,
    event_id   uuid,
    PRIMARY KEY (source, guild_id, post_id),
    FOREIGN KEY (source, run_key) REFERENCES apify_runs
);
CREATE INDEX apify_posts_by_run ON apify_posts (source, run_key);

COMMENT ON TABLE  apify_posts            IS 'What runs were started for, and how that stands: one row for each post, held by the run that was started last.';
COMMENT ON COLUMN apify_posts.source     IS 'The source.';
COMMENT ON COLUMN apify_posts.guild_id   IS 'The Discord guild.';
COMMENT ON COLUMN apify_posts.post_id    IS 'The post, as the application names it.';
COMMENT ON COLUMN apify_posts.run_key    IS 'The run that was started for it last: no other changes this row.';
COMMENT ON COLUMN apify_posts.status     IS 'pending: the run is awaited; collected: it succeeded; failed: it failed or expired.';
COMMENT ON COLUMN apify_posts.changed_at IS 'When this row was last changed, by the gateway''s clock.';
COMMENT ON COLUMN apify_posts.event_id   IS 'The event that last changed it; null for the start and the expiry of a run.';

CREATE TABLE apify_metrics (
    source      text        NOT NULL,
    run_key     uuid        NOT NULL,
    item_key    bytea       NOT NULL CHECK (octet_length(item_key) = 32),
    guild_id    text        NOT NULL,
    platform    text        CHECK (platform IN ('tiktok', 'instagram', 'x', 'youtube', 'facebook')),
    handle      text,
    post_id     text,
    url         text,
    posted_at   timestamptz,
    observed_at timestamptz NOT NULL,
    views       bigint      CHECK (views >= 0),
    likes       bigint      CHECK (likes >= 0),
    comments    bigint      CHECK (comments >= 0),
    shares      bigint      CHECK (shares >= 0),
    origin      text        NOT NULL CHECK (origin IN ('payload', 'dataset')),
    flag        text        CHECK (flag IN ('not_an_object', 'unreadable', 'error_item', 'no_platform', 'no_name', 'no_counts', 'bad_count', 'too_large')),
    item        bytea,
    event_id    uuid        NOT NULL,
    PRIMARY KEY (source, run_key, item_key),
    FOREIGN KEY (source, run_key) REFERENCES apify_runs,
    CONSTRAINT a_row_without_a_flag_says_something
        CHECK (flag IS NOT NULL OR (platform IS NOT NULL AND COALESCE(handle, post_id) IS NOT NULL
                                    AND COALESCE(views, likes, comments, shares) IS NOT NULL)),
    CONSTRAINT the_item_is_kept_where_it_is_flagged CHECK (flag IS NULL OR item IS NOT NULL)
);
CREATE INDEX apify_metrics_by_handle ON apify_metrics (platform, handle, observed_at);
CREATE INDEX apify_metrics_by_post ON apify_metrics (platform, post_id, observed_at);

COMMENT ON TABLE  apify_metrics             IS 'What runs brought: one row for each item, the same for every platform. What an item does not say is null, never zero.';
COMMENT ON COLUMN apify_metrics.source      IS 'The source.';
COMMENT ON COLUMN apify_metrics.run_key     IS 'The run.';
COMMENT ON COLUMN apify_metrics.item_key    IS 'SHA-256 of platform, handle, post and time, of a flagged item without a name of its text: by it an item that comes again replaces itself.';
COMMENT ON COLUMN apify_metrics.guild_id    IS 'The Discord guild that the run was started for.';
COMMENT ON COLUMN apify_metrics.platform    IS 'tiktok, instagram, x, youtube or facebook; null where neither the item nor its run tells.';
COMMENT ON COLUMN apify_metrics.handle      IS 'The account''s name, without @, as the platform spells it.';
COMMENT ON COLUMN apify_metrics.post_id     IS 'The platform''s id of the post.';
COMMENT ON COLUMN apify_metrics.url         IS 'The post''s address.';
COMMENT ON COLUMN apify_metrics.posted_at   IS 'When the post was published.';
COMMENT ON COLUMN apify_metrics.observed_at IS 'When the counts were taken: as the item says, otherwise the end of the run.';
COMMENT ON COLUMN apify_metrics.views       IS 'Views or plays; null where the item does not say.';
COMMENT ON COLUMN apify_metrics.likes       IS 'Likes; null where the item does not say, or the account hides them.';
COMMENT ON COLUMN apify_metrics.comments    IS 'Comments or replies; null where the item does not say.';
COMMENT ON COLUMN apify_metrics.shares      IS 'Shares or reposts; null where the item does not say.';
COMMENT ON COLUMN apify_metrics.origin      IS 'payload: from the webhook''s body, which a token vouches for and does not sign; dataset: fetched from Apify.';
COMMENT ON COLUMN apify_metrics.flag        IS 'What is wrong with the item; null where nothing is. not_an_object, unreadable: no JSON object; error_item: the scraper''s own report of an error; no_platform, no_name, no_counts: it does not say; bad_count: a count that is there cannot be read, and is null; too_large: larger than is fetched.';
COMMENT ON COLUMN apify_metrics.item        IS 'A flagged item''s text, of a long one the beginning; null for the others.';
COMMENT ON COLUMN apify_metrics.event_id    IS 'The event that brought it last.';

CREATE TABLE apify_verifications (
    source     text        NOT NULL,
    run_key    uuid        NOT NULL,
    guild_id   text        NOT NULL,
    platform   text        NOT NULL CHECK (platform IN ('tiktok', 'instagram', 'x', 'youtube', 'facebook')),
    handle     text        NOT NULL,
    code       text        NOT NULL,
    result     text        NOT NULL DEFAULT 'pending' CHECK (result IN ('pending', 'confirmed', 'denied', 'unreachable', 'expired')),
    expires_at timestamptz NOT NULL,
    checked_at timestamptz,
    event_id   uuid,
    PRIMARY KEY (source, run_key),
    FOREIGN KEY (source, run_key) REFERENCES apify_runs,
    CONSTRAINT pending_iff_not_checked CHECK ((result = 'pending') = (checked_at IS NULL))
);
CREATE INDEX apify_verifications_by_handle ON apify_verifications (guild_id, platform, handle);
-- Exactly the rows that housekeeping looks for.
CREATE INDEX apify_verifications_pending ON apify_verifications (source, expires_at)
    WHERE result = 'pending';

COMMENT ON TABLE  apify_verifications            IS 'Whether profiles carry the codes that prove whose they are.';
COMMENT ON COLUMN apify_verifications.source     IS 'The source.';
COMMENT ON COLUMN apify_verifications.run_key    IS 'The run that looks.';
COMMENT ON COLUMN apify_verifications.guild_id   IS 'The Discord guild that it was started for.';
COMMENT ON COLUMN apify_verifications.platform   IS 'The platform.';
COMMENT ON COLUMN apify_verifications.handle     IS 'The account''s name, without @, in lower case.';
COMMENT ON COLUMN apify_verifications.code       IS 'What must stand in the profile''s description. Not a secret: the profile shows it.';
COMMENT ON COLUMN apify_verifications.result     IS 'pending: awaited; confirmed: the code is there; denied: the description is there and the code is not; unreachable: the run failed, or brought no description of this account; expired: the run ended too late, or not at all. confirmed is final.';
COMMENT ON COLUMN apify_verifications.expires_at IS 'Until when the run must have ended for its result to count.';
COMMENT ON COLUMN apify_verifications.checked_at IS 'When the run ended that gave the result; for an expired one, when it was given up. Null while it is pending.';
COMMENT ON COLUMN apify_verifications.event_id   IS 'The event that gave the result; null while none has.';

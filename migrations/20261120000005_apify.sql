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
-- Exactly the rows that housekeeping queries.
CREATE INDEX apify_runs_awaited ON apify_runs (source, (GREATEST(initiated_at, resurrected_at)))
    WHERE status = 'initiated';

COMMENT ON TABLE  apify_runs                IS 'Runs that the application started, registered before they start: only these can finish.';
COMMENT ON COLUMN apify_runs.source         IS 'The source at which their webhooks arrive.';
COMMENT ON COLUMN apify_runs.run_key        IS 'The application''s id of the run, contained in its token.';
COMMENT ON COLUMN apify_runs.purpose        IS 'run: collects metrics; verify: verifies that a profile belongs to the person who claims it.';
COMMENT ON COLUMN apify_runs.guild_id       IS 'The Discord guild for which the run was started.';
COMMENT ON COLUMN apify_runs.actor_id       IS 'The actor''s id or name; null until known.';
COMMENT ON COLUMN apify_runs.actor_run_id   IS 'Apify''s id of the run; null until the application or the first event names it, fixed from then on.';
COMMENT ON COLUMN apify_runs.platform       IS 'The examined platform, according to the application: a fallback for items that do not name one. Null if unspecified.';
COMMENT ON COLUMN apify_runs.claims         IS 'The claims of its token, as JSON without the MAC: the token is rebuilt from them when the call that started the run is repeated. Null for a run registered without a token.';
COMMENT ON COLUMN apify_runs.request_key    IS 'The Idempotency-Key of the call that started it; null if it had none. A key belongs to its run as long as this row exists.';
COMMENT ON COLUMN apify_runs.request_digest IS 'The SHA-256 of that call''s body: the same key with another body is rejected.';
COMMENT ON COLUMN apify_runs.status         IS 'initiated: in progress; succeeded: as reported by Apify, with its results stored; failed: as reported by Apify; expired: no end was reported in time.';
COMMENT ON COLUMN apify_runs.late           IS 'Whether its end was reported after its token, or the run itself, had expired.';
COMMENT ON COLUMN apify_runs.initiated_at   IS 'When the application registered it, by the application''s clock.';
COMMENT ON COLUMN apify_runs.resurrected_at IS 'When it was last resurrected, by Apify''s clock; earlier ends no longer count.';
COMMENT ON COLUMN apify_runs.finished_at    IS 'When it ended, by Apify''s clock; for an expired one, when it expired. Null while in progress.';
COMMENT ON COLUMN apify_runs.items          IS 'The number of its items, including flagged ones; null if the payload had none and none could be fetched.';
COMMENT ON COLUMN apify_runs.items_left_off IS 'Whether items beyond the limit were left out.';
COMMENT ON COLUMN apify_runs.event_id       IS 'The event that last changed this row; null if none has.';

CREATE TABLE apify_usage (
    source   text    NOT NULL,
    guild_id text    NOT NULL,
    day      date    NOT NULL,
    runs     integer NOT NULL CHECK (runs > 0),
    PRIMARY KEY (source, guild_id, day)
);
COMMENT ON TABLE  apify_usage          IS 'The number of runs started per guild and day, compared with the daily budget.';
COMMENT ON COLUMN apify_usage.source   IS 'The source; each has its own budget.';
COMMENT ON COLUMN apify_usage.guild_id IS 'The Discord guild.';
COMMENT ON COLUMN apify_usage.day      IS 'The UTC day.';
COMMENT ON COLUMN apify_usage.runs     IS 'The number of runs started; a repeated call counts once, a rejected one not at all.';

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

COMMENT ON TABLE  apify_posts            IS 'The posts for which runs were started: one row per post, assigned to the run that was started last.';
COMMENT ON COLUMN apify_posts.source     IS 'The source.';
COMMENT ON COLUMN apify_posts.guild_id   IS 'The Discord guild.';
COMMENT ON COLUMN apify_posts.post_id    IS 'The post, as named by the application.';
COMMENT ON COLUMN apify_posts.run_key    IS 'The run that was last started for it: no other run changes this row.';
COMMENT ON COLUMN apify_posts.status     IS 'pending: the run is in progress; collected: it succeeded; failed: it failed or expired.';
COMMENT ON COLUMN apify_posts.changed_at IS 'When this row last changed, by the gateway''s clock.';
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

COMMENT ON TABLE  apify_metrics             IS 'The results of runs: one row per item, in the same form for every platform. Missing values are null, never zero.';
COMMENT ON COLUMN apify_metrics.source      IS 'The source.';
COMMENT ON COLUMN apify_metrics.run_key     IS 'The run.';
COMMENT ON COLUMN apify_metrics.item_key    IS 'The SHA-256 of platform, handle, post and time, or of the text for a flagged item without a name: a repeated item replaces itself.';
COMMENT ON COLUMN apify_metrics.guild_id    IS 'The Discord guild for which the run was started.';
COMMENT ON COLUMN apify_metrics.platform    IS 'tiktok, instagram, x, youtube or facebook; null if neither the item nor its run names one.';
COMMENT ON COLUMN apify_metrics.handle      IS 'The account''s name, without @, as the platform spells it.';
COMMENT ON COLUMN apify_metrics.post_id     IS 'The platform''s id of the post.';
COMMENT ON COLUMN apify_metrics.url         IS 'The URL of the post.';
COMMENT ON COLUMN apify_metrics.posted_at   IS 'When the post was published.';
COMMENT ON COLUMN apify_metrics.observed_at IS 'The time of the counts, according to the item; otherwise the end of the run.';
COMMENT ON COLUMN apify_metrics.views       IS 'Views or plays; null if unknown.';
COMMENT ON COLUMN apify_metrics.likes       IS 'Likes; null if unknown or hidden by the account.';
COMMENT ON COLUMN apify_metrics.comments    IS 'Comments or replies; null if unknown.';
COMMENT ON COLUMN apify_metrics.shares      IS 'Shares or reposts; null if unknown.';
COMMENT ON COLUMN apify_metrics.origin      IS 'payload: from the webhook''s body, which is vouched for by a token but unsigned; dataset: fetched from Apify.';
COMMENT ON COLUMN apify_metrics.flag        IS 'The problem of the item; null if there is none. not_an_object, unreadable: not a JSON object; error_item: an error reported by the scraper; no_platform, no_name, no_counts: the value is missing; bad_count: a count is unreadable, and null; too_large: exceeds the fetched size.';
COMMENT ON COLUMN apify_metrics.item        IS 'The text of a flagged item, truncated if long; null for others.';
COMMENT ON COLUMN apify_metrics.event_id    IS 'The event that last delivered it.';

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
-- Exactly the rows that housekeeping queries.
CREATE INDEX apify_verifications_pending ON apify_verifications (source, expires_at)
    WHERE result = 'pending';

COMMENT ON TABLE  apify_verifications            IS 'Whether profiles contain the codes that prove their ownership.';
COMMENT ON COLUMN apify_verifications.source     IS 'The source.';
COMMENT ON COLUMN apify_verifications.run_key    IS 'The run that checks it.';
COMMENT ON COLUMN apify_verifications.guild_id   IS 'The Discord guild for which it was started.';
COMMENT ON COLUMN apify_verifications.platform   IS 'The platform.';
COMMENT ON COLUMN apify_verifications.handle     IS 'The account''s name, without @, in lower case.';
COMMENT ON COLUMN apify_verifications.code       IS 'The code that must be in the profile''s description. Not a secret: the profile displays it.';
COMMENT ON COLUMN apify_verifications.result     IS 'pending: in progress; confirmed: the code was found; denied: the description does not contain it; unreachable: the run failed or delivered no description of this account; expired: the run ended too late, or not at all. confirmed is final.';
COMMENT ON COLUMN apify_verifications.expires_at IS 'The run must end before this time for its result to count.';
COMMENT ON COLUMN apify_verifications.checked_at IS 'When the run with the result ended; for an expired one, when it expired. Null while pending.';
COMMENT ON COLUMN apify_verifications.event_id   IS 'The event with the result; null if none.';

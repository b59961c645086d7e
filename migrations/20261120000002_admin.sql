-- Tables of the admin API, the console and the command line.

-- Users, API keys and sessions, and the audit log.

CREATE TABLE api_keys (
    id           text        PRIMARY KEY CHECK (id ~ '^[0-9a-f]{16}$'),
    digest       bytea       NOT NULL CHECK (octet_length(digest) = 32),
    name         text        NOT NULL,
    scopes       text[]      NOT NULL,
    tenant       text,
    created_at   timestamptz NOT NULL,
    created_by   text        NOT NULL,
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz,
    revoked_by   text,
    CONSTRAINT who_revoked_it_is_known CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);
-- The audit log calls a key by its name.
CREATE UNIQUE INDEX api_keys_by_name ON api_keys (name) WHERE revoked_at IS NULL;

COMMENT ON TABLE  api_keys              IS 'What machines show to the operator listener.';
COMMENT ON COLUMN api_keys.id           IS 'Identity: the part of the key that may be seen.';
COMMENT ON COLUMN api_keys.digest       IS 'SHA-256 of the key. The key itself was shown once and is nowhere.';
COMMENT ON COLUMN api_keys.name         IS 'What people call it. Of the keys that are not revoked no two have the same.';
COMMENT ON COLUMN api_keys.scopes       IS 'What whoever shows it may do.';
COMMENT ON COLUMN api_keys.tenant       IS 'The only tenant whose things it sees; null for all.';
COMMENT ON COLUMN api_keys.created_at   IS 'When it was made.';
COMMENT ON COLUMN api_keys.created_by   IS 'Who made it.';
COMMENT ON COLUMN api_keys.expires_at   IS 'From when on it is refused; null where that was wanted.';
COMMENT ON COLUMN api_keys.last_used_at IS 'When it was shown last, to the minute or so.';
COMMENT ON COLUMN api_keys.revoked_at   IS 'Since when it is refused.';
COMMENT ON COLUMN api_keys.revoked_by   IS 'Who revoked it.';

CREATE TABLE users (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name         text        NOT NULL,
    folded       text        NOT NULL UNIQUE,
    scopes       text[]      NOT NULL,
    tenant       text,
    password     text,
    totp_since   timestamptz,
    totp_step    bigint      NOT NULL DEFAULT 0,
    oidc_issuer  text,
    oidc_subject text,
    created_at   timestamptz NOT NULL,
    created_by   text        NOT NULL,
    signed_in_at timestamptz,
    disabled_at  timestamptz,
    CONSTRAINT a_subject_has_an_issuer CHECK ((oidc_issuer IS NULL) = (oidc_subject IS NULL)),
    CONSTRAINT who_comes_from_elsewhere_has_no_password CHECK (
        oidc_issuer IS NULL OR (password IS NULL AND totp_since IS NULL))
);
CREATE UNIQUE INDEX users_by_subject ON users (oidc_issuer, oidc_subject);

COMMENT ON TABLE  users              IS 'Who signs in at the operator listener.';
COMMENT ON COLUMN users.id           IS 'Identity.';
COMMENT ON COLUMN users.name         IS 'Their name, in the audit log too. Two that differ only in case are the same.';
COMMENT ON COLUMN users.folded       IS 'Their name in the one case that names are compared in; made by the gateway, so that no locale of a database folds it otherwise.';
COMMENT ON COLUMN users.scopes       IS 'What they may do.';
COMMENT ON COLUMN users.tenant       IS 'The only tenant whose things they see; null for all.';
COMMENT ON COLUMN users.password     IS 'Their password as Argon2id has made it; null until they have chosen one.';
COMMENT ON COLUMN users.totp_since   IS 'Since when a code is asked for; null until they have shown one. The secret of the codes is among the credentials.';
COMMENT ON COLUMN users.totp_step    IS 'The time step of the last code that was accepted: none is accepted twice.';
COMMENT ON COLUMN users.oidc_issuer  IS 'The OpenID Connect issuer that vouches for them, since they first came from there; null until then.';
COMMENT ON COLUMN users.oidc_subject IS 'Who they are at that issuer.';
COMMENT ON COLUMN users.created_at   IS 'When they were added.';
COMMENT ON COLUMN users.created_by   IS 'Who added them.';
COMMENT ON COLUMN users.signed_in_at IS 'When they signed in last.';
COMMENT ON COLUMN users.disabled_at  IS 'Since when they cannot sign in.';

CREATE TABLE setup_links (
    digest     bytea       PRIMARY KEY CHECK (octet_length(digest) = 32),
    user_id  bigint      REFERENCES users,
    created_at timestamptz NOT NULL,
    created_by text        NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);
COMMENT ON TABLE  setup_links            IS 'Links by which somebody chooses a password, once.';
COMMENT ON COLUMN setup_links.digest     IS 'SHA-256 of the token in the link.';
COMMENT ON COLUMN setup_links.user_id  IS 'For whom; null for the first person of all, who also chooses a name.';
COMMENT ON COLUMN setup_links.created_at IS 'When it was made.';
COMMENT ON COLUMN setup_links.created_by IS 'Who made it.';
COMMENT ON COLUMN setup_links.expires_at IS 'From when on it is good no longer.';
COMMENT ON COLUMN setup_links.used_at    IS 'When it was used, or replaced by another.';

CREATE TABLE sessions (
    digest       bytea       PRIMARY KEY CHECK (octet_length(digest) = 32),
    id           bigint      GENERATED ALWAYS AS IDENTITY UNIQUE,
    user_id    bigint      NOT NULL REFERENCES users,
    peer         text        NOT NULL,
    agent        text        NOT NULL CHECK (length(agent) <= 200),
    created_at   timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id);

COMMENT ON TABLE  sessions              IS 'People who are signed in. A session that ends is deleted; the audit log tells of it.';
COMMENT ON COLUMN sessions.digest       IS 'SHA-256 of the token in the cookie.';
COMMENT ON COLUMN sessions.id           IS 'What it is called where it is shown or ended; nobody is let in by it.';
COMMENT ON COLUMN sessions.user_id    IS 'Who.';
COMMENT ON COLUMN sessions.peer         IS 'The address that they signed in from.';
COMMENT ON COLUMN sessions.agent        IS 'The beginning of what their browser said of itself then.';
COMMENT ON COLUMN sessions.created_at   IS 'When they signed in.';
COMMENT ON COLUMN sessions.last_seen_at IS 'When they last asked for something, to the minute.';
COMMENT ON COLUMN sessions.expires_at   IS 'When it ends whatever they do.';

CREATE TABLE devices (
    digest     bytea       PRIMARY KEY CHECK (octet_length(digest) = 32),
    user_id  bigint      NOT NULL REFERENCES users,
    used_at    timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX devices_by_user ON devices (user_id, used_at);

COMMENT ON TABLE  devices            IS 'Browsers in which somebody has signed in: their attempts are counted apart from those of strangers who only know the name. Nobody is let in by one.';
COMMENT ON COLUMN devices.digest     IS 'SHA-256 of the token in its cookie.';
COMMENT ON COLUMN devices.user_id  IS 'Who.';
COMMENT ON COLUMN devices.used_at    IS 'When they last signed in there.';
COMMENT ON COLUMN devices.expires_at IS 'From when on it counts no longer.';

CREATE TABLE sign_in_attempts (
    id  bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key bytea       NOT NULL CHECK (octet_length(key) = 32),
    at  timestamptz NOT NULL
);
CREATE INDEX sign_in_attempts_by_key ON sign_in_attempts (key, at);

COMMENT ON TABLE  sign_in_attempts     IS 'Sign-ins that were tried and did not end well: what limits further ones, at every gateway of the database.';
COMMENT ON COLUMN sign_in_attempts.id  IS 'Identity.';
COMMENT ON COLUMN sign_in_attempts.key IS 'SHA-256 of what it is counted under: the name that was given together with the network, either alone, or the browser.';
COMMENT ON COLUMN sign_in_attempts.at  IS 'When.';

CREATE TABLE oidc_flows (
    digest     bytea       PRIMARY KEY CHECK (octet_length(digest) = 32),
    next       text        NOT NULL,
    attempt    bigint      NOT NULL,
    expires_at timestamptz NOT NULL
);
COMMENT ON TABLE  oidc_flows            IS 'Sign-ins that are under way at an OpenID Connect issuer. Each is deleted when it comes back.';
COMMENT ON COLUMN oidc_flows.digest     IS 'SHA-256 of its state. State, nonce and PKCE verifier are made of what a cookie of the browser that began it holds, and are nowhere.';
COMMENT ON COLUMN oidc_flows.next       IS 'Where the browser goes on to: a path of the console.';
COMMENT ON COLUMN oidc_flows.attempt    IS 'The attempt that it was counted as, forgotten when it ends well.';
COMMENT ON COLUMN oidc_flows.expires_at IS 'From when on it is too late.';

CREATE TABLE audit_log (
    id        bigint      PRIMARY KEY CHECK (id > 0),
    at        timestamptz NOT NULL,
    actor     text        NOT NULL,
    tenant    text,
    address   text,
    action    text        NOT NULL,
    target    text        NOT NULL,
    reason    text        NOT NULL,
    count     bigint      NOT NULL,
    before    bytea       CHECK (octet_length(before) = 32),
    after     bytea       CHECK (octet_length(after) = 32),
    prev_hash bytea       NOT NULL CHECK (octet_length(prev_hash) = 32),
    hash      bytea       NOT NULL CHECK (octet_length(hash) = 32)
);
CREATE INDEX audit_log_by_actor ON audit_log (actor, id);
CREATE INDEX audit_log_by_action ON audit_log (action, id);
CREATE INDEX audit_log_by_tenant ON audit_log (tenant, id);
CREATE INDEX audit_log_by_time ON audit_log (at, id);

COMMENT ON TABLE  audit_log           IS 'Who did what. Append-only, and every row holds the hash of the one before it.';
COMMENT ON COLUMN audit_log.id        IS 'Identity: 1, 2, 3 and so on, without a gap.';
COMMENT ON COLUMN audit_log.at        IS 'When.';
COMMENT ON COLUMN audit_log.actor     IS 'Who: a person, key:NAME, or an account of the machine.';
COMMENT ON COLUMN audit_log.tenant    IS 'The only tenant whose things the actor sees; null for all.';
COMMENT ON COLUMN audit_log.address   IS 'The address that the actor asked from; null on the command line, and for what goes on in the background.';
COMMENT ON COLUMN audit_log.action    IS 'What, such as replay or discard.';
COMMENT ON COLUMN audit_log.target    IS 'To what: the selection, in words.';
COMMENT ON COLUMN audit_log.reason    IS 'Why, in the actor''s words.';
COMMENT ON COLUMN audit_log.count     IS 'How many rows it touched.';
COMMENT ON COLUMN audit_log.before    IS 'SHA-256 of what was there before, where something was changed.';
COMMENT ON COLUMN audit_log.after     IS 'SHA-256 of what is there after it.';
COMMENT ON COLUMN audit_log.prev_hash IS 'The hash of the row before; 32 zero bytes in the first one.';
COMMENT ON COLUMN audit_log.hash      IS 'SHA-256 over all other columns; docs/adr/0023-the-audit-log-is-a-chain.md says how.';

-- The role that owns the table could give itself the rights back; the trigger holds for it, and for
-- a superuser, until it is dropped.
CREATE FUNCTION audit_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_append_only();
REVOKE UPDATE, DELETE, TRUNCATE ON audit_log FROM CURRENT_USER;
REVOKE ALL ON audit_log FROM PUBLIC;

-- Actions of operators on deliveries.

CREATE TABLE operator_actions (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL,
    actor       text        NOT NULL,
    action      text        NOT NULL CHECK (action IN ('replay', 'discard', 'unblock', 'dead_letter')),
    reason      text        NOT NULL DEFAULT '',
    delivery_id bigint      NOT NULL,
    replay_id   bigint,
    xact        xid8        NOT NULL DEFAULT pg_current_xact_id(),
    CONSTRAINT a_replay_made_a_delivery CHECK ((action = 'replay') = (replay_id IS NOT NULL)),
    job_id      bigint
);
CREATE INDEX operator_actions_by_xact ON operator_actions (xact);
CREATE INDEX operator_actions_by_delivery ON operator_actions (delivery_id);
CREATE INDEX operator_actions_by_replay ON operator_actions (replay_id) WHERE replay_id IS NOT NULL;
CREATE INDEX operator_actions_of_job ON operator_actions (job_id, id) WHERE job_id IS NOT NULL;

COMMENT ON TABLE  operator_actions             IS 'What operators did to which delivery: one row per delivery, and per new delivery of a replay. Append-only, written in the transaction that does it.';
COMMENT ON COLUMN operator_actions.id          IS 'Identity.';
COMMENT ON COLUMN operator_actions.at          IS 'When.';
COMMENT ON COLUMN operator_actions.actor       IS 'Who.';
COMMENT ON COLUMN operator_actions.action      IS 'replay, discard, free: it holds its lane no longer, or bury: its destination was forgotten, and it became a dead letter.';
COMMENT ON COLUMN operator_actions.reason      IS 'Why, in their words.';
COMMENT ON COLUMN operator_actions.delivery_id IS 'The delivery to which it was done.';
COMMENT ON COLUMN operator_actions.replay_id   IS 'The new delivery, for a replay.';
COMMENT ON COLUMN operator_actions.xact        IS 'The transaction that inserted it: its place in the stream of changes.';
COMMENT ON COLUMN operator_actions.job_id IS 'The job that did it; null where one delivery was dealt with directly.';

-- Bulk operations: groups of dead letters, jobs, edited events, pauses.

-- Groups of similar dead letters. Created in the background (ADR 26), not when a delivery is
-- dead-lettered.
CREATE TABLE dead_letter_groups (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fingerprint  bytea       NOT NULL UNIQUE CHECK (octet_length(fingerprint) = 32),
    tenant       text        NOT NULL,
    source       text        COLLATE "C" NOT NULL,
    handler      text        COLLATE "C" NOT NULL,
    class        text        NOT NULL
        CHECK (class IN ('handler', 'destination', 'content', 'transfer', 'internal')),
    death_reason text        NOT NULL,
    message      text        NOT NULL,
    open         bigint      NOT NULL CHECK (open BETWEEN 0 AND total),
    total        bigint      NOT NULL,
    first_at     timestamptz NOT NULL,
    last_at      timestamptz NOT NULL,
    sample       bigint      NOT NULL
);
CREATE INDEX dead_letter_groups_by_impact ON dead_letter_groups (open, last_at, id);
CREATE INDEX dead_letter_groups_of ON dead_letter_groups (source, handler, death_reason, tenant);

COMMENT ON TABLE  dead_letter_groups              IS 'Dead letters of one kind: same source, handler, reason and message but for the values in it.';
COMMENT ON COLUMN dead_letter_groups.id           IS 'Identity.';
COMMENT ON COLUMN dead_letter_groups.fingerprint  IS 'SHA-256 over tenant, source, handler, reason and message.';
COMMENT ON COLUMN dead_letter_groups.tenant       IS 'As in events; empty where the event was gone before it was grouped.';
COMMENT ON COLUMN dead_letter_groups.source       IS 'As in deliveries.';
COMMENT ON COLUMN dead_letter_groups.handler      IS 'As in deliveries.';
COMMENT ON COLUMN dead_letter_groups.class        IS 'handler: a handler failed; destination: an application did not take it; content: authentic but useless; transfer: chunks that never became whole; internal: a fault of ours.';
COMMENT ON COLUMN dead_letter_groups.death_reason IS 'As in deliveries.';
COMMENT ON COLUMN dead_letter_groups.message      IS 'The first line of the error without the values in it; empty for those of one reason that are too various to be told apart. Partly written by strangers.';
COMMENT ON COLUMN dead_letter_groups.open         IS 'How many of them are neither replayed nor discarded.';
COMMENT ON COLUMN dead_letter_groups.total        IS 'How many there have been.';
COMMENT ON COLUMN dead_letter_groups.first_at     IS 'When the first of them died.';
COMMENT ON COLUMN dead_letter_groups.last_at      IS 'When the last of them died.';
COMMENT ON COLUMN dead_letter_groups.sample       IS 'The one that died last: its error is the title.';

CREATE TABLE dead_letter_hours (
    group_id bigint      NOT NULL REFERENCES dead_letter_groups ON DELETE CASCADE,
    hour     timestamptz NOT NULL,
    count    bigint      NOT NULL,
    PRIMARY KEY (group_id, hour)
);
CREATE INDEX dead_letter_hours_by_age ON dead_letter_hours (hour);
COMMENT ON TABLE  dead_letter_hours          IS 'How many of a group died in an hour. Kept for a week.';
COMMENT ON COLUMN dead_letter_hours.group_id IS 'The group.';
COMMENT ON COLUMN dead_letter_hours.hour     IS 'When the hour began.';
COMMENT ON COLUMN dead_letter_hours.count    IS 'How many.';

CREATE TABLE jobs (
    id               bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant           text,
    action           text        NOT NULL
        CHECK (action IN ('replay', 'discard', 'reprocess_rejected', 'discard_rejected')),
    selection        text        NOT NULL,
    target           text        NOT NULL,
    force            boolean     NOT NULL,
    cap              bigint      CHECK (cap > 0),
    rate             integer     CHECK (rate > 0),
    reason           text        NOT NULL,
    matched          bigint      NOT NULL,
    verifiable       bigint,
    up_to            bigint      NOT NULL,
    sample           bigint[]    NOT NULL,
    state            text        NOT NULL
        CHECK (state IN ('planned', 'running', 'done', 'cancelled', 'failed', 'expired')),
    planned_at       timestamptz NOT NULL,
    planned_by       text        NOT NULL,
    expires_at       timestamptz NOT NULL,
    started_at       timestamptz,
    started_by       text,
    finished_at      timestamptz,
    cancelled_by     text,
    failure          text,
    after            bigint      NOT NULL DEFAULT -9223372036854775808,
    next_at          timestamptz,
    resolved         bigint      NOT NULL DEFAULT 0,
    created          bigint      NOT NULL DEFAULT 0,
    skipped          bigint      NOT NULL DEFAULT 0,
    skipped_items    text        NOT NULL DEFAULT '[]',
    lease_token      uuid,
    lease_expires_at timestamptz,
    CONSTRAINT leased_whole_or_not_at_all
        CHECK ((lease_token IS NULL) = (lease_expires_at IS NULL)),
    CONSTRAINT only_what_runs_is_leased
        CHECK (lease_token IS NULL OR state = 'running'),
    CONSTRAINT started_by_somebody
        CHECK ((started_at IS NULL) = (started_by IS NULL))
);
CREATE INDEX jobs_running ON jobs (id) WHERE state = 'running';
CREATE INDEX jobs_planned ON jobs (expires_at) WHERE state = 'planned';

COMMENT ON TABLE  jobs                  IS 'A bulk action on dead letters or rejected requests. Planned first, then started.';
COMMENT ON COLUMN jobs.id               IS 'Identity.';
COMMENT ON COLUMN jobs.tenant           IS 'The only tenant whose dead letters or rejected requests it touches; null for all.';
COMMENT ON COLUMN jobs.action           IS 'replay or discard: dead letters; reprocess_rejected or discard_rejected: rejected requests.';
COMMENT ON COLUMN jobs.selection        IS 'Which, as JSON; ages are times by now.';
COMMENT ON COLUMN jobs.target           IS 'Which, in words.';
COMMENT ON COLUMN jobs.force            IS 'Also what is done or resolved; only by id.';
COMMENT ON COLUMN jobs.cap              IS 'The most that it resolves; null for all.';
COMMENT ON COLUMN jobs.rate             IS 'The most that it resolves in a second; null for no limit.';
COMMENT ON COLUMN jobs.reason           IS 'Why, in the words of whoever planned it.';
COMMENT ON COLUMN jobs.matched          IS 'How many matched when it was planned.';
COMMENT ON COLUMN jobs.verifiable       IS 'For reprocess_rejected: how many of those that matched would have been accepted when it was planned.';
COMMENT ON COLUMN jobs.up_to            IS 'The highest id that matched then: what dies later is not its business.';
COMMENT ON COLUMN jobs.sample           IS 'Some of those that matched: deliveries, or numbers of rejected requests.';
COMMENT ON COLUMN jobs.state            IS 'planned; running; done; cancelled: somebody stopped it; failed: it cannot go on; expired: it was not started in time.';
COMMENT ON COLUMN jobs.planned_at       IS 'When it was planned.';
COMMENT ON COLUMN jobs.planned_by       IS 'Who planned it.';
COMMENT ON COLUMN jobs.expires_at       IS 'When it can no longer be started.';
COMMENT ON COLUMN jobs.started_at       IS 'When it was started.';
COMMENT ON COLUMN jobs.started_by       IS 'Who started it.';
COMMENT ON COLUMN jobs.finished_at      IS 'When it ended, however it did.';
COMMENT ON COLUMN jobs.cancelled_by     IS 'Who cancelled it.';
COMMENT ON COLUMN jobs.failure          IS 'Why it cannot go on.';
COMMENT ON COLUMN jobs.after            IS 'It has dealt with everything up to this id.';
COMMENT ON COLUMN jobs.next_at          IS 'Because of its rate: the next batch not before this time.';
COMMENT ON COLUMN jobs.resolved         IS 'How many it has replayed or discarded.';
COMMENT ON COLUMN jobs.created          IS 'How many new deliveries it has made.';
COMMENT ON COLUMN jobs.skipped          IS 'How many items were skipped.';
COMMENT ON COLUMN jobs.skipped_items    IS 'The first hundred skipped items: id and reason, as JSON.';
COMMENT ON COLUMN jobs.lease_token      IS 'The fencing token of whoever works on it.';
COMMENT ON COLUMN jobs.lease_expires_at IS 'When it may be taken over, by the database''s clock.';

-- Requests to the admin API with an Idempotency-Key.

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

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
-- The audit log identifies a key by its name.
CREATE UNIQUE INDEX api_keys_by_name ON api_keys (name) WHERE revoked_at IS NULL;

COMMENT ON TABLE  api_keys              IS 'API keys.';
COMMENT ON COLUMN api_keys.id           IS 'Identity: the public part of the key.';
COMMENT ON COLUMN api_keys.digest       IS 'SHA-256 of the key. The key itself is shown once and not stored.';
COMMENT ON COLUMN api_keys.name         IS 'The name. Unique among keys that are not revoked.';
COMMENT ON COLUMN api_keys.scopes       IS 'The scopes.';
COMMENT ON COLUMN api_keys.tenant       IS 'The tenant it is limited to; null for all.';
COMMENT ON COLUMN api_keys.created_at   IS 'When it was created.';
COMMENT ON COLUMN api_keys.created_by   IS 'Who created it.';
COMMENT ON COLUMN api_keys.expires_at   IS 'When it expires; null if never.';
COMMENT ON COLUMN api_keys.last_used_at IS 'When it was last used, to about a minute.';
COMMENT ON COLUMN api_keys.revoked_at   IS 'When it was revoked.';
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

COMMENT ON TABLE  users              IS 'Users of the console and the admin API.';
COMMENT ON COLUMN users.id           IS 'Identity.';
COMMENT ON COLUMN users.name         IS 'Their name, also in the audit log. Unique, ignoring case.';
COMMENT ON COLUMN users.folded       IS 'The name in folded case; computed by the gateway, so that it does not depend on the locale of the database.';
COMMENT ON COLUMN users.scopes       IS 'The scopes.';
COMMENT ON COLUMN users.tenant       IS 'The tenant they are limited to; null for all.';
COMMENT ON COLUMN users.password     IS 'The Argon2id hash of their password; null until they have chosen one.';
COMMENT ON COLUMN users.totp_since   IS 'When two-factor authentication was enabled; null if it is not. The TOTP secret is in credentials.';
COMMENT ON COLUMN users.totp_step    IS 'The time step of the last accepted code: no code is accepted twice.';
COMMENT ON COLUMN users.oidc_issuer  IS 'The single sign-on issuer they are linked to, since their first sign-in with it; null otherwise.';
COMMENT ON COLUMN users.oidc_subject IS 'Their subject at that issuer.';
COMMENT ON COLUMN users.created_at   IS 'When they were added.';
COMMENT ON COLUMN users.created_by   IS 'Who added them.';
COMMENT ON COLUMN users.signed_in_at IS 'When they last signed in.';
COMMENT ON COLUMN users.disabled_at  IS 'When they were disabled; null if they are not.';

CREATE TABLE setup_links (
    digest     bytea       PRIMARY KEY CHECK (octet_length(digest) = 32),
    user_id  bigint      REFERENCES users,
    created_at timestamptz NOT NULL,
    created_by text        NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);
COMMENT ON TABLE  setup_links            IS 'One-time links to choose a password.';
COMMENT ON COLUMN setup_links.digest     IS 'SHA-256 of the token in the link.';
COMMENT ON COLUMN setup_links.user_id  IS 'The user; null for the first user, who also chooses a name.';
COMMENT ON COLUMN setup_links.created_at IS 'When it was created.';
COMMENT ON COLUMN setup_links.created_by IS 'Who created it.';
COMMENT ON COLUMN setup_links.expires_at IS 'When it expires.';
COMMENT ON COLUMN setup_links.used_at    IS 'When it was used, or replaced by another one.';

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

COMMENT ON TABLE  sessions              IS 'Sessions of signed-in users. A session is deleted when it ends; the audit log records it.';
COMMENT ON COLUMN sessions.digest       IS 'SHA-256 of the token in the cookie.';
COMMENT ON COLUMN sessions.id           IS 'The public id, for lists and for ending it; it does not authenticate.';
COMMENT ON COLUMN sessions.user_id    IS 'The user.';
COMMENT ON COLUMN sessions.peer         IS 'The client address at sign-in.';
COMMENT ON COLUMN sessions.agent        IS 'The user agent at sign-in, truncated.';
COMMENT ON COLUMN sessions.created_at   IS 'When they signed in.';
COMMENT ON COLUMN sessions.last_seen_at IS 'The time of the last request, to the minute.';
COMMENT ON COLUMN sessions.expires_at   IS 'The absolute expiry, whatever the activity.';

CREATE TABLE devices (
    digest     bytea       PRIMARY KEY CHECK (octet_length(digest) = 32),
    user_id  bigint      NOT NULL REFERENCES users,
    used_at    timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX devices_by_user ON devices (user_id, used_at);

COMMENT ON TABLE  devices            IS 'Browsers of an earlier sign-in: their sign-in attempts are counted separately from those of strangers who only know the name. They do not authenticate.';
COMMENT ON COLUMN devices.digest     IS 'SHA-256 of the token in the browser''s cookie.';
COMMENT ON COLUMN devices.user_id  IS 'The user.';
COMMENT ON COLUMN devices.used_at    IS 'When they last signed in with it.';
COMMENT ON COLUMN devices.expires_at IS 'When it expires.';

CREATE TABLE sign_in_attempts (
    id  bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key bytea       NOT NULL CHECK (octet_length(key) = 32),
    at  timestamptz NOT NULL
);
CREATE INDEX sign_in_attempts_by_key ON sign_in_attempts (key, at);

COMMENT ON TABLE  sign_in_attempts     IS 'Failed sign-in attempts, which limit further ones at every gateway on this database.';
COMMENT ON COLUMN sign_in_attempts.id  IS 'Identity.';
COMMENT ON COLUMN sign_in_attempts.key IS 'SHA-256 of the key it is counted under: name and network together, either alone, or the browser.';
COMMENT ON COLUMN sign_in_attempts.at  IS 'When it was made.';

CREATE TABLE oidc_flows (
    digest     bytea       PRIMARY KEY CHECK (octet_length(digest) = 32),
    next       text        NOT NULL,
    attempt    bigint      NOT NULL,
    expires_at timestamptz NOT NULL
);
COMMENT ON TABLE  oidc_flows            IS 'Sign-ins in progress at an OpenID Connect issuer. A row is deleted by the callback.';
COMMENT ON COLUMN oidc_flows.digest     IS 'SHA-256 of the state. State, nonce and PKCE verifier are derived from a cookie of the browser and not stored.';
COMMENT ON COLUMN oidc_flows.next       IS 'Where the browser is redirected afterwards: a path of the console.';
COMMENT ON COLUMN oidc_flows.attempt    IS 'The sign-in attempt it is counted as, deleted on success.';
COMMENT ON COLUMN oidc_flows.expires_at IS 'When it expires.';

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

COMMENT ON TABLE  audit_log           IS 'The audit log. Append-only; every row contains the hash of the previous one.';
COMMENT ON COLUMN audit_log.id        IS 'Sequence number from 1, without gaps.';
COMMENT ON COLUMN audit_log.at        IS 'When it happened.';
COMMENT ON COLUMN audit_log.actor     IS 'The actor: a user, key:NAME, or an account of the machine.';
COMMENT ON COLUMN audit_log.tenant    IS 'The tenant the actor is limited to; null for all.';
COMMENT ON COLUMN audit_log.address   IS 'The client address; null for the command line and for background work.';
COMMENT ON COLUMN audit_log.action    IS 'The action, such as replay or discard.';
COMMENT ON COLUMN audit_log.target    IS 'The target: the selection, in words.';
COMMENT ON COLUMN audit_log.reason    IS 'The reason the actor gave.';
COMMENT ON COLUMN audit_log.count     IS 'The number of affected rows.';
COMMENT ON COLUMN audit_log.before    IS 'SHA-256 of the state before, if something was changed.';
COMMENT ON COLUMN audit_log.after     IS 'SHA-256 of the state after.';
COMMENT ON COLUMN audit_log.prev_hash IS 'The hash of the previous row; 32 zero bytes in the first one.';
COMMENT ON COLUMN audit_log.hash      IS 'SHA-256 over all other columns, as described in docs/adr/0023-the-audit-log-is-a-chain.md.';

-- The role that owns the table can grant itself the privileges again. The trigger applies to it and
-- to a superuser, until it is dropped.
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

COMMENT ON TABLE  operator_actions             IS 'Actions of operators on deliveries: one row per delivery, and per new delivery of a replay. Append-only, written in the transaction of the action.';
COMMENT ON COLUMN operator_actions.id          IS 'Identity.';
COMMENT ON COLUMN operator_actions.at          IS 'When it happened.';
COMMENT ON COLUMN operator_actions.actor       IS 'The operator.';
COMMENT ON COLUMN operator_actions.action      IS 'replay; discard; unblock: its lane was unblocked; dead_letter: its destination was deleted, and it became a dead letter.';
COMMENT ON COLUMN operator_actions.reason      IS 'The reason given.';
COMMENT ON COLUMN operator_actions.delivery_id IS 'The delivery the action was applied to.';
COMMENT ON COLUMN operator_actions.replay_id   IS 'The new delivery, for a replay.';
COMMENT ON COLUMN operator_actions.xact        IS 'The transaction that inserted it: its position in the change stream.';
COMMENT ON COLUMN operator_actions.job_id IS 'The job that did it; null for a single action.';

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

COMMENT ON TABLE  dead_letter_groups              IS 'Groups of similar dead letters: same source, handler, reason and normalized message.';
COMMENT ON COLUMN dead_letter_groups.id           IS 'Identity.';
COMMENT ON COLUMN dead_letter_groups.fingerprint  IS 'SHA-256 over tenant, source, handler, reason and message.';
COMMENT ON COLUMN dead_letter_groups.tenant       IS 'As in events; empty if the event was deleted before it was grouped.';
COMMENT ON COLUMN dead_letter_groups.source       IS 'As in deliveries.';
COMMENT ON COLUMN dead_letter_groups.handler      IS 'As in deliveries.';
COMMENT ON COLUMN dead_letter_groups.class        IS 'handler: a handler failed; destination: a destination did not accept it; content: authentic but unprocessable; transfer: an incomplete transfer; internal: a fault of the gateway.';
COMMENT ON COLUMN dead_letter_groups.death_reason IS 'As in deliveries.';
COMMENT ON COLUMN dead_letter_groups.message      IS 'The normalized first line of the error; empty if the errors vary too much to be grouped further. Partly untrusted.';
COMMENT ON COLUMN dead_letter_groups.open         IS 'The number that are neither replayed nor discarded.';
COMMENT ON COLUMN dead_letter_groups.total        IS 'The total number.';
COMMENT ON COLUMN dead_letter_groups.first_at     IS 'When the first of them was dead-lettered.';
COMMENT ON COLUMN dead_letter_groups.last_at      IS 'When the last of them was dead-lettered.';
COMMENT ON COLUMN dead_letter_groups.sample       IS 'The latest of them: its error is the title.';

CREATE TABLE dead_letter_hours (
    group_id bigint      NOT NULL REFERENCES dead_letter_groups ON DELETE CASCADE,
    hour     timestamptz NOT NULL,
    count    bigint      NOT NULL,
    PRIMARY KEY (group_id, hour)
);
CREATE INDEX dead_letter_hours_by_age ON dead_letter_hours (hour);
COMMENT ON TABLE  dead_letter_hours          IS 'Dead letters of a group per hour. Kept for a week.';
COMMENT ON COLUMN dead_letter_hours.group_id IS 'The group.';
COMMENT ON COLUMN dead_letter_hours.hour     IS 'The start of the hour.';
COMMENT ON COLUMN dead_letter_hours.count    IS 'The number of dead letters.';

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
COMMENT ON COLUMN jobs.tenant           IS 'The tenant it is limited to; null for all.';
COMMENT ON COLUMN jobs.action           IS 'replay or discard: dead letters; reprocess_rejected or discard_rejected: rejected requests.';
COMMENT ON COLUMN jobs.selection        IS 'The selection, as JSON; ages are stored as absolute times.';
COMMENT ON COLUMN jobs.target           IS 'The selection, in words.';
COMMENT ON COLUMN jobs.force            IS 'Also completed and resolved deliveries; only by id.';
COMMENT ON COLUMN jobs.cap              IS 'The maximum number of items; null for all.';
COMMENT ON COLUMN jobs.rate             IS 'The maximum number of items per second; null for no limit.';
COMMENT ON COLUMN jobs.reason           IS 'The reason given when it was planned.';
COMMENT ON COLUMN jobs.matched          IS 'The number of matches at planning time.';
COMMENT ON COLUMN jobs.verifiable       IS 'For reprocess_rejected: how many of them would have been accepted at planning time.';
COMMENT ON COLUMN jobs.up_to            IS 'The highest id that matched at planning time: later dead letters are not included.';
COMMENT ON COLUMN jobs.sample           IS 'Some of the matches: deliveries, or numbers of rejected requests.';
COMMENT ON COLUMN jobs.state            IS 'planned; running; done; cancelled: a user stopped it; failed: it cannot continue; expired: it was not started in time.';
COMMENT ON COLUMN jobs.planned_at       IS 'When it was planned.';
COMMENT ON COLUMN jobs.planned_by       IS 'Who planned it.';
COMMENT ON COLUMN jobs.expires_at       IS 'When the plan expires.';
COMMENT ON COLUMN jobs.started_at       IS 'When it was started.';
COMMENT ON COLUMN jobs.started_by       IS 'Who started it.';
COMMENT ON COLUMN jobs.finished_at      IS 'When it ended, in any way.';
COMMENT ON COLUMN jobs.cancelled_by     IS 'Who cancelled it.';
COMMENT ON COLUMN jobs.failure          IS 'Why it cannot continue.';
COMMENT ON COLUMN jobs.after            IS 'Everything up to this id is processed.';
COMMENT ON COLUMN jobs.next_at          IS 'When its rate allows the next batch.';
COMMENT ON COLUMN jobs.resolved         IS 'The number of items replayed, accepted or discarded.';
COMMENT ON COLUMN jobs.created          IS 'The number of new deliveries or events.';
COMMENT ON COLUMN jobs.skipped          IS 'The number of skipped items.';
COMMENT ON COLUMN jobs.skipped_items    IS 'The first hundred skipped items: id and reason, as JSON.';
COMMENT ON COLUMN jobs.lease_token      IS 'The fencing token of the worker.';
COMMENT ON COLUMN jobs.lease_expires_at IS 'When another worker may take it over, by the database''s clock.';

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

COMMENT ON TABLE  idempotency_keys             IS 'Admin API requests with an Idempotency-Key: claimed before they are carried out, answered afterwards, deleted after a day. A rejected request leaves no row.';
COMMENT ON COLUMN idempotency_keys.key         IS 'SHA-256 of the caller and their key.';
COMMENT ON COLUMN idempotency_keys.request     IS 'SHA-256 of the method, the path and the body: no other request may use the same key.';
COMMENT ON COLUMN idempotency_keys.claim       IS 'The request that holds the key; one that has lost the claim stores no response.';
COMMENT ON COLUMN idempotency_keys.claimed_at  IS 'When that request began.';
COMMENT ON COLUMN idempotency_keys.answered_at IS 'When it was completed; null while it is in progress, or if it was interrupted.';
COMMENT ON COLUMN idempotency_keys.status      IS 'The status of the response.';
COMMENT ON COLUMN idempotency_keys.body        IS 'The body of the response; null if it contained a secret or was too large.';
COMMENT ON COLUMN idempotency_keys.expires_at  IS 'When it is deleted.';

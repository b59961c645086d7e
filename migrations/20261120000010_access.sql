-- Who may operate the gateway, and the record of what they did.

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
CREATE INDEX sessions_by_person ON sessions (user_id);

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
CREATE INDEX devices_by_person ON devices (user_id, used_at);

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
-- a superuser, until somebody drops it.
CREATE FUNCTION audit_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_append_only();
REVOKE UPDATE, DELETE, TRUNCATE ON audit_log FROM CURRENT_USER;
REVOKE ALL ON audit_log FROM PUBLIC;

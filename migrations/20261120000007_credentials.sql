-- Credentials that the gateway keeps: tokens by which senders let it in.

CREATE TABLE credentials (
    tenant     text        COLLATE "C" NOT NULL,
    source     text        COLLATE "C" NOT NULL,
    name       text        COLLATE "C" NOT NULL,
    key_id     text        COLLATE "C" NOT NULL,
    nonce      bytea       NOT NULL CHECK (octet_length(nonce) = 12),
    ciphertext bytea       NOT NULL CHECK (octet_length(ciphertext) >= 16),
    sealed_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant, source, name)
);

COMMENT ON TABLE  credentials            IS 'Credentials, sealed with AES-256-GCM under a master key that is not in the database. What is authenticated with each: tenant, source and name, so that one row''s secret cannot be put into another.';
COMMENT ON COLUMN credentials.tenant     IS 'To whom the source belongs.';
COMMENT ON COLUMN credentials.source     IS 'The source that uses it.';
COMMENT ON COLUMN credentials.name       IS 'What it is, in the words of the source''s provider.';
COMMENT ON COLUMN credentials.key_id     IS 'Which master key seals it: a digest of the key.';
COMMENT ON COLUMN credentials.nonce      IS 'The nonce: random, new with every sealing.';
COMMENT ON COLUMN credentials.ciphertext IS 'The sealed secret with its tag.';
COMMENT ON COLUMN credentials.sealed_at  IS 'When it was sealed last.';

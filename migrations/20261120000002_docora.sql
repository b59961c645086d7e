-- What is known from Docora's events: repositories, their files, and the cards among these.

CREATE TABLE docora_repositories (
    source               text        NOT NULL,
    repository_id        text        NOT NULL,
    github_url           text        NOT NULL,
    owner                text        NOT NULL,
    name                 text        NOT NULL,
    status               text        NOT NULL CHECK (status IN ('pending', 'synced', 'sync_failed')),
    last_sync_at         timestamptz,
    error_type           text,
    error_message        text,
    error_at             timestamptz,
    consecutive_failures bigint      NOT NULL DEFAULT 0 CHECK (consecutive_failures >= 0),
    cooldown_until       timestamptz,
    cards_count          bigint      NOT NULL DEFAULT 0 CHECK (cards_count >= 0),
    registered_at        timestamptz,
    replaced_by          text,
    PRIMARY KEY (source, repository_id),
    CONSTRAINT failed_iff_it_has_an_error
        CHECK ((status = 'sync_failed') = (error_at IS NOT NULL)
           AND (status = 'sync_failed') = (error_type IS NOT NULL)
           AND (status = 'sync_failed') = (error_message IS NOT NULL)),
    CONSTRAINT synced_only_with_a_time
        CHECK (status <> 'synced' OR last_sync_at IS NOT NULL)
);

COMMENT ON TABLE  docora_repositories                      IS 'Repositories that were registered at Docora, or that it has sent something about.';
COMMENT ON COLUMN docora_repositories.source               IS 'The source by which it came.';
COMMENT ON COLUMN docora_repositories.repository_id        IS 'Docora''s id of the repository.';
COMMENT ON COLUMN docora_repositories.github_url           IS 'Its address, as the newest payload has it. Shown, never called.';
COMMENT ON COLUMN docora_repositories.owner                IS 'Its owner, as the newest payload has it.';
COMMENT ON COLUMN docora_repositories.name                 IS 'Its name, as the newest payload has it.';
COMMENT ON COLUMN docora_repositories.status               IS 'pending: nothing was received yet; synced: the newest news is a file event; sync_failed: the newest news is a failure.';
COMMENT ON COLUMN docora_repositories.last_sync_at         IS 'When the sender built the newest file event, of whatever file.';
COMMENT ON COLUMN docora_repositories.error_type           IS 'For sync_failed: the sender''s kind of error.';
COMMENT ON COLUMN docora_repositories.error_message        IS 'For sync_failed: what git said, without credentials, at most 4 KiB.';
COMMENT ON COLUMN docora_repositories.error_at             IS 'For sync_failed: when the sender built the newest report.';
COMMENT ON COLUMN docora_repositories.consecutive_failures IS 'How often the sender failed in a row; 0 when it did not.';
COMMENT ON COLUMN docora_repositories.cooldown_until       IS 'For sync_failed: until when the sender will not try again.';
COMMENT ON COLUMN docora_repositories.cards_count          IS 'How many cards are available.';
COMMENT ON COLUMN docora_repositories.registered_at        IS 'Since when it is registered by us; null if it is not, or not any more.';
COMMENT ON COLUMN docora_repositories.replaced_by          IS 'The id that Docora gave the same repository when it was registered anew.';

CREATE TABLE docora_files (
    source        text        NOT NULL,
    repository_id text        NOT NULL,
    path          text        NOT NULL,
    sha           text        NOT NULL CHECK (length(sha) = 64),
    content_sha   text        CHECK (length(content_sha) = 64),
    size          bigint      CHECK (size >= 0),
    kind          text        NOT NULL CHECK (kind IN ('card', 'image', 'other')),
    media_type    text,
    lossy         boolean     NOT NULL,
    deleted       boolean     NOT NULL,
    commit_sha    text        NOT NULL,
    sent_at       timestamptz NOT NULL,
    event_id      uuid        NOT NULL,
    PRIMARY KEY (source, repository_id, path),
    FOREIGN KEY (source, repository_id) REFERENCES docora_repositories,
    CONSTRAINT there_with_its_content
        CHECK (deleted OR (content_sha IS NOT NULL AND size IS NOT NULL AND media_type IS NOT NULL))
);

COMMENT ON TABLE  docora_files               IS 'Files of the repositories, and where they stand. A file that is gone stays as a mark, so that older news cannot bring it back.';
COMMENT ON COLUMN docora_files.source        IS 'The source by which it came.';
COMMENT ON COLUMN docora_files.repository_id IS 'Its repository.';
COMMENT ON COLUMN docora_files.path          IS 'Its path in the repository: relative, with forward slashes, at most 1024 bytes. Never decoded.';
COMMENT ON COLUMN docora_files.sha           IS 'SHA-256 of the file, as the sender says, in hexadecimal digits.';
COMMENT ON COLUMN docora_files.content_sha   IS 'SHA-256 of the content that we received, in hexadecimal digits. Null if all we know is that the file is gone.';
COMMENT ON COLUMN docora_files.size          IS 'Size in bytes, as the sender says. Null if all we know is that the file is gone.';
COMMENT ON COLUMN docora_files.kind          IS 'card: markdown; image: an image by name and first bytes; other: only noted here.';
COMMENT ON COLUMN docora_files.media_type    IS 'By name and first bytes, for example image/png. Null if all we know is that the file is gone.';
COMMENT ON COLUMN docora_files.lossy         IS 'What we keep is not what the file holds: bytes that are no text, or NUL, were replaced by U+FFFD.';
COMMENT ON COLUMN docora_files.deleted       IS 'The file is gone from the repository.';
COMMENT ON COLUMN docora_files.commit_sha    IS 'The commit at which the sender read the repository. The content may be newer.';
COMMENT ON COLUMN docora_files.sent_at       IS 'When the sender built the newest payload about the file, or when that was received if earlier: older news does not overwrite newer.';
COMMENT ON COLUMN docora_files.event_id      IS 'The event that brought this content, or took the file away. No foreign key: events are removed in time.';

CREATE TABLE docora_cards (
    source             text    NOT NULL,
    repository_id      text    NOT NULL,
    path               text    NOT NULL,
    title              text    NOT NULL,
    tags               text[]  NOT NULL,
    front_matter       text,
    front_matter_error text,
    raw                text    NOT NULL,
    body               text    NOT NULL,
    content_hash       text    NOT NULL CHECK (length(content_hash) = 64),
    source_available   boolean NOT NULL,
    PRIMARY KEY (source, repository_id, path),
    FOREIGN KEY (source, repository_id, path) REFERENCES docora_files,
    CONSTRAINT front_matter_was_read_or_was_not
        CHECK (front_matter IS NULL OR front_matter_error IS NULL)
);

COMMENT ON TABLE  docora_cards                    IS 'Cards: the markdown files of the repositories.';
COMMENT ON COLUMN docora_cards.source             IS 'The source by which it came.';
COMMENT ON COLUMN docora_cards.repository_id      IS 'Its repository.';
COMMENT ON COLUMN docora_cards.path               IS 'Its file.';
COMMENT ON COLUMN docora_cards.title              IS 'The front matter''s title, else the file''s name without `.md`.';
COMMENT ON COLUMN docora_cards.tags               IS 'The front matter''s tags, in its order.';
COMMENT ON COLUMN docora_cards.front_matter       IS 'The front matter as the text of a JSON object, without NUL. Null if there is none, if it is empty or cannot be read.';
COMMENT ON COLUMN docora_cards.front_matter_error IS 'Why the front matter cannot be read. Null if it can, or if there is none.';
COMMENT ON COLUMN docora_cards.raw                IS 'The whole text.';
COMMENT ON COLUMN docora_cards.body               IS 'The text after the front matter.';
COMMENT ON COLUMN docora_cards.content_hash       IS 'SHA-256 of the content that we received, in hexadecimal digits.';
COMMENT ON COLUMN docora_cards.source_available   IS 'The file is in the repository; false once it was deleted there.';

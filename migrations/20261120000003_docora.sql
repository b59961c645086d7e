-- Data from Docora's events: repositories and their files, cards, images and decks.

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
    description          text,
    description_path     text,
    objects_checked_at   timestamptz,
    PRIMARY KEY (source, repository_id),
    CONSTRAINT failed_iff_it_has_an_error
        CHECK ((status = 'sync_failed') = (error_at IS NOT NULL)
           AND (status = 'sync_failed') = (error_type IS NOT NULL)
           AND (status = 'sync_failed') = (error_message IS NOT NULL)),
    CONSTRAINT synced_only_with_a_time
        CHECK (status <> 'synced' OR last_sync_at IS NOT NULL),
    CONSTRAINT described_by_a_file
        CHECK ((description IS NULL) = (description_path IS NULL))
);

COMMENT ON TABLE  docora_repositories                      IS 'Repositories that are registered at Docora, or that it has sent events about.';
COMMENT ON COLUMN docora_repositories.source               IS 'The source of the events.';
COMMENT ON COLUMN docora_repositories.repository_id        IS 'Docora''s id of the repository.';
COMMENT ON COLUMN docora_repositories.github_url           IS 'The URL in the newest payload. For display only.';
COMMENT ON COLUMN docora_repositories.owner                IS 'The owner in the newest payload.';
COMMENT ON COLUMN docora_repositories.name                 IS 'The name in the newest payload.';
COMMENT ON COLUMN docora_repositories.status               IS 'pending: nothing received yet; synced: the newest event is a file event; sync_failed: the newest event is a failure.';
COMMENT ON COLUMN docora_repositories.last_sync_at         IS 'When the sender built the newest file event.';
COMMENT ON COLUMN docora_repositories.error_type           IS 'For sync_failed: the sender''s error type.';
COMMENT ON COLUMN docora_repositories.error_message        IS 'For sync_failed: the output of git, without credentials, at most 4 KiB.';
COMMENT ON COLUMN docora_repositories.error_at             IS 'For sync_failed: when the sender built the newest report.';
COMMENT ON COLUMN docora_repositories.consecutive_failures IS 'The sender''s consecutive failures.';
COMMENT ON COLUMN docora_repositories.cooldown_until       IS 'For sync_failed: the sender does not retry before this time.';
COMMENT ON COLUMN docora_repositories.cards_count          IS 'The number of available cards.';
COMMENT ON COLUMN docora_repositories.registered_at        IS 'The time of registration; null if not, or no longer, registered.';
COMMENT ON COLUMN docora_repositories.replaced_by          IS 'The id that Docora gave the same repository in a later registration.';
COMMENT ON COLUMN docora_repositories.description          IS 'The README at the root, as unchanged Markdown, at most 64 KiB. Null if there is none.';
COMMENT ON COLUMN docora_repositories.description_path     IS 'The path of the README.';
COMMENT ON COLUMN docora_repositories.objects_checked_at   IS 'When the stored objects were last compared with docora_objects.';

CREATE TABLE docora_files (
    source        text        NOT NULL,
    repository_id text        NOT NULL,
    path          text        NOT NULL,
    sha           text        NOT NULL CHECK (length(sha) = 64),
    content_sha   text        CHECK (length(content_sha) = 64),
    size          bigint      CHECK (size >= 0),
    kind          text        NOT NULL CHECK (kind IN ('card', 'image', 'deck', 'rules', 'readme', 'other')),
    media_type    text,
    lossy         boolean     NOT NULL,
    problem       text,
    ignored       boolean     NOT NULL,
    deleted       boolean     NOT NULL,
    commit_sha    text        NOT NULL,
    sent_at       timestamptz NOT NULL,
    event_id      uuid        NOT NULL,
    PRIMARY KEY (source, repository_id, path),
    FOREIGN KEY (source, repository_id) REFERENCES docora_repositories,
    CONSTRAINT there_with_its_content
        CHECK (deleted OR (content_sha IS NOT NULL AND size IS NOT NULL AND media_type IS NOT NULL))
);

COMMENT ON TABLE  docora_files               IS 'Files of the repositories. A deleted file keeps its row, so that an older event cannot restore it.';
COMMENT ON COLUMN docora_files.source        IS 'The source of the events.';
COMMENT ON COLUMN docora_files.repository_id IS 'The repository.';
COMMENT ON COLUMN docora_files.path          IS 'The path in the repository: relative, with forward slashes, at most 1024 bytes. Never decoded.';
COMMENT ON COLUMN docora_files.sha           IS 'The SHA-256 of the file according to the sender, in hexadecimal.';
COMMENT ON COLUMN docora_files.content_sha   IS 'The SHA-256 of the received content, in hexadecimal. Null if only the deletion is known.';
COMMENT ON COLUMN docora_files.size          IS 'The size in bytes, according to the sender. Null if only the deletion is known.';
COMMENT ON COLUMN docora_files.kind          IS 'card: markdown; image: an image by name and content; deck: deck.yaml; rules: .lumioignore; readme: the README at the root; other: only recorded here.';
COMMENT ON COLUMN docora_files.media_type    IS 'By name and first bytes, for example image/png. Null if only the deletion is known.';
COMMENT ON COLUMN docora_files.lossy         IS 'Whether the stored content differs from the file: invalid UTF-8 or NUL was replaced by U+FFFD.';
COMMENT ON COLUMN docora_files.problem       IS 'Why the content does not match the name, for example an invalid image. Null if it does.';
COMMENT ON COLUMN docora_files.ignored       IS 'Whether the ignore rules of the repository apply to it, or it is always ignored. It is stored, and shown again when the rules change.';
COMMENT ON COLUMN docora_files.deleted       IS 'Whether the file was deleted from the repository.';
COMMENT ON COLUMN docora_files.commit_sha    IS 'The commit at which the sender read the repository. The content may be newer.';
COMMENT ON COLUMN docora_files.sent_at       IS 'When the sender built the newest payload about the file, or when it was received if earlier. An older event does not overwrite a newer one.';
COMMENT ON COLUMN docora_files.event_id      IS 'The event that delivered this content or deleted the file. No foreign key: events are deleted after their retention period.';

CREATE TABLE docora_cards (
    source             text    NOT NULL,
    repository_id      text    NOT NULL,
    path               text    NOT NULL,
    title              text    NOT NULL,
    tags               text[]  NOT NULL,
    difficulty         smallint CHECK (difficulty BETWEEN 1 AND 5),
    language           text,
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
COMMENT ON COLUMN docora_cards.source             IS 'The source of the events.';
COMMENT ON COLUMN docora_cards.repository_id      IS 'The repository.';
COMMENT ON COLUMN docora_cards.path               IS 'The file.';
COMMENT ON COLUMN docora_cards.title              IS 'The front matter''s title, otherwise the file name without `.md`.';
COMMENT ON COLUMN docora_cards.tags               IS 'The front matter''s tags, in its order.';
COMMENT ON COLUMN docora_cards.difficulty         IS 'The front matter''s difficulty, clamped to 1 to 5. Null if it has none.';
COMMENT ON COLUMN docora_cards.language           IS 'The front matter''s language, for example en or it-CH. Null if it has none.';
COMMENT ON COLUMN docora_cards.front_matter       IS 'The front matter as JSON text, without NUL. Null if it is missing, empty or invalid.';
COMMENT ON COLUMN docora_cards.front_matter_error IS 'Why the front matter is invalid. Null if it is valid or missing.';
COMMENT ON COLUMN docora_cards.raw                IS 'The whole text, unchanged.';
COMMENT ON COLUMN docora_cards.body               IS 'The text after the front matter.';
COMMENT ON COLUMN docora_cards.content_hash       IS 'The SHA-256 of the received content, in hexadecimal.';
COMMENT ON COLUMN docora_cards.source_available   IS 'Whether the file is in the repository and not ignored.';

CREATE TABLE docora_card_images (
    source        text    NOT NULL,
    repository_id text    NOT NULL,
    card_path     text    NOT NULL,
    position      integer NOT NULL CHECK (position >= 0),
    reference     text    NOT NULL,
    image_path    text    NOT NULL,
    PRIMARY KEY (source, repository_id, card_path, position),
    FOREIGN KEY (source, repository_id, card_path) REFERENCES docora_cards
);

CREATE INDEX docora_card_images_of_an_image ON docora_card_images (source, repository_id, image_path);

COMMENT ON TABLE  docora_card_images               IS 'The images of the repository that a card shows. Join `image_path` to docora_images.path; the image may arrive later, or never.';
COMMENT ON COLUMN docora_card_images.source        IS 'The source of the events.';
COMMENT ON COLUMN docora_card_images.repository_id IS 'The repository.';
COMMENT ON COLUMN docora_card_images.card_path     IS 'The card.';
COMMENT ON COLUMN docora_card_images.position      IS 'The index among the card''s references, from 0. A repeated reference counts once.';
COMMENT ON COLUMN docora_card_images.reference     IS 'The reference as in the card, without Markdown escapes.';
COMMENT ON COLUMN docora_card_images.image_path    IS 'The path that it refers to.';

CREATE TABLE docora_decks (
    source        text    NOT NULL,
    repository_id text    NOT NULL,
    path          text    NOT NULL,
    folder        text    NOT NULL,
    display_name  text,
    description   text,
    tags          text[]  NOT NULL,
    whole         text,
    available     boolean NOT NULL,
    PRIMARY KEY (source, repository_id, path),
    FOREIGN KEY (source, repository_id, path) REFERENCES docora_files
);

COMMENT ON TABLE  docora_decks               IS 'Decks: folders of cards, described by a deck.yaml or deck.yml. The error of an invalid file is in docora_files.problem.';
COMMENT ON COLUMN docora_decks.source        IS 'The source of the events.';
COMMENT ON COLUMN docora_decks.repository_id IS 'The repository.';
COMMENT ON COLUMN docora_decks.path          IS 'The file.';
COMMENT ON COLUMN docora_decks.folder        IS 'The described folder; empty for the root. Decks may be nested.';
COMMENT ON COLUMN docora_decks.display_name  IS 'The file''s display_name. Null if it has none.';
COMMENT ON COLUMN docora_decks.description   IS 'The file''s description. Null if it has none.';
COMMENT ON COLUMN docora_decks.tags          IS 'The file''s tags: unique, lower case with dashes, at most 5.';
COMMENT ON COLUMN docora_decks.whole         IS 'The whole file as JSON text, without NUL. Null if it is empty or invalid.';
COMMENT ON COLUMN docora_decks.available     IS 'Whether the file is not ignored.';

CREATE TABLE docora_ignore_rules (
    source        text   NOT NULL,
    repository_id text   NOT NULL,
    path          text   NOT NULL,
    folder        text   NOT NULL,
    rules         text   NOT NULL,
    skipped       text[] NOT NULL,
    PRIMARY KEY (source, repository_id, path),
    FOREIGN KEY (source, repository_id, path) REFERENCES docora_files
);

COMMENT ON TABLE  docora_ignore_rules               IS 'The ignore rules of the repositories: their .lumioignore files. The 32 files nearest to the root of a repository apply.';
COMMENT ON COLUMN docora_ignore_rules.source        IS 'The source of the events.';
COMMENT ON COLUMN docora_ignore_rules.repository_id IS 'The repository.';
COMMENT ON COLUMN docora_ignore_rules.path          IS 'The file.';
COMMENT ON COLUMN docora_ignore_rules.folder        IS 'The folder to which they apply; empty for the root.';
COMMENT ON COLUMN docora_ignore_rules.rules         IS 'The valid rules, one per line, in gitignore syntax.';
COMMENT ON COLUMN docora_ignore_rules.skipped       IS 'The skipped lines, each with its number and the reason; at most 20.';

CREATE TABLE docora_images (
    source                text    NOT NULL,
    repository_id         text    NOT NULL,
    path                  text    NOT NULL,
    sha256                text    NOT NULL CHECK (length(sha256) = 64),
    media_type            text    NOT NULL,
    width                 integer CHECK (width > 0),
    height                integer CHECK (height > 0),
    object_key            text    NOT NULL,
    rendition_key         text,
    rendition_width       integer CHECK (rendition_width > 0),
    rendition_height      integer CHECK (rendition_height > 0),
    rendition_problem     text,
    available             boolean NOT NULL,
    PRIMARY KEY (source, repository_id, path),
    FOREIGN KEY (source, repository_id, path) REFERENCES docora_files,
    CONSTRAINT a_rendition_has_a_size
        CHECK ((rendition_key IS NULL) = (rendition_width IS NULL)
           AND (rendition_key IS NULL) = (rendition_height IS NULL))
);

CREATE INDEX docora_images_of_an_object ON docora_images (object_key);
CREATE INDEX docora_images_of_a_rendition ON docora_images (rendition_key);

COMMENT ON TABLE  docora_images                   IS 'The images of the repositories, and the keys of their objects.';
COMMENT ON COLUMN docora_images.source            IS 'The source of the events.';
COMMENT ON COLUMN docora_images.repository_id     IS 'The repository.';
COMMENT ON COLUMN docora_images.path              IS 'The file.';
COMMENT ON COLUMN docora_images.sha256            IS 'The SHA-256 of the object, in hexadecimal.';
COMMENT ON COLUMN docora_images.media_type        IS 'By content: image/jpeg, image/png, image/gif, image/webp or image/svg+xml. SVG may contain scripts: show it in an img element, never as a page.';
COMMENT ON COLUMN docora_images.width             IS 'The displayed width in pixels. Null for SVG without a size.';
COMMENT ON COLUMN docora_images.height            IS 'The displayed height in pixels. Null for SVG without a size.';
COMMENT ON COLUMN docora_images.object_key        IS 'The object: {tenant}/{repository}/{path}@{sha256}, each name encoded.';
COMMENT ON COLUMN docora_images.rendition_key     IS 'A smaller object of the same image and type, if the image is wider than configured.';
COMMENT ON COLUMN docora_images.rendition_width   IS 'The width of the rendition in pixels.';
COMMENT ON COLUMN docora_images.rendition_height  IS 'The height of the rendition in pixels.';
COMMENT ON COLUMN docora_images.rendition_problem IS 'Why a wide image has no rendition. Null if it has one, or none is configured.';
COMMENT ON COLUMN docora_images.available         IS 'Whether the file is not ignored.';

CREATE TABLE docora_objects (
    object_key     text        PRIMARY KEY,
    unused_since   timestamptz,
    removing_since timestamptz,
    removed_at     timestamptz,
    CONSTRAINT only_what_is_unused_is_removed
        CHECK (removing_since IS NULL OR unused_since IS NOT NULL),
    CONSTRAINT removed_after_it_was_begun
        CHECK (removed_at IS NULL OR removing_since IS NOT NULL)
);

CREATE INDEX docora_objects_unused ON docora_objects (unused_since) WHERE unused_since IS NOT NULL;

COMMENT ON TABLE  docora_objects                IS 'The ledger of stored objects: which are in use, and which are to be removed. It commits with the images, so that no used object is removed and no unused one remains.';
COMMENT ON COLUMN docora_objects.object_key     IS 'The object.';
COMMENT ON COLUMN docora_objects.unused_since   IS 'Since when no image uses it. Null while one does.';
COMMENT ON COLUMN docora_objects.removing_since IS 'Since when it is being removed: it cannot be used any more.';
COMMENT ON COLUMN docora_objects.removed_at     IS 'When it was removed. The row is deleted later, once no attempt can rely on the object any more.';

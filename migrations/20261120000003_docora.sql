-- Data from Docora's events: repositories, their files, and the cards, images and decks among
-- these.

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
COMMENT ON COLUMN docora_repositories.description          IS 'The read-me at the root, in Markdown as it is written, at most 64 KiB. Null if there is none.';
COMMENT ON COLUMN docora_repositories.description_path     IS 'The read-me''s path.';
COMMENT ON COLUMN docora_repositories.objects_checked_at   IS 'When the stored objects were last held against the images.';

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

COMMENT ON TABLE  docora_files               IS 'Files of the repositories, and where they stand. A file that is gone stays as a mark, so that older news cannot bring it back.';
COMMENT ON COLUMN docora_files.source        IS 'The source by which it came.';
COMMENT ON COLUMN docora_files.repository_id IS 'Its repository.';
COMMENT ON COLUMN docora_files.path          IS 'Its path in the repository: relative, with forward slashes, at most 1024 bytes. Never decoded.';
COMMENT ON COLUMN docora_files.sha           IS 'SHA-256 of the file, as the sender says, in hexadecimal digits.';
COMMENT ON COLUMN docora_files.content_sha   IS 'SHA-256 of the content that we received, in hexadecimal digits. Null if all we know is that the file is gone.';
COMMENT ON COLUMN docora_files.size          IS 'Size in bytes, as the sender says. Null if all we know is that the file is gone.';
COMMENT ON COLUMN docora_files.kind          IS 'card: markdown; image: an image by name and content; deck: deck.yaml; rules: .lumioignore; readme: the read-me at the root; other: only noted here.';
COMMENT ON COLUMN docora_files.media_type    IS 'By name and first bytes, for example image/png. Null if all we know is that the file is gone.';
COMMENT ON COLUMN docora_files.lossy         IS 'What we keep is not what the file holds: bytes that are no text, or NUL, were replaced by U+FFFD.';
COMMENT ON COLUMN docora_files.problem       IS 'Why the content is of no use as what the name says, for example an image that is none. Null if it is of use.';
COMMENT ON COLUMN docora_files.ignored       IS 'The ignore rules of the repository name it, or it is one of those that are always ignored. It is kept, and comes back when the rules change.';
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
COMMENT ON COLUMN docora_cards.source             IS 'The source by which it came.';
COMMENT ON COLUMN docora_cards.repository_id      IS 'Its repository.';
COMMENT ON COLUMN docora_cards.path               IS 'Its file.';
COMMENT ON COLUMN docora_cards.title              IS 'The front matter''s title, else the file''s name without `.md`.';
COMMENT ON COLUMN docora_cards.tags               IS 'The front matter''s tags, in its order.';
COMMENT ON COLUMN docora_cards.difficulty         IS 'The front matter''s difficulty, from 1 to 5; what is beyond counts as 1 or 5. Null if it says none.';
COMMENT ON COLUMN docora_cards.language           IS 'The front matter''s language, for example en or it-CH. Null if it says none.';
COMMENT ON COLUMN docora_cards.front_matter       IS 'The front matter as the text of a JSON object, without NUL. Null if there is none, if it is empty or cannot be read.';
COMMENT ON COLUMN docora_cards.front_matter_error IS 'Why the front matter cannot be read. Null if it can, or if there is none.';
COMMENT ON COLUMN docora_cards.raw                IS 'The whole text as it is written, formulas included.';
COMMENT ON COLUMN docora_cards.body               IS 'The text after the front matter.';
COMMENT ON COLUMN docora_cards.content_hash       IS 'SHA-256 of the content that we received, in hexadecimal digits.';
COMMENT ON COLUMN docora_cards.source_available   IS 'The file is in the repository and not ignored.';

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

COMMENT ON TABLE  docora_card_images               IS 'The images of the repository that a card shows. Join `image_path` to docora_images.path; the image may come later, or never.';
COMMENT ON COLUMN docora_card_images.source        IS 'The source by which it came.';
COMMENT ON COLUMN docora_card_images.repository_id IS 'Its repository.';
COMMENT ON COLUMN docora_card_images.card_path     IS 'The card.';
COMMENT ON COLUMN docora_card_images.position      IS 'Its place among the card''s references, from 0. A reference that stands twice counts once.';
COMMENT ON COLUMN docora_card_images.reference     IS 'The reference as the card has it, without Markdown''s own escapes.';
COMMENT ON COLUMN docora_card_images.image_path    IS 'What it refers to: a path in the repository.';

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

COMMENT ON TABLE  docora_decks               IS 'Decks: folders of cards that a deck.yaml or deck.yml describes. What is wrong with one that cannot be read is in docora_files.problem.';
COMMENT ON COLUMN docora_decks.source        IS 'The source by which it came.';
COMMENT ON COLUMN docora_decks.repository_id IS 'Its repository.';
COMMENT ON COLUMN docora_decks.path          IS 'Its file.';
COMMENT ON COLUMN docora_decks.folder        IS 'The folder that it describes; empty for the root. Decks may lie in each other.';
COMMENT ON COLUMN docora_decks.display_name  IS 'Its display_name. Null if it says none.';
COMMENT ON COLUMN docora_decks.description   IS 'Its description. Null if it says none.';
COMMENT ON COLUMN docora_decks.tags          IS 'Its tags: lower case with dashes, each once, at most 5.';
COMMENT ON COLUMN docora_decks.whole         IS 'All that it says, as the text of a JSON object, without NUL. Null if it is empty or cannot be read.';
COMMENT ON COLUMN docora_decks.available     IS 'The file is not ignored.';

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

COMMENT ON TABLE  docora_ignore_rules               IS 'The ignore rules of the repositories: the .lumioignore files that are there. Of one repository 32 count, those nearest to its root.';
COMMENT ON COLUMN docora_ignore_rules.source        IS 'The source by which they came.';
COMMENT ON COLUMN docora_ignore_rules.repository_id IS 'Their repository.';
COMMENT ON COLUMN docora_ignore_rules.path          IS 'Their file.';
COMMENT ON COLUMN docora_ignore_rules.folder        IS 'The folder in which they count; empty for the root.';
COMMENT ON COLUMN docora_ignore_rules.rules         IS 'Those that count, one a line, in the syntax of gitignore.';
COMMENT ON COLUMN docora_ignore_rules.skipped       IS 'Lines that do not count, each with its number and why; at most 20.';

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

COMMENT ON TABLE  docora_images                   IS 'Images that are in the repositories, and where their objects are.';
COMMENT ON COLUMN docora_images.source            IS 'The source by which it came.';
COMMENT ON COLUMN docora_images.repository_id     IS 'Its repository.';
COMMENT ON COLUMN docora_images.path              IS 'Its file.';
COMMENT ON COLUMN docora_images.sha256            IS 'SHA-256 of the object, in hexadecimal digits.';
COMMENT ON COLUMN docora_images.media_type        IS 'By its content: image/jpeg, image/png, image/gif, image/webp or image/svg+xml. SVG may hold scripts: show it in an img element, never as a page.';
COMMENT ON COLUMN docora_images.width             IS 'In pixels, as shown. Null for SVG that does not say.';
COMMENT ON COLUMN docora_images.height            IS 'In pixels, as shown. Null for SVG that does not say.';
COMMENT ON COLUMN docora_images.object_key        IS 'The object: {tenant}/{repository}/{path}@{sha256}, each name encoded.';
COMMENT ON COLUMN docora_images.rendition_key     IS 'A smaller object of the same image and type, where it is wider than what was asked for.';
COMMENT ON COLUMN docora_images.rendition_width   IS 'Its width in pixels.';
COMMENT ON COLUMN docora_images.rendition_height  IS 'Its height in pixels.';
COMMENT ON COLUMN docora_images.rendition_problem IS 'Why there is none although the image is wide. Null if there is one, or if none was asked for.';
COMMENT ON COLUMN docora_images.available         IS 'The file is not ignored.';

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

COMMENT ON TABLE  docora_objects                IS 'The account of stored objects: which are in use, and which are to be removed. It commits with the images, so that no object in use is removed and none that is not stays.';
COMMENT ON COLUMN docora_objects.object_key     IS 'The object.';
COMMENT ON COLUMN docora_objects.unused_since   IS 'Since when no image has it. Null while one has.';
COMMENT ON COLUMN docora_objects.removing_since IS 'Since when it is being removed: from here on it cannot be used again.';
COMMENT ON COLUMN docora_objects.removed_at     IS 'When it was gone. The row goes some time later, when nobody can be about to use what was seen before.';

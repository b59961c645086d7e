//! Turns an event into the writes for it.

use std::borrow::Cow;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::card::Card;
use super::content::Content;
use super::deck::Deck;
use super::dto::{Fault, SyncFailure};
use super::images::Image;
use super::media::{self, Classified, FileKind};
use super::path;
use super::payload::{self, Action, DeletedFile, File, Payload, Report};
use super::rules::Rules;
use super::tables::{
    CardRow, DeckRow, DeleteFile, Detail, FileRow, ReadmeRow, RecordFailure, RepositoryRow,
    RulesRow, StoreFile,
};
use crate::store::StoredEvent;
use crate::verify::redact;

/// The maximum stored length of a sync error message, in bytes.
const MAX_MESSAGE: usize = 4096;
/// The maximum length of a repository's description, in bytes.
const MAX_DESCRIPTION: usize = 64 * 1024;

/// The planned write for an event.
pub(super) enum PlannedWrite {
    Store(StoreFile),
    /// An image, whose objects are stored before its row.
    StoreImage {
        file: StoreFile,
        content: Bytes,
        image: Image,
    },
    Delete(DeleteFile),
    Fail(RecordFailure),
}

/// Reads an event.
///
/// # Errors
/// Why it cannot be processed.
pub(super) fn read(
    action: Action,
    event: &StoredEvent,
    started_at: OffsetDateTime,
    must_be_registered: bool,
) -> Result<PlannedWrite, Fault> {
    let Payload { repository, built_at, report } = payload::read_event(action, event)?;
    let repository = RepositoryRow {
        source: event.source.clone(),
        repository_id: repository.id.into_owned(),
        github_url: repository.github_url.into_owned(),
        owner: repository.owner.into_owned(),
        name: repository.name.into_owned(),
        sent_at: sent_at(built_at, event),
        started_at,
        must_be_registered,
        event_id: event.id.0,
    };
    Ok(match report {
        Report::Stored(file) => stored(repository, file)?,
        Report::Deleted(file) => PlannedWrite::Delete(deleted(repository, file)),
        Report::SyncFailed(failure) => PlannedWrite::Fail(failed(repository, failure)),
    })
}

/// The time that orders events. It is capped at the time of receipt: a time in the future, from a
/// wrong clock, would exclude all events until then.
fn sent_at(built_at: OffsetDateTime, event: &StoredEvent) -> OffsetDateTime {
    built_at.min(event.received_at)
}

fn stored(repository: RepositoryRow, file: File<'_>) -> Result<PlannedWrite, Fault> {
    let File { path, sha, size, content, commit_sha } = file;
    let content = content.decode()?;
    let Classified { kind, media_type, image, mut problem } =
        media::classify(&path, content.as_bytes(), matches!(content, Content::Text(_)));
    let content_sha = match &content {
        Content::Text(text) => Sha256::digest(text.as_bytes()).into(),
        // Checked when it was received or joined.
        Content::Bytes(_) => sha,
    };
    let mut lossy = content_sha != sha;
    let (detail, bytes) = match kind {
        FileKind::Image => (Detail::None, Some(into_bytes(content))),
        FileKind::Other => (Detail::None, None),
        FileKind::Card | FileKind::Deck | FileKind::Rules | FileKind::Readme => {
            let (text, lost) = text_of(content);
            lossy |= lost;
            (detail(kind, &path, text, &mut problem), None)
        }
    };
    let file = StoreFile {
        file: FileRow {
            always_ignored: kind == FileKind::Other && path::is_about_the_repository(&path),
            path: path.into_owned(),
            sha: hex::encode(sha),
            content_sha: hex::encode(content_sha),
            size: size.cast_signed(),
            kind: kind.as_str(),
            media_type,
            lossy,
            problem,
            commit_sha: commit_sha.into_owned(),
        },
        repository,
        detail,
    };
    Ok(match bytes.zip(image) {
        Some((content, image)) => PlannedWrite::StoreImage { file, content, image },
        None => PlannedWrite::Store(file),
    })
}

/// The parsed content of a text file.
fn detail(kind: FileKind, path: &str, text: String, problem: &mut Option<String>) -> Detail {
    match kind {
        FileKind::Card => Detail::Card(Box::new(card(path, text))),
        FileKind::Deck => {
            let read = Deck::read(&text).map_err(|error| *problem = Some(error));
            let Deck { display_name, description, tags, whole } = read.unwrap_or_default();
            let folder = path::folder(path).to_owned();
            Detail::Deck(DeckRow { folder, display_name, description, tags, whole })
        }
        FileKind::Rules => {
            let Rules { lines, skipped } = Rules::read(&text);
            if let Some(first) = skipped.first() {
                *problem = Some(first.clone());
            }
            Detail::Rules(RulesRow { folder: path::folder(path).to_owned(), lines, skipped })
        }
        FileKind::Readme => {
            let mut text = text;
            text.truncate(text.floor_char_boundary(MAX_DESCRIPTION));
            Detail::Readme(ReadmeRow { text })
        }
        FileKind::Image | FileKind::Other => Detail::None,
    }
}

fn card(path: &str, text: String) -> CardRow {
    let card = Card::read(path, text);
    let (references, image_paths) =
        card.images.into_iter().map(|image| (image.written, image.path)).unzip();
    CardRow {
        title: card.title,
        tags: card.tags,
        difficulty: card.difficulty,
        language: card.language,
        front_matter: card.front_matter,
        front_matter_error: card.front_matter_error,
        raw: card.raw,
        body: card.body,
        references,
        image_paths,
    }
}

fn into_bytes(content: Content<'_>) -> Bytes {
    match content {
        Content::Text(text) => text.into_owned().into(),
        Content::Bytes(bytes) => bytes,
    }
}

/// Content as text that `PostgreSQL` can store, and whether anything was lost.
fn text_of(content: Content<'_>) -> (String, bool) {
    let (text, lost) = match content {
        Content::Text(text) => (text, false),
        Content::Bytes(bytes) => match String::from_utf8_lossy(&bytes) {
            Cow::Borrowed(text) => (Cow::Owned(text.to_owned()), false),
            Cow::Owned(text) => (Cow::Owned(text), true),
        },
    };
    if text.contains('\0') {
        return (text.replace('\0', "\u{fffd}"), true);
    }
    (text.into_owned(), lost)
}

fn deleted(repository: RepositoryRow, file: DeletedFile<'_>) -> DeleteFile {
    DeleteFile {
        repository,
        kind: media::kind_by_name(&file.path).as_str(),
        path: file.path.into_owned(),
        sha: hex::encode(file.sha),
        commit_sha: file.commit_sha.into_owned(),
    }
}

fn failed(repository: RepositoryRow, failure: SyncFailure<'_>) -> RecordFailure {
    // Credentials are redacted before truncation: half a credential would not be recognised.
    let message = redact(&failure.message);
    let message = message.get(..message.floor_char_boundary(MAX_MESSAGE)).unwrap_or_default();
    RecordFailure {
        repository,
        error_type: failure.error_type.into_owned(),
        error_message: message.replace('\0', "\u{fffd}"),
        consecutive_failures: failure.consecutive_failures.into(),
        cooldown_until: failure.cooldown_until,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_utf8_or_nul_is_replaced_and_marked_lossy() {
        for (content, expected) in [
            (Content::Text("è".into()), ("è", false)),
            (Content::Text("a\0b".into()), ("a\u{fffd}b", true)),
            (Content::Bytes(Bytes::from_static("è".as_bytes())), ("è", false)),
            (Content::Bytes(Bytes::from_static(b"caf\xe9")), ("caf\u{fffd}", true)),
            (Content::Bytes(Bytes::from_static(b"\0")), ("\u{fffd}", true)),
        ] {
            let (text, lost) = text_of(content);
            assert_eq!((text.as_str(), lost), expected);
        }
    }
}

//! What is done about Docora's events: files are noted, markdown becomes cards, failures are
//! shown until the next file event.

use std::borrow::Cow;

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::card::Card;
use super::content::Content;
use super::media::{self, FileKind};
use super::payload::{self, Action, DeletedFile, Fault, File, News, Payload, SyncFailure};
use super::redact::redact;
use super::registry::Registration;
use super::tables::{CardRow, DeleteFile, FileRow, RecordFailure, RepositoryRow, StoreFile};
use crate::dispatch::{Attempt, Failure, Handler, Kinds};
use crate::store::{DeathReason, Effects, StoredEvent};

/// The longest kept message of a failed sync, in bytes.
const MAX_MESSAGE: usize = 4096;

/// The handler of every Docora source.
pub(super) struct DocoraHandler {
    /// Which repositories are let in.
    pub(super) registration: Registration,
}

#[async_trait]
impl Handler for DocoraHandler {
    fn name(&self) -> &'static str {
        "docora"
    }

    fn kinds(&self) -> Kinds {
        Kinds::Only(Action::NAMES)
    }

    async fn handle(&self, event: &StoredEvent, _: Attempt) -> Result<Effects, Failure> {
        let Some(action) = Action::named(&event.kind) else { return Ok(Effects::ignored()) };
        effects(action, event, self.registration).map_err(|(reason, detail)| {
            Failure::permanent(DeathReason::Quarantined(reason), detail)
        })
    }
}

fn effects(
    action: Action,
    event: &StoredEvent,
    registration: Registration,
) -> Result<Effects, Fault> {
    let Payload { repository, built_at, news } = payload::read_event(action, event)?;
    let repository = RepositoryRow {
        source: event.source.clone(),
        repository_id: repository.id.into_owned(),
        github_url: repository.github_url.into_owned(),
        owner: repository.owner.into_owned(),
        name: repository.name.into_owned(),
        sent_at: sent_at(built_at, event),
        must_be_registered: registration == Registration::Required,
    };
    Ok(match news {
        News::Stored(file) => Effects::write(stored(repository, file, event)?),
        News::Deleted(file) => Effects::write(deleted(repository, file, event)),
        News::SyncFailed(failure) => Effects::write(failed(repository, failure)),
    })
}

/// The time by which older news is told from newer. A time in the future, from a clock that is
/// wrong, would shut out everything that comes until then.
fn sent_at(built_at: OffsetDateTime, event: &StoredEvent) -> OffsetDateTime {
    built_at.min(event.received_at)
}

fn stored(
    repository: RepositoryRow,
    file: File<'_>,
    event: &StoredEvent,
) -> Result<StoreFile, Fault> {
    let File { path, sha, size, content, commit_sha } = file;
    let content = content.decode()?;
    let (kind, media_type) =
        media::classify(&path, content.as_bytes(), matches!(content, Content::Text(_)));
    let content_sha = match &content {
        Content::Text(text) => Sha256::digest(text.as_bytes()).into(),
        // Checked when it was let in, or put together.
        Content::Bytes(_) => sha,
    };
    let mut lossy = content_sha != sha;
    let card = (kind == FileKind::Card).then(|| {
        let (text, lost) = text_of(content);
        lossy |= lost;
        let Card { title, tags, front_matter, front_matter_error, raw, body } =
            Card::read(&path, text);
        CardRow { title, tags, front_matter, front_matter_error, raw, body }
    });
    let file = FileRow {
        path: path.into_owned(),
        sha: hex::encode(sha),
        content_sha: hex::encode(content_sha),
        size: size.cast_signed(),
        kind: kind.as_str(),
        media_type,
        lossy,
        commit_sha: commit_sha.into_owned(),
        event_id: event.id.0,
    };
    Ok(StoreFile { repository, file, card })
}

/// Content as text that `PostgreSQL` can keep, and whether anything was lost on the way.
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

fn deleted(repository: RepositoryRow, file: DeletedFile<'_>, event: &StoredEvent) -> DeleteFile {
    let kind = if media::is_card(&file.path) { FileKind::Card } else { FileKind::Other };
    DeleteFile {
        repository,
        path: file.path.into_owned(),
        sha: hex::encode(file.sha),
        kind: kind.as_str(),
        commit_sha: file.commit_sha.into_owned(),
        event_id: event.id.0,
    }
}

fn failed(repository: RepositoryRow, failure: SyncFailure<'_>) -> RecordFailure {
    // First the credentials, then the length: half a credential would not be recognised.
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
    use bytes::Bytes;

    #[test]
    fn text_that_is_not_utf8_or_holds_nul_is_kept_and_marked() {
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

//! Docora's payloads: four actions, three shapes.
//!
//! The action is in the path, which is unsigned, so the body must have the action's shape. Required
//! fields are typed (a repeated field is an error); other fields are ignored.

use std::borrow::Cow;

use bytes::Bytes;
use time::OffsetDateTime;

use super::content::{Encoded, Slice};
use super::dto::{self, Body, Fault, Repository, SyncFailure};
use super::path;
use crate::store::StoredEvent;
use crate::verify::{Quarantine, parse, redact};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// A file is new, or everything is sent again.
    Create,
    /// The content of a file changed.
    Update,
    /// A file was deleted.
    Delete,
    /// The repository could not be read.
    SyncFailed,
}

/// A payload that has the shape of its action.
#[derive(Debug)]
pub(super) struct Payload<'a> {
    pub(super) repository: Repository<'a>,
    /// When the sender built it: the same in all chunks of a transfer, different in a retry.
    pub(super) built_at: OffsetDateTime,
    pub(super) report: Report<'a>,
}

#[derive(Debug)]
pub(super) enum Report<'a> {
    /// The file has this content now.
    Stored(File<'a>),
    Deleted(DeletedFile<'a>),
    SyncFailed(SyncFailure<'a>),
}

#[derive(Debug)]
pub(super) struct File<'a> {
    /// The path in the repository.
    pub(super) path: Cow<'a, str>,
    /// The SHA-256 of the file.
    pub(super) sha: [u8; 32],
    /// The size in bytes.
    pub(super) size: u64,
    pub(super) content: Encoded<'a>,
    /// The commit at which the repository was read. The file may be newer.
    pub(super) commit_sha: Cow<'a, str>,
}

#[derive(Debug)]
pub(super) struct DeletedFile<'a> {
    /// The path in the repository.
    pub(super) path: Cow<'a, str>,
    /// The SHA-256 of the last delivered content.
    pub(super) sha: [u8; 32],
    /// The commit at which the repository was read.
    pub(super) commit_sha: Cow<'a, str>,
}

impl Action {
    /// All actions, as in the path.
    pub(super) const NAMES: &'static [&'static str] =
        &["create", "update", "delete", "sync_failed"];

    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "create" => Some(Self::Create),
            "update" => Some(Self::Update),
            "delete" => Some(Self::Delete),
            "sync_failed" => Some(Self::SyncFailed),
            _ => None,
        }
    }

    /// The name in the path, which is also the event type.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::SyncFailed => "sync_failed",
        }
    }
}

/// Parses a body for the action in its path. The content is not examined.
///
/// # Errors
/// The [`Quarantine`] reason and a sentence without credentials.
pub(super) fn read_body(action: Action, body: &[u8]) -> Result<Payload<'_>, Fault> {
    let body = parse(body).map_err(|(reason, detail)| (reason, redact(&detail).into()))?;
    shape(action, body, None)
}

/// Parses a stored event, which was received in one request or in several.
pub(super) fn read_event(action: Action, event: &StoredEvent) -> Result<Payload<'_>, Fault> {
    match &event.envelope {
        None => read_body(action, &event.body),
        Some(envelope) => shape(action, parse(envelope)?, Some(event.body.clone())),
    }
}

/// Checks that a body has the shape of `action`. If the content was joined from chunks, it is in
/// `whole`, and `body` has none.
fn shape(action: Action, body: Body<'_>, joined: Option<Bytes>) -> Result<Payload<'_>, Fault> {
    let failed = body.event.as_ref().is_some_and(|event| event.0 == "sync_failed");
    if failed != (action == Action::SyncFailed) {
        return Err(mismatch(action, if failed { "a failed sync" } else { "no failed sync" }));
    }
    let envelope = dto::envelope(&body)?;
    let repository = dto::repository(body.repository)?;
    let built_at = dto::time(body.timestamp.as_ref(), "timestamp")?;
    if failed {
        let report = Report::SyncFailed(dto::sync_failure(body.error, body.circuit_breaker)?);
        return Ok(Payload { repository, built_at, report });
    }
    let Some(file) = body.file else { return Err(dto::missing("file")) };
    let path = dto::required(file.path, "file.path")?;
    let sha = dto::digest(file.sha.as_ref(), "file.sha")?;
    let has_content =
        joined.is_some() || file.content.is_some() || file.size.is_some() || file.chunk.is_some();
    if (action == Action::Delete) == has_content {
        return Err(mismatch(action, if has_content { "content" } else { "no content" }));
    }
    if action != Action::Update && body.previous_sha.is_some() {
        return Err(mismatch(action, "a previous digest"));
    }
    path::check(&path).map_err(|detail| (Quarantine::PathInvalid, detail.to_owned()))?;
    if body.previous_sha.is_some() {
        dto::digest(body.previous_sha.as_ref(), "previous_sha")?;
    }
    let commit_sha = dto::commit(body.commit_sha)?;
    let report = if action == Action::Delete {
        Report::Deleted(DeletedFile { path, sha, commit_sha })
    } else {
        let size = dto::size(file.size)?;
        let content = match joined {
            Some(bytes) => Encoded::Whole(bytes),
            None => content(
                dto::required(file.content, "file.content")?,
                file.content_encoding.as_ref(),
                file.chunk.zip(envelope),
            )?,
        };
        Report::Stored(File { path, sha, size, content, commit_sha })
    };
    Ok(Payload { repository, built_at, report })
}

fn content<'a>(
    text: Cow<'a, str>,
    encoding: Option<&dto::Text<'a>>,
    chunk: Option<(dto::ChunkPlace<'a>, Bytes)>,
) -> Result<Encoded<'a>, Fault> {
    let base64 = match encoding.map(|encoding| &*encoding.0) {
        None => false,
        Some("base64") => true,
        Some(_) => {
            return Err((Quarantine::Schema, "`file.content_encoding` is not `base64`".into()));
        }
    };
    match chunk {
        None if base64 => Ok(Encoded::Base64(text)),
        None => Ok(Encoded::Text(text)),
        Some(_) if !base64 => {
            Err((Quarantine::Schema, "only base64 content may come in chunks, not text".into()))
        }
        Some(_) if text.is_empty() => {
            Err((Quarantine::Schema, "`file.content` of a chunk is empty".into()))
        }
        Some((chunk, envelope)) => {
            let transfer_id = dto::required(chunk.id, "file.chunk.id")?;
            let index = dto::count(chunk.index, "file.chunk.index")?;
            let total = dto::count(chunk.total, "file.chunk.total")?;
            Ok(Encoded::Slice(Slice { transfer_id, index, total, envelope, text }))
        }
    }
}

fn mismatch(action: Action, found: &str) -> Fault {
    (Quarantine::ActionMismatch, format!("`{}` with a body that has {found}", action.name()))
}

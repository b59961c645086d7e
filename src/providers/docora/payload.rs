//! What Docora sends: four actions, three shapes.
//!
//! The action stands in the path, which is not signed, so the body must have the action's shape.
//! What is wanted is asked for by type (a field that stands twice is an error); what else there
//! is, is passed over.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::content::{Encoded, Slice};
use super::dto::{self, Body};
use super::path;
use crate::store::StoredEvent;
use crate::verify::{Quarantine, parse, redact};

/// Why a payload is of no use, and the sentence for the operator.
pub(super) type Fault = (Quarantine, String);

/// What Docora reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// A file is new, or everything is sent again.
    Create,
    /// A file has other content than before.
    Update,
    /// A file is gone.
    Delete,
    /// The repository could not be read.
    SyncFailed,
}

/// A payload that has the shape of its action.
#[derive(Debug)]
pub(super) struct Payload<'a> {
    /// The repository that it is about.
    pub(super) repository: Repository<'a>,
    /// When the sender built it: the same in all chunks of one transfer, another one in a retry.
    pub(super) built_at: OffsetDateTime,
    /// What it reports.
    pub(super) news: News<'a>,
}

/// A repository, as the sender describes it. Holds no control characters.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(super) struct Repository<'a> {
    /// The sender's id: `repo_` and 24 hexadecimal digits.
    #[serde(borrow, rename = "repository_id")]
    pub(super) id: Cow<'a, str>,
    /// Its address. Shown, never called.
    #[serde(borrow)]
    pub(super) github_url: Cow<'a, str>,
    /// Whose it is.
    #[serde(borrow)]
    pub(super) owner: Cow<'a, str>,
    /// Its name.
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
}

/// What a payload reports.
#[derive(Debug)]
pub(super) enum News<'a> {
    /// The file has this content now.
    Stored(File<'a>),
    /// The file is gone.
    Deleted(DeletedFile<'a>),
    /// The repository could not be read.
    SyncFailed(SyncFailure<'a>),
}

/// A file and its content.
#[derive(Debug)]
pub(super) struct File<'a> {
    /// Its path in the repository.
    pub(super) path: Cow<'a, str>,
    /// The SHA-256 of its bytes.
    pub(super) sha: [u8; 32],
    /// How many bytes it has.
    pub(super) size: u64,
    /// What it holds.
    pub(super) content: Encoded<'a>,
    /// The commit at which the repository was read. The file may be newer.
    pub(super) commit_sha: Cow<'a, str>,
}

/// A file that is gone.
#[derive(Debug)]
pub(super) struct DeletedFile<'a> {
    /// Its path in the repository.
    pub(super) path: Cow<'a, str>,
    /// The SHA-256 that was delivered last.
    pub(super) sha: [u8; 32],
    /// The commit at which the repository was read.
    pub(super) commit_sha: Cow<'a, str>,
}

/// A repository that could not be read.
#[derive(Debug)]
pub(super) struct SyncFailure<'a> {
    /// The kind of error; `git_failure` at present.
    pub(super) error_type: Cow<'a, str>,
    /// What git said, credentials included.
    pub(super) message: Cow<'a, str>,
    /// How often it failed in a row.
    pub(super) consecutive_failures: u32,
    /// Until when the sender will not try again.
    pub(super) cooldown_until: Option<OffsetDateTime>,
}

impl Action {
    /// Every action, as it stands in the path.
    pub(super) const NAMES: &'static [&'static str] =
        &["create", "update", "delete", "sync_failed"];

    /// The action of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "create" => Some(Self::Create),
            "update" => Some(Self::Update),
            "delete" => Some(Self::Delete),
            "sync_failed" => Some(Self::SyncFailed),
            _ => None,
        }
    }

    /// Its name in the path; also the type of its events.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::SyncFailed => "sync_failed",
        }
    }
}

/// Reads a body under the action that its path names. The content is not looked into.
///
/// # Errors
/// The [`Quarantine`] reason and a sentence without credentials.
pub(super) fn read_body(action: Action, body: &[u8]) -> Result<Payload<'_>, Fault> {
    let body = parse(body).map_err(|(reason, detail)| (reason, redact(&detail).into()))?;
    shape(action, body, None)
}

/// Reads a stored event, which came in one request or in several.
///
/// # Errors
/// As [`read_body`].
pub(super) fn read_event(action: Action, event: &StoredEvent) -> Result<Payload<'_>, Fault> {
    match &event.envelope {
        None => read_body(action, &event.body),
        Some(envelope) => shape(action, parse(envelope)?, Some(event.body.clone())),
    }
}

/// Holds a body against the shape of `action`. Where the content was put together from chunks,
/// `whole` is that content, and `body` has none.
fn shape(action: Action, body: Body<'_>, whole: Option<Bytes>) -> Result<Payload<'_>, Fault> {
    let failed = body.event.as_ref().is_some_and(|event| event.0 == "sync_failed");
    if failed != (action == Action::SyncFailed) {
        return Err(mismatch(action, if failed { "a failed sync" } else { "no failed sync" }));
    }
    let envelope = dto::envelope(&body)?;
    let repository = dto::repository(body.repository)?;
    let built_at = dto::time(body.timestamp.as_ref(), "timestamp")?;
    if failed {
        let news = News::SyncFailed(dto::sync_failure(body.error, body.circuit_breaker)?);
        return Ok(Payload { repository, built_at, news });
    }
    let Some(file) = body.file else { return Err(dto::missing("file")) };
    let path = dto::required(file.path, "file.path")?;
    let sha = dto::digest(file.sha.as_ref(), "file.sha")?;
    let has_content =
        whole.is_some() || file.content.is_some() || file.size.is_some() || file.chunk.is_some();
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
    let news = if action == Action::Delete {
        News::Deleted(DeletedFile { path, sha, commit_sha })
    } else {
        let size = dto::size(file.size)?;
        let content = match whole {
            Some(bytes) => Encoded::Whole(bytes),
            None => content(
                dto::required(file.content, "file.content")?,
                file.content_encoding.as_ref(),
                file.chunk.zip(envelope),
            )?,
        };
        News::Stored(File { path, sha, size, content, commit_sha })
    };
    Ok(Payload { repository, built_at, news })
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

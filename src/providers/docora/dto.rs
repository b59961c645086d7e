//! The fields of a Docora payload, and their validation.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize};
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use crate::verify::Quarantine;

/// Why a payload cannot be processed, with a sentence for the operator.
pub(super) type Fault = (Quarantine, String);

/// The maximum length of an owner or a repository name, in bytes.
const MAX_NAME: usize = 255;
/// The maximum length of a URL, in bytes.
const MAX_URL: usize = 2048;
/// The maximum length of an error type, in bytes.
const MAX_ERROR_TYPE: usize = 100;
/// The largest integer that JavaScript represents exactly.
const MAX_SIZE: u64 = (1 << 53) - 1;

/// A string that is borrowed from the body unless it contains escapes.
#[derive(Debug, Deserialize, Serialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// A body of any action, before its shape is known. Serialised again it is the envelope that all
/// chunks of a transfer share: the sender's fields in the sender's order, without content and
/// chunk.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Body<'a> {
    #[serde(borrow, skip_serializing)]
    pub(super) event: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) repository: Option<Repository<'a>>,
    #[serde(borrow)]
    pub(super) file: Option<FileFields<'a>>,
    #[serde(borrow, skip_serializing)]
    pub(super) error: Option<ErrorFields<'a>>,
    #[serde(borrow, skip_serializing)]
    pub(super) circuit_breaker: Option<CircuitBreaker<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(super) previous_sha: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) commit_sha: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) timestamp: Option<Text<'a>>,
}

/// A repository, as the sender describes it. Its fields contain no control characters.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(super) struct Repository<'a> {
    /// The sender's id: `repo_` and 24 hexadecimal digits.
    #[serde(borrow, rename = "repository_id")]
    pub(super) id: Cow<'a, str>,
    /// The URL. For display only.
    #[serde(borrow)]
    pub(super) github_url: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) owner: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct FileFields<'a> {
    #[serde(borrow)]
    pub(super) path: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) sha: Option<Text<'a>>,
    pub(super) size: Option<u64>,
    #[serde(borrow, skip_serializing)]
    pub(super) content: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) content_encoding: Option<Text<'a>>,
    #[serde(borrow, skip_serializing)]
    pub(super) chunk: Option<ChunkPlace<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ChunkPlace<'a> {
    #[serde(borrow)]
    pub(super) id: Option<Text<'a>>,
    pub(super) index: Option<Count>,
    pub(super) total: Option<Count>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ErrorFields<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    message: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CircuitBreaker<'a> {
    consecutive_failures: Option<u32>,
    #[serde(borrow)]
    cooldown_until: Option<Text<'a>>,
}

#[derive(Debug)]
pub(super) struct SyncFailure<'a> {
    /// The kind of error; currently always `git_failure`.
    pub(super) error_type: Cow<'a, str>,
    /// The output of git, which may contain credentials.
    pub(super) message: Cow<'a, str>,
    /// The number of consecutive failures.
    pub(super) consecutive_failures: u32,
    /// The sender does not retry before this time.
    pub(super) cooldown_until: Option<OffsetDateTime>,
}

/// A number that should count chunks. Any JSON number is accepted here, so that an invalid count is
/// distinguished from a value that is not a number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Count(Option<u32>);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = Count;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_u64<E>(self, number: u64) -> Result<Count, E> {
                Ok(Count(u32::try_from(number).ok()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Count, E> {
                Ok(Count(u32::try_from(number).ok()))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Count, E> {
                Ok(Count(None))
            }
        }

        deserializer.deserialize_any(Number)
    }
}

/// The envelope of a chunk's body.
pub(super) fn envelope(body: &Body<'_>) -> Result<Option<Bytes>, Fault> {
    if body.file.as_ref().is_none_or(|file| file.chunk.is_none()) {
        return Ok(None);
    }
    match serde_json::to_vec(body) {
        Ok(json) => Ok(Some(json.into())),
        Err(error) => Err((Quarantine::Schema, error.to_string())),
    }
}

/// Builds the payload of a whole file from an envelope and the file's bytes, as the sender writes
/// it without chunks.
pub(super) fn whole(envelope: &[u8], content: &[u8]) -> Option<Vec<u8>> {
    #[derive(Serialize)]
    struct Whole<'a> {
        repository: Option<Repository<'a>>,
        file: File<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        previous_sha: Option<Text<'a>>,
        commit_sha: Option<Text<'a>>,
        timestamp: Option<Text<'a>>,
    }
    #[derive(Serialize)]
    struct File<'a> {
        path: Option<Text<'a>>,
        sha: Option<Text<'a>>,
        size: Option<u64>,
        content: String,
        content_encoding: &'static str,
    }

    let body: Body<'_> = serde_json::from_slice(envelope).ok()?;
    let file = body.file?;
    let whole = Whole {
        repository: body.repository,
        file: File {
            path: file.path,
            sha: file.sha,
            size: file.size,
            content: STANDARD.encode(content),
            content_encoding: "base64",
        },
        previous_sha: body.previous_sha,
        commit_sha: body.commit_sha,
        timestamp: body.timestamp,
    };
    serde_json::to_vec(&whole).ok()
}

pub(super) fn missing(field: &str) -> Fault {
    (Quarantine::Schema, format!("`{field}` is missing"))
}

pub(super) fn required<'a>(text: Option<Text<'a>>, field: &str) -> Result<Cow<'a, str>, Fault> {
    text.map(|text| text.0).ok_or_else(|| missing(field))
}

pub(super) fn count(count: Option<Count>, field: &str) -> Result<u32, Fault> {
    let count = count.ok_or_else(|| missing(field))?;
    count.0.ok_or_else(|| (Quarantine::ChunkRange, format!("`{field}` is not a valid count")))
}

pub(super) fn size(size: Option<u64>) -> Result<u64, Fault> {
    let size = size.ok_or_else(|| missing("file.size"))?;
    if size > MAX_SIZE {
        return Err((Quarantine::Schema, "`file.size` is out of range".into()));
    }
    Ok(size)
}

/// A SHA-256 as 64 hexadecimal digits.
pub(super) fn digest(text: Option<&Text<'_>>, field: &str) -> Result<[u8; 32], Fault> {
    let text = text.ok_or_else(|| missing(field))?;
    let mut digest = [0; 32];
    match hex::decode_to_slice(&*text.0, &mut digest) {
        Ok(()) => Ok(digest),
        Err(_) => Err((Quarantine::Schema, format!("`{field}` is not 64 hexadecimal digits"))),
    }
}

pub(super) fn commit(text: Option<Text<'_>>) -> Result<Cow<'_, str>, Fault> {
    let commit = required(text, "commit_sha")?;
    if !is_hex(&commit, 40) {
        let detail = "`commit_sha` is not 40 hexadecimal digits";
        return Err((Quarantine::Schema, detail.into()));
    }
    Ok(commit)
}

/// A time in ISO 8601, as UTC.
pub(super) fn time(text: Option<&Text<'_>>, field: &str) -> Result<OffsetDateTime, Fault> {
    let text = text.ok_or_else(|| missing(field))?;
    // Converting a time at the end of the calendar may overflow.
    let parsed = OffsetDateTime::parse(&text.0, &Rfc3339).ok();
    parsed
        .and_then(|time| time.checked_to_offset(UtcOffset::UTC))
        .ok_or_else(|| (Quarantine::Schema, format!("`{field}` is not a time in ISO 8601")))
}

pub(super) fn repository(repository: Option<Repository<'_>>) -> Result<Repository<'_>, Fault> {
    let repository = repository.ok_or_else(|| missing("repository"))?;
    if !repository.id.strip_prefix("repo_").is_some_and(|digits| is_hex(digits, 24)) {
        let detail = "`repository.repository_id` is not `repo_` and 24 hexadecimal digits";
        return Err((Quarantine::Schema, detail.into()));
    }
    label(&repository.github_url, MAX_URL, "repository.github_url")?;
    label(&repository.owner, MAX_NAME, "repository.owner")?;
    label(&repository.name, MAX_NAME, "repository.name")?;
    Ok(repository)
}

pub(super) fn sync_failure<'a>(
    error: Option<ErrorFields<'a>>,
    breaker: Option<CircuitBreaker<'a>>,
) -> Result<SyncFailure<'a>, Fault> {
    let error = error.ok_or_else(|| missing("error"))?;
    let error_type = required(error.kind, "error.type")?;
    label(&error_type, MAX_ERROR_TYPE, "error.type")?;
    let message = required(error.message, "error.message")?;
    let failures = breaker.as_ref().and_then(|breaker| breaker.consecutive_failures);
    let cooldown_until = breaker
        .and_then(|breaker| breaker.cooldown_until)
        .map(|until| time(Some(&until), "circuit_breaker.cooldown_until"))
        .transpose()?;
    // A report means at least one failure.
    let consecutive_failures = failures.unwrap_or(1);
    Ok(SyncFailure { error_type, message, consecutive_failures, cooldown_until })
}

/// Checks that a text is one line of bounded length.
fn label(text: &str, max: usize, field: &str) -> Result<(), Fault> {
    if text.len() > max {
        return Err((Quarantine::FieldLength, format!("`{field}` is longer than {max} bytes")));
    }
    if text.chars().any(char::is_control) {
        return Err((Quarantine::Schema, format!("`{field}` contains a control character")));
    }
    Ok(())
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

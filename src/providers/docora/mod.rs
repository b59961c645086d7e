//! Docora watches repositories and sends their files, one request each.
//!
//! - A request is signed over its timestamp, a dot and its body: `SCHEME`. The action in the path
//!   and the application's id are unsigned, so the body must have the shape of the action
//!   (`payload`), and the id only selects among sources.
//! - A *file event* delivers a file's content (`create`, `update`) or deletes the file (`delete`).
//!   Binary content is sent as base64 (`content`), large binary content in chunks.
//! - A `sync_failed` event reports that a repository could not be read. The next file event shows
//!   that it can be read again.
//! - The sender stops a whole repository at the first response that is not 2xx. Every signed
//!   request is therefore stored, and an unprocessable one becomes a dead letter.
//! - The sender gives requests no id and repeats everything when in doubt. Identical bytes are
//!   deduplicated by their digest; the handler recognises the same file in a new payload from what
//!   it knows about the file. Path and digest alone are not a permanent key: a file may change from
//!   A to B and back to A.

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;

use self::content::{Encoded, Slice};
use self::dto::Fault;
use self::handler::DocoraHandler;
use self::maintenance::ObjectMaintenance;
use self::payload::{Action, File, Payload, Report};
use self::registry::{ApiUrl, Registration};
use self::store_image::ImageStore;
use super::{Built, Draft, Entry, OptionsError, Pace, SourceSpec};
use crate::verify::{
    Chunk, Classified, EventKey, EventMeta, Lane, Manifest, Proof, ProofMethod, Provider,
    Quarantine, Quarantined, Refusal, RequestHead, Scheme, TransferLimits, UnixSeconds,
    VerifiedRequest, VerifyContext, Window, parse,
};

mod card;
mod content;
mod deck;
mod dto;
mod effects;
mod erasure;
mod frontmatter;
mod handler;
mod images;
mod maintenance;
mod media;
mod path;
mod payload;
mod references;
pub mod registry;
mod rendition;
mod rules;
mod store_image;
mod svg;
mod tables;

pub(super) const ENTRY: Entry = Entry {
    name: "docora",
    summary: "Docora: files of watched repositories, in chunks when large",
    tables: &[
        "docora_repositories",
        "docora_files",
        "docora_cards",
        "docora_card_images",
        "docora_decks",
        "docora_ignore_rules",
        "docora_images",
        "docora_objects",
    ],
    max_body: MAX_BODY,
    max_age: super::FRESH,
    secret_prefix: None,
    // Docora's workers, five or more at a time, treat any rejection as a failed synchronisation.
    // Their timeout is 30 seconds.
    pace: Pace::of(1_000, 10_000, Duration::from_secs(15)),
    chunk: Some(CHUNK),
    api: None,
    derived: Some(&erasure::DocoraRows),
    build,
    sign: Some(sign),
};

/// A text file is sent in one request of any size: 25 MiB of text, plus JSON overhead.
const MAX_BODY: usize = 32 * 1024 * 1024;

/// The payload bytes of a chunk: 524,288 characters of base64.
const CHUNK: u64 = 524_288 / 4 * 3;

/// The accepted widths of a rendition, in pixels.
const RENDITION_WIDTHS: std::ops::RangeInclusive<u32> = 16..=8192;

const APP_ID: &str = "x-docora-app-id";
const SIGNATURE: &str = "x-docora-signature";
const TIMESTAMP: &str = "x-docora-timestamp";

const SCHEME: &str = r#"
algorithm = "hmac-sha256"
signed = "{timestamp}.{body}"
signature = { header = "x-docora-signature", prefix = "sha256=" }
timestamp = { from = "header:x-docora-timestamp", tolerance = "5m" }
"#;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    /// The application's id at Docora: `app_` and 24 hexadecimal digits.
    app_id: AppId,
    /// The repositories whose events are accepted.
    #[serde(default)]
    registration: Registration,
    /// The URL of Docora's API, which only `sealpost docora` calls.
    api_url: Option<ApiUrl>,
    /// Wider images get a smaller rendition of this width, in pixels.
    rendition_width: Option<u32>,
}

/// The `app_id` of the example configuration.
const PLACEHOLDER: &str = "app_0123456789abcdef01234567";

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct AppId(String);

impl TryFrom<String> for AppId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let digits = text.strip_prefix("app_").unwrap_or_default();
        let lower_hex = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
        if digits.len() == 24 && digits.bytes().all(lower_hex) {
            return Ok(Self(text));
        }
        Err("`app_id` must be `app_` and 24 lower-case hexadecimal digits")
    }
}

fn build(spec: &SourceSpec) -> Result<Built, OptionsError> {
    let Options { app_id, registration, api_url, rendition_width } = spec.options()?;
    if rendition_width.is_some_and(|width| !RENDITION_WIDTHS.contains(&width)) {
        return Err(OptionsError("`rendition_width` must be from 16 to 8192".to_owned()));
    }
    if let Some(url) = &api_url {
        spec.services.outbound.check(url.as_url()).map_err(|error| {
            let why = error.source().map(|why| format!(": {why}")).unwrap_or_default();
            OptionsError(format!("`api_url`: {error}{why}"))
        })?;
    }
    let mut warnings = Vec::new();
    if app_id.0 == PLACEHOLDER {
        let text = "`app_id` is the placeholder from the example: every request is rejected until \
                    you set your own";
        warnings.push(text.to_owned());
    }
    let unreachable = registration == Registration::Required && api_url.is_none();
    let warning = "without `api_url` no repository can be registered, and none is accepted";
    warnings.extend(unreachable.then(|| warning.to_owned()));
    let objects = &spec.services.objects;
    let scheme = Scheme::built_in(SCHEME).map_err(OptionsError)?;
    Ok(Built {
        provider: Arc::new(Docora { app_id, scheme, transfer_limits: spec.transfer_limits }),
        handlers: vec![Arc::new(DocoraHandler {
            registration,
            image_store: ImageStore { objects: objects.clone(), rendition_width },
        })],
        registry: None,
        api: None,
        maintenance: Some(Arc::new(ObjectMaintenance {
            source: spec.name.clone(),
            tenant: spec.tenant.clone(),
            objects: objects.clone(),
        })),
        memory: Duration::ZERO,
        warnings,
    })
}

/// Signs as Docora's client does, with the headers that it sends. The draft's headers take
/// precedence.
fn sign(draft: &Draft<'_>) -> Vec<(String, String)> {
    let timestamp = draft.at.to_string();
    let mac = draft.secret.sign(&[timestamp.as_bytes(), b".", draft.body]);
    let app_id = draft.options.get("app_id").and_then(toml::Value::as_str).unwrap_or_default();
    let ours = [
        (APP_ID, app_id.to_owned()),
        (TIMESTAMP, timestamp),
        (SIGNATURE, format!("sha256={}", hex::encode(mac))),
        ("content-type", "application/json".to_owned()),
        ("accept", "application/json, text/plain, */*".to_owned()),
        ("accept-encoding", "gzip, compress, deflate, br".to_owned()),
        ("user-agent", "axios/1.13.2".to_owned()),
    ];
    ours.into_iter()
        .filter(|(name, _)| draft.headers.iter().all(|(own, _)| own != name))
        .map(|(name, value)| (name.to_owned(), value))
        .chain(draft.headers.iter().cloned())
        .collect()
}

/// Docora, for one of its applications.
struct Docora {
    app_id: AppId,
    scheme: Arc<Scheme>,
    transfer_limits: TransferLimits,
}

impl Provider for Docora {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn actions(&self) -> &'static [&'static str] {
        Action::NAMES
    }

    fn headers(&self) -> &'static [&'static str] {
        &[APP_ID, SIGNATURE, TIMESTAMP]
    }

    fn kept_headers(&self) -> &'static [&'static str] {
        &[APP_ID, TIMESTAMP]
    }

    fn precheck(
        &self,
        head: &RequestHead,
        window: Window,
        now: UnixSeconds,
    ) -> Result<(), Refusal> {
        self.check_app_id(head)?;
        self.scheme.precheck(head, window, now)
    }

    fn verify(&self, request: &VerifyContext<'_>) -> Result<Proof, Refusal> {
        self.check_app_id(request.head())?;
        request.signed(&self.scheme)
    }

    fn scheme(&self, _head: &RequestHead) -> Option<&Arc<Scheme>> {
        Some(&self.scheme)
    }

    fn claimed_proofs(&self, _request: &VerifyContext<'_>) -> Vec<ProofMethod<'_>> {
        vec![ProofMethod::Signature(&self.scheme)]
    }

    fn classify(&self, request: &VerifiedRequest) -> Classified {
        let action = request.action();
        self.classify_action(action, request).unwrap_or_else(|(reason, detail)| {
            let event_type = event_type(action, request.body()).map(str::to_owned);
            Classified::Quarantined(Quarantined { reason, detail, event_type })
        })
    }

    fn whole(&self, envelope: &[u8], content: &[u8]) -> Option<Vec<u8>> {
        dto::whole(envelope, content)
    }
}

/// The type of an unprocessable request. A failure is recognised by its body, whatever the path,
/// and redacted like any other failure.
fn event_type<'a>(action: Option<&'a str>, body: &[u8]) -> Option<&'a str> {
    let failed = Action::SyncFailed.name();
    let body = parse::<dto::Body<'_>>(body).ok();
    let is_failure = body.and_then(|body| body.event).is_some_and(|event| event.0 == failed);
    if is_failure { Some(failed) } else { action }
}

impl Docora {
    /// The id is public and unsigned: it only distinguishes the applications behind one path.
    fn check_app_id(&self, head: &RequestHead) -> Result<(), Refusal> {
        if head.headers.required_token(APP_ID)? == self.app_id.0 {
            return Ok(());
        }
        Err(Refusal::UnknownSource)
    }

    fn classify_action(
        &self,
        action: Option<&str>,
        request: &VerifiedRequest,
    ) -> Result<Classified, Fault> {
        let no_action = || (Quarantine::ActionMismatch, "the path has no action".to_owned());
        let action = action.and_then(Action::named).ok_or_else(no_action)?;
        let Payload { repository, built_at, report } = payload::read_body(action, request.body())?;
        let id: &str = &repository.id;
        let lane = match report {
            Report::Stored(File { path, sha, size, content, .. }) => {
                let lane = Lane::of(&[id, &path]);
                match content {
                    Encoded::Base64(text) => content::check(&text, size, &sha)?,
                    Encoded::Slice(slice) => {
                        let manifest = Manifest {
                            transfer_id: slice.transfer_id.clone().into_owned(),
                            subject: vec![id.to_owned(), path.into_owned()],
                            event_type: action.name(),
                            total: slice.total,
                            size,
                            sha256: sha,
                            sent_at: built_at,
                            envelope: slice.envelope.clone(),
                        };
                        return self.chunk(manifest, slice, request.body());
                    }
                    Encoded::Text(_) | Encoded::Whole(_) => {}
                }
                lane
            }
            Report::Deleted(file) => Lane::of(&[id, &file.path]),
            // A separate lane: a lane for the whole repository would serialise all its files. The
            // handler decides by the sender's build time whether a failure or a file event is
            // newer.
            Report::SyncFailed(_) => Lane::of(&[id]),
        };
        Ok(Classified::Event(EventMeta {
            event_type: Cow::Borrowed(action.name()),
            key: EventKey::BodyDigest(request.body_digest()),
            lane: Some(lane),
            occurred_at: Some(built_at),
        }))
    }

    fn chunk(
        &self,
        manifest: Manifest,
        slice: Slice<'_>,
        body: &Bytes,
    ) -> Result<Classified, Fault> {
        let content = match slice.text {
            // A slice without escapes is a part of the body.
            Cow::Borrowed(text) => body.slice_ref(text.as_bytes()),
            Cow::Owned(text) => Bytes::from(text),
        };
        let chunk = Chunk { manifest, index: slice.index, content };
        chunk.check(self.transfer_limits)?;
        Ok(Classified::Chunk(Box::new(chunk)))
    }
}

#[cfg(test)]
mod tests;

//! Docora watches repositories and sends their files, one request each.
//!
//! - A request is signed over its time, a dot and its body: `SCHEME`. The action in the path and
//!   the application's id are not signed, so the body must have the shape of the action
//!   (`payload`), and the id only chooses among sources.
//! - A *file event* brings a file's content (`create`, `update`) or takes the file away
//!   (`delete`). Binary content comes as base64 (`content`), large binary content as chunks of it.
//! - A `sync_failed` says that a repository could not be read. Nothing says when it can be read
//!   again: the next file event does.
//! - The sender stops a whole repository at the first answer that is no 2xx. Whatever is signed
//!   is therefore kept, and what is of no use becomes a dead letter.
//! - The sender gives its requests no id and sends everything again when in doubt. A duplicate of
//!   the same bytes is recognised by their digest; the same file in a new payload is recognised by
//!   the handler, from what it knows about the file. Not by path and digest for ever: a file may
//!   go from A to B and back to A.

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;

use self::content::{Encoded, Slice};
use self::handler::DocoraHandler;
use self::maintenance::ObjectMaintenance;
use self::payload::{Action, Fault, File, News, Payload};
use self::registry::{ApiUrl, Registration};
use self::store_image::Keeper;
use super::{Built, Draft, Entry, OptionsError, Pace, SourceSpec};
use crate::verify::{
    Chunk, Classified, EventKey, EventMeta, Lane, Layout, Manifest, Part, Proof, ProofMethod,
    Provider, Quarantine, Quarantined, Refusal, RequestHead, Scheme, Time, TransferLimits, Units,
    UnixSeconds, VerifiedRequest, VerifyContext, Window, parse,
};

mod card;
mod content;
mod deck;
mod dto;
mod effects;
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

/// The catalogue's entry.
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
    // To its workers, five and more at a time, any refusal is a failed synchronisation. They wait
    // for 30 seconds.
    pace: Pace::of(1_000, 10_000, Duration::from_secs(15)),
    chunk: Some(CHUNK),
    api: None,
    build,
    sign,
};

/// A text file comes in one request whatever its size: 25 MiB of text, and what JSON adds to it.
const MAX_BODY: usize = 32 * 1024 * 1024;

/// What a chunk brings: 524,288 characters of base64.
const CHUNK: u64 = 524_288 / 4 * 3;

/// What a rendition's width may be.
const RENDITION_WIDTHS: std::ops::RangeInclusive<u32> = 16..=8192;

const APP_ID: &str = "x-docora-app-id";
const SIGNATURE: &str = "x-docora-signature";
const TIMESTAMP: &str = "x-docora-timestamp";

/// How Docora signs.
static SCHEME: Scheme = Scheme {
    header: SIGNATURE,
    layout: Layout::Prefixed("sha256="),
    time: Time::Header(TIMESTAMP, Units::Seconds),
    transcript: &[Part::Timestamp, Part::Text(".")],
};

/// The options of a source.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    /// The application's id at Docora: `app_` and 24 hexadecimal digits.
    app_id: AppId,
    /// Which repositories are accepted.
    #[serde(default)]
    registration: Registration,
    /// Where Docora's own interface is: only `sealpost docora` calls it.
    api_url: Option<ApiUrl>,
    /// Images that are wider get a smaller rendition of this width, in pixels.
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
    Ok(Built {
        provider: Arc::new(Docora { app_id, transfer_limits: spec.transfer_limits }),
        handlers: vec![Arc::new(DocoraHandler {
            registration,
            keeper: Keeper { objects: objects.clone(), rendition_width },
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

/// Signs as Docora's client does, with the headers that it sends. Those of the draft take the
/// place of ours.
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

/// Docora, for one application of it.
struct Docora {
    app_id: AppId,
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
        SCHEME.precheck(head, window, now)
    }

    fn verify(&self, request: &VerifyContext<'_>) -> Result<Proof, Refusal> {
        self.check_app_id(request.head())?;
        request.signed(&SCHEME)
    }

    fn signs_body(&self, _head: &RequestHead) -> Option<&'static Scheme> {
        Some(&SCHEME)
    }

    fn evidence(&self, _request: &VerifyContext<'_>) -> Vec<ProofMethod> {
        vec![ProofMethod::Signature(&SCHEME)]
    }

    fn classify(&self, request: &VerifiedRequest) -> Classified {
        let action = request.action();
        self.name(action, request).unwrap_or_else(|(reason, detail)| {
            let event_type = event_type(action, request.body()).map(str::to_owned);
            Classified::Quarantined(Quarantined { reason, detail, event_type })
        })
    }

    fn whole(&self, envelope: &[u8], content: &[u8]) -> Option<Vec<u8>> {
        dto::whole(envelope, content)
    }
}

/// The type of a request that is of no use: a failure says by itself that it is one, whatever its
/// path says, and is then treated with the same care.
fn event_type<'a>(action: Option<&'a str>, body: &[u8]) -> Option<&'a str> {
    let failed = Action::SyncFailed.name();
    let body = parse::<dto::Body<'_>>(body).ok();
    let says_so = body.and_then(|body| body.event).is_some_and(|event| event.0 == failed);
    if says_so { Some(failed) } else { action }
}

impl Docora {
    /// The id is public and unsigned: it tells the applications behind one path apart, no more.
    fn check_app_id(&self, head: &RequestHead) -> Result<(), Refusal> {
        if head.headers.required_token(APP_ID)? == self.app_id.0 {
            return Ok(());
        }
        Err(Refusal::UnknownSource)
    }

    fn name(&self, action: Option<&str>, request: &VerifiedRequest) -> Result<Classified, Fault> {
        let no_action = || (Quarantine::ActionMismatch, "the path has no action".to_owned());
        let action = action.and_then(Action::named).ok_or_else(no_action)?;
        let Payload { repository, built_at, news } = payload::read_body(action, request.body())?;
        let id: &str = &repository.id;
        let lane = match news {
            News::Stored(File { path, sha, size, content, .. }) => {
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
            News::Deleted(file) => Lane::of(&[id, &file.path]),
            // A lane of its own. A lane for the whole repository would make every file wait for
            // every other; instead the handler tells by the time at which the sender built them
            // whether a failure or a file event is the newer news.
            News::SyncFailed(_) => Lane::of(&[id]),
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
            // A slice without escapes stands in the body as it is.
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

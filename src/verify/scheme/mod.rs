//! Signature schemes as data, and the engine that runs them.
//!
//! A [`SchemeDefinition`] says where the signature is, which text is signed, and with which
//! algorithm. [`Scheme::compile`] checks it once at startup. Verification then evaluates the text
//! for a request and compares every candidate in constant time, without a copy of the body.

mod alternatives;
mod body_place;
mod compile;
mod definition;
pub(super) mod diagnosis;
mod event;
mod event_definition;
mod filter;
mod handshake;
mod json_member;
mod jwt;
mod jwt_definition;
mod key;
mod key_definition;
mod missing;
mod multipart;
mod names;
mod php;
mod prove;
mod public_key;
mod published;
mod redact;
mod requirements;
mod sign;
mod signature_field;
mod streaming;
mod template;
mod test_event;
#[cfg(test)]
mod tests;
mod timestamp;
mod value;
mod values;
mod wildcard;
mod words;
mod written_body;
mod x5c;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use url::Url;

pub use self::alternatives::Schemes;
pub use self::body_place::BodyPlace;
pub use self::definition::*;
use self::event::EventRule;
pub use self::event_definition::*;
use self::filter::Filter;
pub use self::handshake::{BroughtSecret, Handshake, HandshakeAnswer, Prompt};
use self::jwt::Jwt;
pub use self::words::*;

pub(super) use self::key::{Mac, Material};
pub use self::key_definition::*;
use self::missing::Missing;
pub use self::names::intern;
use self::published::{Fetch, is_allowed};
pub use self::sign::{SignedRequest, ToSign};
pub(super) use self::signature_field::Candidate;
use self::signature_field::{Element, Place, SignatureField};
pub(super) use self::streaming::Running;
pub(super) use self::template::Piece;
use self::template::{NoText, Template};
use self::value::Value;
use self::values::Values;
use super::{KeyCache, KeyRing, Refusal, RequestHead, Strength};

/// A compiled scheme of one source.
#[derive(Debug)]
pub struct Scheme {
    algorithm: Algorithm,
    method: EventMethod,
    field: SignatureField,
    texts: Vec<Template>,
    time: Option<Time>,
    jwt: Option<Jwt>,
    body_hash: Option<BodyHash>,
    fetch: Option<Fetch>,
    key: KeyDefinition,
    /// The public URL of the source.
    url: Option<Url>,
    payload: Option<String>,
    /// Whether a form must have this field only: in the signed text, names and values run into each
    /// other, so that the same text may have other fields.
    has_one_field: bool,
    event: EventRule,
    /// What a request must contain.
    require: Vec<Condition>,
    /// What a request has that is signed in this way.
    when: Vec<Condition>,
    /// The option of the source that would enable it, if it does not.
    disabled: Option<&'static str>,
    /// What it must not contain.
    absent: Vec<String>,
    /// What open handshakes let anybody have signed.
    challenges: Vec<regex::Regex>,
    headers: Vec<&'static str>,
    /// The headers that the signature covers.
    covered: Vec<&'static str>,
    /// The header that lists the signed headers, if there is one.
    signed_list: Option<&'static str>,
    strength: Strength,
    reads_target: bool,
    /// Whether a body that is signed has more in it than the draft.
    adds_to_body: bool,
}

/// A value, and the places in one of which it must be.
type Condition = (Vec<Value>, Template);

/// The source's part of a scheme.
#[derive(Debug, Default, Clone)]
pub struct SchemeOptions {
    /// The values of `{option:NAME}`.
    pub options: BTreeMap<String, String>,
    /// The options that are `true`.
    pub enabled: BTreeSet<String>,
    /// The URL as it is configured at the sender.
    pub url: Option<Url>,
}

#[derive(Debug)]
struct Time {
    place: TimePlace,
    unit: TimeUnit,
    optional: bool,
}

#[derive(Debug)]
enum TimePlace {
    Header(&'static str),
    Signature,
    Json(String),
    Form(String),
}

#[derive(Debug)]
struct BodyHash {
    from: Value,
    hash: Digest,
    encoding: Encoding,
}

impl Scheme {
    /// The scheme in a table that is part of the program, for any source.
    ///
    /// # Errors
    /// The key that is wrong, and why.
    pub fn built_in(table: &str) -> Result<Arc<Self>, String> {
        let definition: SchemeDefinition =
            toml::from_str(table).map_err(|error| error.to_string())?;
        Self::compile(&definition, &SchemeOptions::default()).map(Arc::new)
    }

    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The method of the sender's requests.
    pub fn method(&self) -> EventMethod {
        self.method
    }

    /// How the secrets of a source become keys.
    pub fn key(&self) -> &KeyDefinition {
        &self.key
    }

    /// All headers that it reads.
    pub fn headers(&self) -> &[&'static str] {
        &self.headers
    }

    /// The headers that the signature covers.
    pub fn covered(&self) -> &[&'static str] {
        &self.covered
    }

    /// The headers that make up the proof: the signature, and what it covers.
    pub fn proof_headers(&self) -> Vec<&'static str> {
        let mut headers = self.covered.clone();
        if let Place::Headers(names) = &self.field.place {
            headers.extend(names);
        }
        headers.sort_unstable();
        headers.dedup();
        headers
    }

    /// The strength of its proofs.
    pub fn strength(&self) -> Strength {
        self.strength
    }

    /// Whether it needs method, path and query of a request.
    pub fn reads_target(&self) -> bool {
        self.reads_target
    }

    /// Whether the sender publishes its keys, so that the source has no secret.
    pub fn fetches_keys(&self) -> bool {
        self.fetch.is_some() || self.key.x5c.is_some()
    }

    /// The headers that are stored with an event: none that contains a secret or a signature.
    pub fn kept_headers(&self, definition: &SchemeDefinition) -> Vec<&'static str> {
        let is_secret = |name: &&'static str| match &self.field.place {
            Place::Headers(names) => names.contains(name),
            _ => false,
        };
        let time = self.time_header();
        let mut of_event = compile::event_headers(&definition.event);
        of_event.extend(definition.headers.iter().map(|name| intern(&name.to_ascii_lowercase())));
        let mut kept: Vec<&'static str> =
            (of_event.into_iter().chain(self.covered.iter().copied()))
                .filter(|name| !is_secret(name) && Some(*name) != time)
                .collect();
        kept.sort_unstable();
        kept.dedup();
        kept
    }

    /// The query parameters with a proof, for recognizing its requests.
    pub fn parameters(&self) -> Vec<String> {
        match &self.field.place {
            Place::Query(name) => vec![name.clone()],
            _ => Vec::new(),
        }
    }

    /// Removes secrets in plaintext from a head that is about to be stored.
    pub fn redact(&self, head: &mut RequestHead) {
        if !matches!(self.algorithm, Algorithm::Token | Algorithm::Basic) {
            return;
        }
        match &self.field.place {
            Place::Headers(names) => head.headers.remove(names),
            Place::Query(_) => {
                head.query = None;
                head.target = None;
            }
            Place::Json(_) | Place::Form(_) | Place::Body => {}
        }
    }

    /// The header with the signed time, if the time is in one of its own.
    fn time_header(&self) -> Option<&'static str> {
        match self.time.as_ref()?.place {
            TimePlace::Header(name) => Some(name),
            _ => None,
        }
    }

    fn values<'a>(&'a self, head: &'a RequestHead, body: Option<&'a Bytes>) -> Values<'a> {
        Values::new(head, body, self.url.as_ref(), self.payload.as_deref())
    }
}

impl From<NoText> for Refusal {
    fn from(no_text: NoText) -> Self {
        match no_text {
            NoText::Missing(Missing(name)) => Self::Missing(name),
            NoText::Ambiguous(name) => Self::Ambiguous(name),
        }
    }
}

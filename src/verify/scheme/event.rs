//! What a verified request reports: the type, the key and the lane of its events.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value as Json;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::value::Value;
use super::values::{Values, scalar};
use super::{BatchDefinition, EventDefinition, Scheme};
use crate::verify::{Classified, EventKey, EventMeta, Lane, Strength, VerifiedRequest};

/// The type of an event whose sender does not say one.
const NO_TYPE: &str = "event";
/// The maximum number of events in one request; with more, the request stays one event.
const MAX_ITEMS: usize = 1000;
/// Separates the parts of an id. Text of a sender cannot be confused with it.
const SEPARATOR: u8 = 0x1f;

/// The compiled places of an event's properties.
#[derive(Debug)]
pub(super) struct EventRule {
    kind: Option<Value>,
    id: Vec<Value>,
    lane: Vec<Value>,
    time: Option<Value>,
    repeats: bool,
    batch: Option<BatchDefinition>,
}

impl EventRule {
    pub(super) fn compile(
        event: &EventDefinition,
        batch: Option<&BatchDefinition>,
    ) -> Result<Self, String> {
        let parse = |key: &str, text: &str| {
            let value = Value::parse(text).map_err(|error| format!("event.{key}: {error}"))?;
            match value {
                Value::Json(_)
                | Value::Header(_)
                | Value::Query(_)
                | Value::Form(_)
                | Value::Claim(_) => Ok(value),
                _ => Err(format!(
                    "event.{key}: `{text}` is not json:, header:, query:, form: or claim:"
                )),
            }
        };
        if event.repeats && !event.id.is_empty() {
            return Err("event.repeats: an event with an id is deduplicated by it".into());
        }
        Ok(Self {
            kind: event.kind.as_deref().map(|text| parse("type", text)).transpose()?,
            id: event.id.iter().map(|text| parse("id", text)).collect::<Result<_, _>>()?,
            lane: event.lane.iter().map(|text| parse("lane", text)).collect::<Result<_, _>>()?,
            time: event.time.as_deref().map(|text| parse("time", text)).transpose()?,
            repeats: event.repeats,
            batch: batch.cloned(),
        })
    }

    /// Where the type is.
    pub(super) fn type_value(&self) -> Option<&Value> {
        self.kind.as_ref()
    }

    /// Checks that an id, or a part of it, is covered by the proof.
    ///
    /// `has_fields`: whether the signed text shows where a field of a form begins and ends.
    pub(super) fn check(
        &self,
        strength: Strength,
        covered: &[&'static str],
        has_fields: bool,
    ) -> Result<(), String> {
        for value in self.id.iter().chain(&self.lane) {
            let is_covered = match value {
                Value::Header(name) => covered.contains(name),
                Value::Query(_) => strength == Strength::Vouched,
                Value::Form(_) => has_fields,
                _ => true,
            };
            if !is_covered {
                return Err(format!(
                    "event: `{value}` is not covered by the signature, so it cannot be an id or a lane"
                ));
            }
        }
        Ok(())
    }
}

impl Scheme {
    /// Classifies a verified request. Its content never makes it invalid: what cannot be read is
    /// left out.
    ///
    /// `split` makes an event of each item of a batch.
    pub fn classify(&self, request: &VerifiedRequest, split: bool) -> Classified {
        let claims: Option<Json> =
            request.claims().and_then(|claims| serde_json::from_slice(claims).ok());
        let values = self.values(request.head(), Some(request.body())).with_claims(claims.as_ref());
        if let Some(batch) = self.event.batch.as_ref().filter(|_| split)
            && let Some(events) = self.items(request, &values, batch)
        {
            return Classified::Batch(events);
        }
        Classified::Event(self.meta(request, &values))
    }

    fn meta(&self, request: &VerifiedRequest, values: &Values<'_>) -> EventMeta {
        let rule = &self.event;
        let key = match parts(&rule.id, values) {
            Some(id) => EventKey::Signed(joined(&id)),
            None if rule.repeats => EventKey::EveryRequest,
            None => EventKey::BodyDigest(request.signed_digest()),
        };
        let lane = parts(&rule.lane, values).map(|parts| {
            let texts: Vec<Cow<'_, str>> =
                parts.iter().map(|part| String::from_utf8_lossy(part)).collect();
            Lane::of(&texts.iter().map(AsRef::as_ref).collect::<Vec<_>>())
        });
        let text = |value: &Value| {
            let found = values.get(value).ok()?;
            String::from_utf8(found.into_owned()).ok()
        };
        let event_type = rule.kind.as_ref().and_then(text).filter(|kind| is_type(kind));
        EventMeta {
            event_type: event_type.map_or(Cow::Borrowed(NO_TYPE), Cow::Owned),
            key,
            lane,
            occurred_at: rule.time.as_ref().and_then(text).and_then(|text| time(&text)),
        }
    }

    /// The items of a batch, each with its own bytes; `None` if it is no batch.
    fn items(
        &self,
        request: &VerifiedRequest,
        values: &Values<'_>,
        batch: &BatchDefinition,
    ) -> Option<Vec<(EventMeta, Bytes)>> {
        let body = request.body();
        let items = raw_items(body, &batch.items)?;
        if items.is_empty() || items.len() > MAX_ITEMS {
            return None;
        }
        let whole = self.meta(request, values);
        let event = |item: &RawValue| {
            let bytes = body.slice_ref(item.get().as_bytes());
            let document: Json = serde_json::from_str(item.get()).ok()?;
            let member = |pointer: &str| document.pointer(pointer).and_then(scalar);
            let id: Option<Vec<String>> = batch.id.iter().map(member).collect();
            let key = match id {
                Some(id) => {
                    let parts: Vec<Vec<u8>> = id.into_iter().map(String::into_bytes).collect();
                    EventKey::Signed(joined(&parts))
                }
                None => EventKey::BodyDigest(Sha256::digest(&bytes).into()),
            };
            let kind = batch.kind.as_deref().and_then(member).filter(|kind| is_type(kind));
            let event_type = kind.map_or_else(|| whole.event_type.clone(), Cow::Owned);
            Some((EventMeta { event_type, key, ..whole.clone() }, bytes))
        };
        items.into_iter().map(event).collect()
    }
}

/// The values of all these places; `None` if there is none, or one is missing.
fn parts(places: &[Value], values: &Values<'_>) -> Option<Vec<Vec<u8>>> {
    if places.is_empty() {
        return None;
    }
    let part = |place| {
        let value = values.get(place).ok()?.into_owned();
        (!value.is_empty()).then_some(value)
    };
    places.iter().map(part).collect()
}

/// The parts of an id as one. A separator inside a part is doubled.
fn joined(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut id = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            id.extend_from_slice(&[SEPARATOR, b' ']);
        }
        for byte in part {
            id.push(*byte);
            if *byte == SEPARATOR {
                id.push(SEPARATOR);
            }
        }
    }
    id
}

fn is_type(kind: &str) -> bool {
    !kind.is_empty() && kind.len() <= EventMeta::MAX_EVENT_TYPE && !kind.contains(char::is_control)
}

/// RFC 3339, Unix seconds or Unix milliseconds.
fn time(text: &str) -> Option<OffsetDateTime> {
    if let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) {
        return Some(time);
    }
    let number: i64 = text.parse().ok()?;
    let seconds = if number > 100_000_000_000 { number / 1000 } else { number };
    OffsetDateTime::from_unix_timestamp(seconds).ok()
}

/// The items of the array at a JSON pointer, as they stand in the body.
fn raw_items<'b>(body: &'b [u8], pointer: &str) -> Option<Vec<&'b RawValue>> {
    let mut names = pointer.split('/').skip(1);
    let mut at: &'b RawValue = serde_json::from_slice(body).ok()?;
    for name in names.by_ref() {
        let members: BTreeMap<Cow<'b, str>, &'b RawValue> = serde_json::from_str(at.get()).ok()?;
        at = members.get(name)?;
    }
    serde_json::from_str(at.get()).ok()
}

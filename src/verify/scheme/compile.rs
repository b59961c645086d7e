//! Checks a definition and prepares it for one source.

use std::collections::{BTreeMap, BTreeSet};

use super::event::EventRule;
use super::jwt::Jwt;
use super::published::Fetch;
use super::signature_field::{Place, SignatureField};
use super::template::Template;
use super::value::Value;
use super::{
    Algorithm, BodyHash, Condition, EventDefinition, EventMethod, HandshakeMethod, HashDefinition,
    Scheme, SchemeDefinition, SchemeOptions, Time, TimePlace, TimestampDefinition, handshake,
    intern,
};
use crate::verify::Strength;

impl Scheme {
    /// Checks a definition and prepares it for one source.
    ///
    /// # Errors
    /// The key that is wrong, and why.
    pub fn compile(definition: &SchemeDefinition, source: &SchemeOptions) -> Result<Self, String> {
        let algorithm = definition.algorithm;
        let SchemeOptions { options, url, .. } = source;
        let field = SignatureField::compile(&definition.signature, algorithm.length(), options)?;
        let parse =
            |text: &str| Template::parse(text, options).map_err(|error| format!("signed: {error}"));
        let texts: Vec<Template> = definition.signed.iter().map(parse).collect::<Result<_, _>>()?;
        if algorithm.signs_text() == texts.is_empty() {
            let what = if texts.is_empty() { "needs the signed text" } else { "signs no text" };
            return Err(format!("signed: `{algorithm}` {what}"));
        }
        check_method(definition, &texts)?;
        let is_hash = matches!(algorithm, Algorithm::Sha1 | Algorithm::Sha256);
        if texts.iter().any(|text| text.contains(&Value::Secret) != is_hash) {
            return Err(
                "signed: `{secret}` is needed for `sha1` and `sha256`, and only there".into()
            );
        }
        let time = definition.timestamp.as_ref().map(Time::compile).transpose()?;
        check_time(&texts, time.as_ref(), &field)?;
        let jwt = match (&definition.jwt, algorithm) {
            (Some(jwt), Algorithm::Jwt) => Some(Jwt::compile(jwt, options)?),
            (None, Algorithm::Jwt) => return Err("jwt: `jwt` needs this table".into()),
            (Some(_), _) => return Err("jwt: only for the algorithm `jwt`".into()),
            (None, _) => None,
        };
        let body_hash = definition.body_hash.as_ref().map(BodyHash::compile).transpose()?;
        let fetch = match &definition.key.fetch {
            Some(fetch) => Some(Fetch::compile(fetch, options)?),
            None => None,
        };
        let event = EventRule::compile(&definition.event, definition.batch.as_ref())?;
        let require = conditions("require", &definition.require, options)?;
        let when = conditions("when", &definition.when, options)?;
        let strength = strength(&texts, jwt.as_ref(), body_hash.as_ref(), definition);
        let values = placeholders(&texts, jwt.as_ref(), fetch.as_ref());
        let mut covered: BTreeSet<&'static str> = BTreeSet::new();
        for text in &texts {
            covered.extend(text.placeholders().iter().filter_map(|part| part.source.header()));
        }
        if let Some(Time { place: TimePlace::Header(name), .. }) = &time
            && texts.iter().all(|text| text.contains(&Value::Timestamp))
        {
            covered.insert(name);
        }
        if matches!(algorithm, Algorithm::Token | Algorithm::Basic) {
            // Nothing is signed: the secret vouches equally for the body and for the headers.
            covered.extend(event_headers(&definition.event));
        }
        // Names and values run into each other, so the same text may have other fields.
        let has_fields = !texts.iter().any(|text| text.contains(&Value::Params));
        event.check(strength, &covered.iter().copied().collect::<Vec<_>>(), has_fields)?;
        let mut headers: BTreeSet<&'static str> = covered.clone();
        let places = || require.iter().chain(&when).flat_map(|(any, _)| any);
        headers.extend(places().filter_map(Value::header));
        headers.extend(values.iter().filter_map(Value::header));
        if let Place::Headers(names) = &field.place {
            headers.extend(names);
        }
        if let Some(Time { place: TimePlace::Header(name), .. }) = &time {
            headers.insert(name);
        }
        headers.extend(definition.headers.iter().map(|name| intern(&name.to_ascii_lowercase())));
        headers.extend(event_headers(&definition.event));
        headers.extend(handshake::headers(&definition.handshake));
        if url.is_none() && values.iter().any(Value::needs_url) {
            return Err(
                "signed: the text contains the URL, so the source needs `url`, exactly as \
                        it is entered at the sender"
                    .into(),
            );
        }
        let reads_target = values.iter().chain(places()).any(Value::reads_target)
            || matches!(field.place, Place::Query(_))
            || body_hash.as_ref().is_some_and(|hash| hash.from.reads_target())
            || definition.handshake.iter().any(handshake::reads_target)
            || event_values(&definition.event).any(|text| text.starts_with("query:"));
        let mut scheme = Self {
            algorithm,
            method: definition.method,
            field,
            texts,
            time,
            jwt,
            body_hash,
            fetch,
            key: definition.key.clone(),
            url: url.clone(),
            event,
            require,
            when,
            disabled: None,
            absent: absent(definition)?,
            challenges: handshake::challenges(&definition.handshake)?,
            has_one_field: !has_fields && definition.event.payload.is_some(),
            payload: definition
                .event
                .payload
                .as_deref()
                .and_then(|payload| {
                    payload.strip_prefix("form:").or(payload.strip_prefix("multipart:"))
                })
                .map(str::to_owned),
            headers: headers.into_iter().collect(),
            covered: covered.into_iter().collect(),
            signed_list: values.iter().find_map(|value| match value {
                Value::SignedHeaders(list) => Some(*list),
                _ => None,
            }),
            strength,
            reads_target,
            adds_to_body: false,
        };
        scheme.adds_to_body = scheme.finds_what_it_adds();
        Ok(scheme)
    }
}

impl Time {
    fn compile(definition: &TimestampDefinition) -> Result<Self, String> {
        let (kind, argument) = definition.from.split_once(':').unwrap_or((&definition.from, ""));
        let place = match (kind, argument) {
            ("signature", "") => TimePlace::Signature,
            ("header", name) if !name.is_empty() => {
                TimePlace::Header(intern(&name.to_ascii_lowercase()))
            }
            ("json", pointer) if pointer.starts_with('/') => TimePlace::Json(pointer.to_owned()),
            ("form", field) if !field.is_empty() => TimePlace::Form(field.to_owned()),
            _ => {
                return Err(format!(
                    "timestamp.from: `{}` is not `header:NAME`, `signature`, `json:/pointer` or \
                     `form:FIELD`",
                    definition.from
                ));
            }
        };
        Ok(Self { place, unit: definition.unit, optional: definition.optional })
    }
}

/// The values in a table, each in one of several places.
fn conditions(
    key: &str,
    table: &BTreeMap<String, String>,
    options: &BTreeMap<String, String>,
) -> Result<Vec<Condition>, String> {
    let condition = |(name, text): (&String, &String)| {
        let wrong = |error| format!("{key}.{name}: {error}");
        let places = name.split('|').map(Value::parse);
        let places = places.collect::<Result<Vec<_>, _>>().map_err(wrong)?;
        Ok((places, Template::parse(text, options).map_err(wrong)?))
    };
    table.iter().map(condition).collect()
}

/// What a request must not contain: JSON pointers.
fn absent(definition: &SchemeDefinition) -> Result<Vec<String>, String> {
    let pointer = |text: &String| match text.strip_prefix("json:") {
        Some(pointer) => Ok(pointer.to_owned()),
        None => Err(format!("absent: `{text}` is not `json:/pointer`")),
    };
    definition.absent.iter().map(pointer).collect()
}

/// A request without a body has its content in the query, all of which must be signed as it stands.
fn check_method(definition: &SchemeDefinition, texts: &[Template]) -> Result<(), String> {
    if definition.method == EventMethod::Post {
        return Ok(());
    }
    let covers = |text: &Template| {
        text.contains(&Value::Method)
            && text.contains(&Value::SortedQuery)
            && !text.contains(&Value::Body)
    };
    if texts.is_empty() || !texts.iter().all(covers) {
        return Err("method: `GET` needs a signed text with `{method}` and `{query_sorted}`, and \
                    without `{body}`"
            .into());
    }
    if definition.handshake.iter().any(|known| known.method == HandshakeMethod::Get) {
        return Err("method: with `GET`, there can be no handshake by GET".into());
    }
    Ok(())
}

/// A time that is not signed proves nothing.
fn check_time(
    texts: &[Template],
    time: Option<&Time>,
    field: &SignatureField,
) -> Result<(), String> {
    let is_used = !texts.is_empty()
        && texts.iter().all(|text| {
            let lists = |value: &Value| matches!(value, Value::SignedHeaders(_));
            text.contains(&Value::Timestamp) || text.any(lists)
        });
    match time {
        None if is_used => Err("timestamp: `{timestamp}` is in the text, but not described".into()),
        Some(Time { place: TimePlace::Signature, .. }) if !field.has_timestamp() => {
            Err("timestamp.from: `signature` needs `{timestamp}` in signature.format".into())
        }
        Some(Time { place: TimePlace::Header(_) | TimePlace::Signature, .. })
            if !is_used && !texts.is_empty() =>
        {
            Err("timestamp: the text does not contain `{timestamp}`, so the time is not signed"
                .into())
        }
        _ => {
            let pairs = texts.iter().flat_map(Template::placeholders);
            for placeholder in pairs {
                if let Value::Pair(name) | Value::HeadersOf(name) = &placeholder.source
                    && !field.has_pair(name)
                {
                    return Err(format!("signed: `{{pair:{name}}}` is not in signature.format"));
                }
            }
            Ok(())
        }
    }
}

impl BodyHash {
    fn compile(definition: &HashDefinition) -> Result<Self, String> {
        let from = Value::parse(&definition.from).map_err(|error| format!("body_hash: {error}"))?;
        Ok(Self { from, hash: definition.hash, encoding: definition.encoding })
    }
}

/// What the scheme proves: that the sender made the body, or only that it made the request.
fn strength(
    texts: &[Template],
    jwt: Option<&Jwt>,
    body_hash: Option<&BodyHash>,
    definition: &SchemeDefinition,
) -> Strength {
    let by_text = definition.covers_content
        || !texts.is_empty() && texts.iter().all(|text| covers_content(text, definition));
    let by_token = jwt.is_some_and(Jwt::covers_body)
        || (jwt.is_some() && (definition.signature.body || definition.signature.json.is_some()));
    if by_text || by_token || body_hash.is_some() { Strength::Signed } else { Strength::Vouched }
}

/// Whether the text contains the body, or the one field that has all of the content.
fn covers_content(text: &Template, definition: &SchemeDefinition) -> bool {
    let payload = definition.event.payload.as_deref().and_then(|name| name.strip_prefix("form:"));
    text.covers_body()
        || text.placeholders().iter().any(|placeholder| match &placeholder.source {
            Value::Form(field) => payload == Some(field.as_str()),
            // All members that have a meaning.
            Value::Lines(_) | Value::Params | Value::Php(_) => true,
            Value::SortedQuery => definition.method == EventMethod::Get,
            _ => false,
        })
}

fn placeholders(texts: &[Template], jwt: Option<&Jwt>, fetch: Option<&Fetch>) -> Vec<Value> {
    let of_texts = texts.iter().flat_map(Template::placeholders).map(|part| part.source.clone());
    let of_jwt = jwt.into_iter().flat_map(Jwt::values);
    let of_fetch = fetch.into_iter().flat_map(|fetch| fetch.url.placeholders());
    of_texts.chain(of_jwt).chain(of_fetch.map(|part| part.source.clone())).collect()
}

/// The places that an event's properties come from.
pub(super) fn event_values(event: &EventDefinition) -> impl Iterator<Item = &str> {
    let single = [event.kind.as_deref(), event.time.as_deref()].into_iter().flatten();
    single.chain(event.id.iter()).chain(event.lane.iter())
}

pub(super) fn event_headers(event: &EventDefinition) -> Vec<&'static str> {
    let headers = event_values(event).filter_map(|text| text.strip_prefix("header:"));
    headers.map(|name| intern(&name.to_ascii_lowercase())).collect()
}

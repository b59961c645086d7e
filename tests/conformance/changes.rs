//! Changes to a signed request. Each is in a place that the scheme covers, so it must be refused.

use std::collections::BTreeSet;

use sealpost::verify::Algorithm;
use serde_json::Value;
use url::form_urlencoded;

use crate::packages::Request;
use crate::spoil::{nudge, spoil};
use crate::subject::Subject;

/// A changed request.
pub(crate) struct Change {
    /// The changed place.
    pub(crate) what: String,
    pub(crate) request: Request,
}

/// The place of a change that many packages cannot see.
pub(crate) const BODY: &str = "body";
/// The place of the signature.
pub(crate) const SIGNATURE: &str = "signature";

/// Every change that the scheme must notice.
///
/// # Errors
/// The place that cannot be changed: the request is not what the scheme describes.
pub(crate) fn changes(subject: &Subject, request: &Request) -> Result<Vec<Change>, String> {
    let mut changes = Changes { subject, request, all: Vec::new() };
    let definition = &subject.definition;
    changes.add(SIGNATURE, |request| {
        change_signature(subject, request, |text| spoil_signature(subject, text))
    })?;
    if definition.algorithm == Algorithm::Jwt {
        changes.add("claims", |request| change_signature(subject, request, spoil_claims))?;
    }
    if definition.timestamp.as_ref().is_some_and(|time| time.from == "signature") {
        changes.add("signed time", |request| {
            let time = |text: &str| change_elements(subject, text, "{timestamp}", nudge);
            change_signature(subject, request, time)
        })?;
    }
    if !matches!(definition.algorithm, Algorithm::Token | Algorithm::Basic) {
        for name in subject.scheme.covered() {
            changes.header(name)?;
        }
    }
    for place in places(subject) {
        let (kind, name) = place.split_once(':').unwrap_or((&place, ""));
        match kind {
            BODY => changes.add(BODY, |request| {
                request.body = spoil(&request.text()).into_bytes();
                Some(())
            })?,
            "query" if name.is_empty() => changes.add("query", |request| {
                let query = request.query.iter().cloned().chain(["changed=1".to_owned()]);
                request.query = Some(query.collect::<Vec<_>>().join("&"));
                Some(())
            })?,
            "query" if changes.has_parameter(name) => changes.add(&place, |request| {
                let query = request.query.take()?;
                request.query = Some(change_pair(&query, name, nudge)?);
                Some(())
            })?,
            "form" => changes.add(&place, |request| {
                let body = change_pair(&request.text(), name, spoil)?;
                request.body = body.into_bytes();
                Some(())
            })?,
            "json" if member(&request.text(), name).is_some() => {
                changes.add(&place, |request| change_json(request, name, nudge))?;
            }
            "signed_headers" => {
                let listed = request.header(name).unwrap_or_default().to_ascii_lowercase();
                for listed in listed.split(',').map(str::trim).filter(|listed| *listed != name) {
                    changes.header(listed)?;
                }
            }
            _ => {}
        }
    }
    Ok(changes.all)
}

struct Changes<'a> {
    subject: &'a Subject,
    request: &'a Request,
    all: Vec<Change>,
}

impl Changes<'_> {
    fn add(
        &mut self,
        what: &str,
        change: impl FnOnce(&mut Request) -> Option<()>,
    ) -> Result<(), String> {
        let mut request = self.request.clone();
        change(&mut request).ok_or_else(|| format!("its {what} cannot be changed"))?;
        self.all.push(Change { what: what.to_owned(), request });
        Ok(())
    }

    /// Changes a header, if the request has it.
    fn header(&mut self, name: &str) -> Result<(), String> {
        let what = format!("header {name}");
        let is_known = self.all.iter().any(|change| change.what == what);
        let Some(value) = self.request.header(name).filter(|_| !is_known).map(nudge) else {
            return Ok(());
        };
        self.add(&what, |request| {
            request.set_header(name, value);
            Some(())
        })
    }

    fn has_parameter(&self, name: &str) -> bool {
        let query = self.request.query.as_deref().unwrap_or_default();
        form_urlencoded::parse(query.as_bytes()).any(|(known, _)| known == name)
    }
}

/// The places that the proof covers, whichever of the scheme's texts it is over: `body`, `query`
/// (all of it), `query:NAME`, `form:NAME`, `json:/pointer`, `signed_headers:NAME`.
fn places(subject: &Subject) -> BTreeSet<String> {
    let definition = &subject.definition;
    let mut texts = definition.signed.iter().map(placeholders);
    let first = texts.next().unwrap_or_default();
    let mut places = texts.fold(first, |places, text| &places & &text);
    if let Some(time) = &definition.timestamp
        && places.contains("timestamp")
    {
        places.insert(time.from.clone());
    }
    if definition.body_hash.is_some() {
        places.insert(BODY.to_owned());
    }
    if let Some(jwt) = &definition.jwt {
        places.extend(jwt.claims.values().flat_map(|text| placeholders(text)));
        places.extend(jwt.body_hash.iter().map(|_| BODY.to_owned()));
        places.extend(jwt.url_hash.iter().map(|_| "query".to_owned()));
    }
    places
}

/// The placeholders of a template, as places.
fn placeholders(template: &str) -> BTreeSet<String> {
    let inner = template.split('{').filter_map(|part| Some(part.split_once('}')?.0));
    let place = |inner: &str| {
        let name = inner.split(['|', '?']).next().unwrap_or_default();
        let place = match name {
            "params" => BODY,
            "url" | "url_with_port" | "path_query" | "query_sorted" | "query_pairs" | "qsh" => {
                "query"
            }
            other => other,
        };
        place.to_owned()
    };
    inner.map(place).collect()
}

/// Changes the field with the signature.
fn change_signature(
    subject: &Subject,
    request: &mut Request,
    change: impl Fn(&str) -> String,
) -> Option<()> {
    let signature = &subject.definition.signature;
    if let Some(pointer) = &signature.json {
        return change_json(request, pointer, change);
    }
    if let Some(field) = &signature.form {
        request.body = change_pair(&request.text(), field, change)?.into_bytes();
        return Some(());
    }
    if let Some(name) = &signature.query {
        request.query = Some(change_pair(request.query.as_deref()?, name, change)?);
        return Some(());
    }
    if signature.body {
        request.body = change(&request.text()).into_bytes();
        return Some(());
    }
    let names: Vec<&str> =
        signature.header.iter().filter(|name| request.header(name).is_some()).collect();
    for name in &names {
        let value = change(request.header(name)?);
        request.set_header(name, value);
    }
    (!names.is_empty()).then_some(())
}

fn spoil_signature(subject: &Subject, text: &str) -> String {
    let definition = &subject.definition;
    if definition.signature.format.is_some() {
        return change_elements(subject, text, "{signature}", spoil);
    }
    let start = match definition.algorithm {
        Algorithm::Jwt => text.rfind('.').map_or(0, |dot| dot + 1),
        Algorithm::Basic => text.find(' ').map_or(0, |space| space + 1),
        _ if text.starts_with(&definition.signature.prefix) => definition.signature.prefix.len(),
        _ => 0,
    };
    format!("{}{}", &text[..start], spoil(&text[start..]))
}

/// Changes the second segment of a token.
fn spoil_claims(token: &str) -> String {
    let mut segments: Vec<String> = token.split('.').map(str::to_owned).collect();
    segments[1] = spoil(&segments[1]);
    segments.join(".")
}

/// Changes the elements of a list that hold this placeholder.
fn change_elements(
    subject: &Subject,
    text: &str,
    placeholder: &str,
    change: fn(&str) -> String,
) -> String {
    let signature = &subject.definition.signature;
    let mut format = signature.format.clone().unwrap_or_default();
    for (name, value) in &subject.options {
        format = format.replace(&format!("{{option:{name}}}"), value.as_str().unwrap_or_default());
    }
    let separator = signature.separator.as_str();
    let items = format.split(separator);
    let literals: Vec<&str> =
        items.filter_map(|item| item.trim().strip_suffix(placeholder)).collect();
    let changed = text.split(separator).map(|item| {
        let found = literals.iter().find(|literal| item.trim_start().starts_with(**literal));
        let Some(literal) = found else { return item.to_owned() };
        let start = item.len() - item.trim_start().len() + literal.len();
        format!("{}{}", &item[..start], change(&item[start..]))
    });
    changed.collect::<Vec<_>>().join(separator)
}

/// Changes a value of a form or a query.
fn change_pair(text: &str, name: &str, change: impl Fn(&str) -> String) -> Option<String> {
    let mut is_found = false;
    let mut changed = form_urlencoded::Serializer::new(String::new());
    for (known, value) in form_urlencoded::parse(text.as_bytes()) {
        if known == name && !is_found {
            is_found = true;
            changed.append_pair(&known, &change(&value));
        } else {
            changed.append_pair(&known, &value);
        }
    }
    is_found.then(|| changed.finish())
}

/// The text or number at a JSON pointer, in a body that is JSON or a form with one JSON field.
fn member(body: &str, pointer: &str) -> Option<Value> {
    let json = body.get(body.find('{')?..=body.rfind('}')?)?;
    let document: Value = serde_json::from_str(json).ok()?;
    let value = document.pointer(pointer)?;
    (value.is_string() || value.is_number()).then(|| value.clone())
}

/// Changes a JSON member, and nothing else in the body.
fn change_json(
    request: &mut Request,
    pointer: &str,
    change: impl Fn(&str) -> String,
) -> Option<()> {
    let body = request.text();
    let old = member(&body, pointer)?;
    let new = match &old {
        Value::String(text) => Value::from(change(text)).to_string(),
        number => change(&number.to_string()),
    };
    let key = pointer.rsplit('/').next()?;
    let changed = ["", " "].iter().find_map(|blank| {
        let start = format!("\"{key}\":{blank}");
        let written = format!("{start}{old}");
        body.contains(&written).then(|| body.replacen(&written, &format!("{start}{new}"), 1))
    });
    request.body = changed?.into_bytes();
    Some(())
}

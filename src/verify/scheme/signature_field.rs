//! Where a signature is and how it is written: finds the candidates in a request, and writes a
//! signature as the sender would.

mod candidate;
mod list;

use std::borrow::Cow;
use std::collections::BTreeMap;

pub(in crate::verify) use self::candidate::{Candidate, encode};
pub(in crate::verify) use self::list::{Holds, List, ListElement};
use super::values::Values;
use super::{Encoding, SignatureDefinition, intern};
use crate::verify::{Headers, Refusal};

/// The maximum length of a header with MACs, in bytes.
const MAX_MACS: usize = 4096;
/// The maximum length of a header with anything else, such as a token.
const MAX_FIELD: usize = 8192;
/// The maximum number of signatures in a request.
pub(in crate::verify) const MAX_CANDIDATES: usize = 16;
/// The maximum number of lists: each has a time of its own, and so another signed text.
const MAX_GROUPS: usize = 4;
/// The maximum number of elements of a list.
const MAX_ELEMENTS: usize = 2048;

/// Where a signature is and how it is written.
#[derive(Debug, Clone)]
pub(super) struct SignatureField {
    pub(super) place: Place,
    pub(super) prefix: String,
    pub(super) prefix_optional: bool,
    pub(super) encoding: Encoding,
    pub(super) list: Option<List>,
    /// The length of a signature in bytes, if it is fixed.
    pub(super) length: Option<usize>,
}

#[derive(Debug, Clone)]
pub(super) enum Place {
    Headers(Vec<&'static str>),
    Query(String),
    Json(String),
    Form(String),
    Body,
}

/// A named element of a signature field.
#[derive(Debug)]
pub(in crate::verify) struct Element<'a> {
    pub(in crate::verify) name: &'a str,
    pub(in crate::verify) value: Cow<'a, str>,
}

/// One list of a signature field: its signatures, and the values that stand beside them.
#[derive(Debug, Default)]
pub(super) struct Group<'a> {
    pub(super) candidates: Vec<Candidate>,
    pub(super) timestamp: Option<Cow<'a, str>>,
    pub(super) elements: Vec<Element<'a>>,
}

impl SignatureField {
    pub(super) fn compile(
        definition: &SignatureDefinition,
        length: Option<usize>,
        options: &BTreeMap<String, String>,
    ) -> Result<Self, String> {
        let headers: Vec<&'static str> =
            definition.header.iter().map(|name| intern(&name.to_ascii_lowercase())).collect();
        let mut places: Vec<Place> = Vec::new();
        if !headers.is_empty() {
            places.push(Place::Headers(headers));
        }
        places.extend(definition.query.clone().map(Place::Query));
        places.extend(definition.json.clone().map(Place::Json));
        places.extend(definition.form.clone().map(Place::Form));
        if definition.body {
            places.push(Place::Body);
        }
        let (Some(place), true) = (places.pop(), places.is_empty()) else {
            return Err("signature: needs exactly one of header, query, json, form, body".into());
        };
        let list = match &definition.format {
            Some(format) => Some(
                List::parse(format, &definition.separator, definition.groups.clone(), options)
                    .map_err(|error| format!("signature.format: {error}"))?,
            ),
            None => None,
        };
        Ok(Self {
            place,
            prefix: definition.prefix.clone(),
            prefix_optional: definition.prefix_optional,
            encoding: definition.encoding,
            list,
            length,
        })
    }

    /// The name of the field, for messages.
    pub(super) fn name(&self) -> &'static str {
        match &self.place {
            Place::Headers(names) => names.first().copied().unwrap_or_default(),
            Place::Query(_) => "query",
            Place::Json(_) | Place::Form(_) | Place::Body => "body",
        }
    }

    /// Whether a request without a body shows it.
    pub(super) fn is_in_head(&self) -> bool {
        matches!(self.place, Place::Headers(_) | Place::Query(_))
    }

    /// Whether its timestamp stands beside it.
    pub(super) fn has_timestamp(&self) -> bool {
        self.has(&Holds::Timestamp)
    }

    /// The names of its other elements.
    pub(super) fn has_pair(&self, name: &str) -> bool {
        self.has(&Holds::Pair(name.to_owned()))
    }

    fn has(&self, what: &Holds) -> bool {
        let mut elements = self.list.iter().flat_map(|list| &list.elements);
        elements.any(|element| element.holds == *what)
    }

    /// The header that is longer than any of its kind, if one is.
    pub(super) fn too_long(&self, headers: &Headers) -> Option<&'static str> {
        let most = if self.length.is_some() { MAX_MACS } else { MAX_FIELD };
        let Place::Headers(names) = &self.place else { return None };
        names.iter().copied().find(|name| headers.length(name) > most)
    }

    /// The texts in the field: one for each header that is present.
    pub(super) fn texts<'a>(&self, values: &Values<'a>) -> Result<Vec<Cow<'a, str>>, Refusal> {
        let malformed = || Refusal::Malformed(self.name());
        let missing = || Refusal::Missing(self.name());
        let texts = match &self.place {
            Place::Headers(names) => {
                let headers = &values.head.headers;
                if let Some(name) = self.too_long(headers) {
                    return Err(Refusal::Malformed(name));
                }
                let mut texts = Vec::with_capacity(1);
                for name in names {
                    texts.extend(self.header(headers, name)?);
                }
                texts
            }
            Place::Query(name) => values.query(name).map(Cow::Owned).into_iter().collect(),
            Place::Json(pointer) => in_body(values.json(pointer))?,
            Place::Form(name) => in_body(values.form(name).map(|value| value.map(str::to_owned)))?,
            Place::Body => {
                let body = values.body().ok_or_else(missing)?;
                let text = std::str::from_utf8(body).map_err(|_| malformed())?;
                vec![Cow::Borrowed(text.trim())]
            }
        };
        if texts.is_empty() {
            return Err(missing());
        }
        Ok(texts)
    }

    /// The text of a header. A list may span several lines; a single value that is repeated, or
    /// joined with itself, counts once.
    fn header<'a>(
        &self,
        headers: &'a Headers,
        name: &'static str,
    ) -> Result<Option<Cow<'a, str>>, Refusal> {
        let Some(list) = &self.list else {
            // A token may contain commas, and is compared as text.
            if self.prefix.contains(',') || self.length.is_none() {
                return Ok(headers.single(name)?.map(|text| Cow::Borrowed(text.trim())));
            }
            return Ok(headers.token(name)?.map(Cow::Borrowed));
        };
        let mut lines = headers.lines(name);
        let Some(first) = lines.next() else { return Ok(None) };
        let visible = |line: &'a [u8]| {
            let text = std::str::from_utf8(line).ok();
            let is_visible = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t');
            text.filter(|text| text.as_bytes().iter().all(is_visible))
                .ok_or(Refusal::Malformed(name))
        };
        let mut text = Cow::Borrowed(visible(first)?);
        for line in lines {
            let joined = text.to_mut();
            joined.push_str(list.between_lines());
            joined.push_str(visible(line)?);
        }
        Ok(Some(text))
    }

    /// The groups of candidates in a text; one, unless the sender writes several.
    pub(super) fn groups<'t>(&'t self, text: &'t str) -> Result<Vec<Group<'t>>, Refusal> {
        let malformed = || Refusal::Malformed(self.name());
        let Some(list) = &self.list else {
            let text = match text.strip_prefix(&self.prefix) {
                Some(text) => text,
                None if self.prefix_optional => text,
                None => return Err(malformed()),
            };
            let candidate = self.decode(text).ok_or_else(malformed)?;
            return Ok(vec![Group { candidates: vec![candidate], ..Group::default() }]);
        };
        let mut groups = Vec::with_capacity(1);
        let mut seen = 0;
        for part in list.parts(text).into_iter().take(MAX_GROUPS) {
            let (group, count) = self.group(list, part)?;
            seen += count;
            if seen > MAX_CANDIDATES {
                return Err(malformed());
            }
            groups.push(group);
        }
        if groups.is_empty() {
            return Err(malformed());
        }
        match (seen, groups.iter().all(|group| group.candidates.is_empty())) {
            (0, _) => Err(Refusal::Missing(self.name())),
            (_, true) => Err(malformed()),
            _ => Ok(groups),
        }
    }

    /// One list, and the number of signatures in it. A malformed one among several is skipped: a
    /// rotation may add a longer kind.
    fn group<'t>(&'t self, list: &'t List, text: &'t str) -> Result<(Group<'t>, usize), Refusal> {
        let malformed = || Refusal::Malformed(self.name());
        let mut group = Group::default();
        let (mut seen, mut position) = (0, 0);
        for (index, item) in list.items(text).enumerate() {
            if index >= MAX_ELEMENTS || (list.is_of_pairs && !item.contains('=')) {
                return Err(malformed());
            }
            let Some((holds, value)) = list.find(item, &mut position) else { continue };
            // Blanks stay: a time with one would be another spelling of the same number.
            let value = value.trim_matches('"');
            match holds {
                Holds::Signature => {
                    let value = value.strip_prefix(self.prefix.as_str()).unwrap_or(value);
                    let candidate = self.decode(value);
                    if candidate.as_ref().is_some_and(|known| group.candidates.contains(known)) {
                        continue;
                    }
                    seen += 1;
                    if seen > MAX_CANDIDATES {
                        return Err(malformed());
                    }
                    group.candidates.extend(candidate);
                }
                // Two different times would let one signature count for either.
                Holds::Timestamp => {
                    let before = group.timestamp.replace(Cow::Borrowed(value));
                    if before.is_some_and(|before| before != value) {
                        return Err(malformed());
                    }
                }
                Holds::Pair(name) => {
                    match group.elements.iter().find(|element| element.name == name) {
                        Some(known) if known.value == value => {}
                        Some(_) => return Err(malformed()),
                        None => group.elements.push(Element { name, value: Cow::Borrowed(value) }),
                    }
                }
                Holds::Nothing => {}
            }
        }
        Ok((group, seen))
    }

    /// The bytes of a signature, if the text is exactly that.
    fn decode(&self, text: &str) -> Option<Candidate> {
        Candidate::decode(text, self.encoding, self.length)
    }

    /// The token in a text, without the prefix.
    pub(super) fn token<'t>(&self, text: &'t str) -> Result<&'t str, Refusal> {
        let matches = text.len() >= self.prefix.len()
            && text.get(..self.prefix.len()).is_some_and(|start| {
                // The name of an authentication scheme has no case.
                if self.prefix.ends_with(' ') {
                    start.eq_ignore_ascii_case(&self.prefix)
                } else {
                    start == self.prefix
                }
            });
        let token = if matches { text.get(self.prefix.len()..) } else { None };
        let token = token.map(str::trim).filter(|token| !token.is_empty());
        token.ok_or(Refusal::Malformed(self.name()))
    }

    /// Writes a signature as the sender would.
    pub(super) fn write(&self, signature: &[u8], timestamp: &str) -> String {
        let encoded = encode(signature, self.encoding);
        let Some(list) = &self.list else { return format!("{}{encoded}", self.prefix) };
        let item = |element: &ListElement| match &element.holds {
            Holds::Signature => format!("{}{}{encoded}", element.literal, self.prefix),
            Holds::Timestamp => format!("{}{timestamp}", element.literal),
            Holds::Pair(name) => format!("{}{name}", element.literal),
            Holds::Nothing => element.literal.clone(),
        };
        // One signature is enough: others may cover something else.
        let is_signature = |element: &ListElement| element.holds == Holds::Signature;
        let several = list.elements.iter().filter(|element| is_signature(element)).count() > 1;
        let first = list.elements.iter().position(is_signature).map_or(0, |first| first + 1);
        let written = if several { first } else { list.elements.len() };
        let items = list.elements.iter().take(written).map(item);
        items.collect::<Vec<_>>().join(&list.separator)
    }

    /// Writes a token as the sender would.
    pub(super) fn write_token(&self, token: &str) -> String {
        format!("{}{token}", self.prefix)
    }

    /// The value that [`SignatureField::write`] gives to a named element.
    pub(super) fn written_elements(&self) -> Vec<Element<'_>> {
        let elements = self.list.iter().flat_map(|list| &list.elements);
        let named = elements.into_iter().filter_map(|element| match &element.holds {
            Holds::Pair(name) => Some(Element { name, value: Cow::Borrowed(name.as_str()) }),
            _ => None,
        });
        named.collect()
    }
}

/// A signature in the body, if there is one.
fn in_body<'a>(
    found: Result<Option<String>, super::missing::Missing>,
) -> Result<Vec<Cow<'a, str>>, Refusal> {
    let found = found.map_err(|_| Refusal::Malformed("body"))?;
    Ok(found.into_iter().map(Cow::Owned).collect())
}

//! A text with placeholders, such as `v0:{timestamp}:{body}`, and its values in a request.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::Filter;
use super::missing::Missing;
use super::value::Value;
use super::values::Values;

/// The maximum number of parts of a template.
const MAX_PARTS: usize = 64;

/// A parsed template.
#[derive(Debug, Clone)]
pub(super) struct Template {
    parts: Vec<Part>,
    covers_body: bool,
}

#[derive(Debug, Clone)]
enum Part {
    Text(Vec<u8>),
    Value(Placeholder),
    /// Left out when one of its values is missing.
    Optional(Vec<Part>),
}

/// A placeholder with its filters.
#[derive(Debug, Clone)]
pub(super) struct Placeholder {
    pub(super) source: Value,
    /// Whether it is empty when it is missing.
    pub(super) may_be_missing: bool,
    filters: Vec<Filter>,
    /// Whether it may contain what stands around it; at most one value of a text.
    may_contain_anything: bool,
    /// The texts before and after it. A value that contains one of them would make the signed text
    /// ambiguous.
    around: [Vec<u8>; 2],
}

/// A piece of an evaluated text.
#[derive(Debug, Clone)]
pub(in crate::verify) enum Piece<'a> {
    Bytes(Cow<'a, [u8]>),
    /// The secret; it differs from key to key.
    Secret,
    /// The body that is not kept; its bytes have been seen already.
    StreamedBody,
}

/// An evaluated text.
pub(super) type Text<'a> = Vec<Piece<'a>>;

/// Why a text has no value in this request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoText {
    Missing(Missing),
    /// A header contains the separator that follows it.
    Ambiguous(&'static str),
}

impl From<Missing> for NoText {
    fn from(missing: Missing) -> Self {
        Self::Missing(missing)
    }
}

impl Template {
    /// Parses a template. `options` are the values of `{option:NAME}`.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub(super) fn parse(text: &str, options: &BTreeMap<String, String>) -> Result<Self, String> {
        let mut rest = text;
        let mut parts = parse_parts(&mut rest, options, false)?;
        if parts.len() > MAX_PARTS {
            return Err(format!("more than {MAX_PARTS} parts"));
        }
        guard(&mut parts);
        let mut template = Self { parts, covers_body: false };
        template.covers_body = template.contains(&Value::Body);
        Ok(template)
    }

    /// All placeholders, also those in optional parts.
    pub(super) fn placeholders(&self) -> Vec<&Placeholder> {
        fn collect<'t>(parts: &'t [Part], all: &mut Vec<&'t Placeholder>) {
            for part in parts {
                match part {
                    Part::Text(_) => {}
                    Part::Value(value) => all.push(value),
                    Part::Optional(parts) => collect(parts, all),
                }
            }
        }
        let mut all = Vec::new();
        collect(&self.parts, &mut all);
        all
    }

    /// What it is made of, whatever its headers are called.
    pub(super) fn shape(&self) -> String {
        fn write(parts: &[Part]) -> String {
            let part = |part: &Part| match part {
                Part::Text(text) => format!("{text:?}"),
                Part::Optional(parts) => format!("[{}]", write(parts)),
                Part::Value(Placeholder { source, filters, .. }) => match source {
                    Value::Header(_) => format!("{{header{filters:?}}}"),
                    source => format!("{{{source:?}{filters:?}}}"),
                },
            };
            parts.iter().map(part).collect()
        }
        write(&self.parts)
    }

    /// The values without which the text does not exist.
    pub(super) fn required(&self) -> impl Iterator<Item = &Value> {
        self.parts.iter().filter_map(|part| match part {
            Part::Value(placeholder) if !placeholder.may_be_missing => Some(&placeholder.source),
            _ => None,
        })
    }

    pub(super) fn contains(&self, value: &Value) -> bool {
        self.any(|known| known == value)
    }

    pub(super) fn any(&self, is: impl Fn(&Value) -> bool) -> bool {
        self.placeholders().iter().any(|placeholder| is(&placeholder.source))
    }

    /// Whether the text contains the body itself, or a digest that depends on all of it.
    pub(super) fn covers_body(&self) -> bool {
        self.covers_body
    }

    /// Whether the text can be fed to a MAC while the body streams by: the body stands in it once
    /// and as it is, and everything else is known from the head.
    pub(super) fn streams(&self) -> bool {
        let known = |placeholder: &&Placeholder| {
            !matches!(
                placeholder.source,
                Value::Params
                    | Value::Php(_)
                    | Value::Form(_)
                    | Value::Json(_)
                    | Value::Lines(_)
                    | Value::Claim(_)
                    | Value::Secret
            )
        };
        let bodies: Vec<_> = (self.placeholders().into_iter())
            .filter(|placeholder| placeholder.source == Value::Body)
            .collect();
        bodies.len() == 1
            && bodies.iter().all(|body| body.filters.is_empty())
            && self.placeholders().iter().all(known)
            && self
                .parts
                .iter()
                .any(|part| matches!(part, Part::Value(value) if value.source == Value::Body))
    }

    /// The text in a request.
    pub(super) fn evaluate<'a>(&'a self, values: &Values<'a>) -> Result<Text<'a>, NoText> {
        let mut text = Vec::with_capacity(self.parts.len());
        evaluate(&self.parts, values, &mut text)?;
        Ok(text)
    }

    /// The text as one string of bytes, for a template without `{secret}` and of a body that is
    /// kept.
    pub(super) fn render(&self, values: &Values<'_>) -> Result<Vec<u8>, NoText> {
        let mut rendered = Vec::new();
        for piece in self.evaluate(values)? {
            if let Piece::Bytes(bytes) = piece {
                rendered.extend_from_slice(&bytes);
            }
        }
        Ok(rendered)
    }
}

fn evaluate<'a>(parts: &'a [Part], values: &Values<'a>, text: &mut Text<'a>) -> Result<(), NoText> {
    for part in parts {
        match part {
            Part::Text(bytes) => text.push(Piece::Bytes(Cow::Borrowed(bytes))),
            Part::Value(placeholder) => text.push(placeholder.evaluate(values)?),
            Part::Optional(parts) => {
                let before = text.len();
                match evaluate(parts, values, text) {
                    Ok(()) => {}
                    Err(NoText::Missing(missing)) if !missing.is_fault() => {
                        text.truncate(before);
                    }
                    Err(other) => return Err(other),
                }
            }
        }
    }
    Ok(())
}

impl Placeholder {
    fn evaluate<'a>(&'a self, values: &Values<'a>) -> Result<Piece<'a>, NoText> {
        match self.source {
            Value::Secret => return Ok(Piece::Secret),
            Value::Body if self.filters.is_empty() => {
                return Ok(values
                    .body()
                    .map_or(Piece::StreamedBody, |body| Piece::Bytes(Cow::Borrowed(body))));
            }
            _ => {}
        }
        let value = match values.get(&self.source) {
            Err(missing) if self.may_be_missing && !missing.is_fault() => Cow::Borrowed(&b""[..]),
            other => other?,
        };
        let is_free = self.may_contain_anything
            || !matches!(
                self.source,
                Value::Header(_)
                    | Value::Json(_)
                    | Value::Form(_)
                    | Value::Query(_)
                    | Value::Pair(_)
            );
        let mut around = self.around.iter().filter(|text| !text.is_empty());
        if !is_free && around.any(|text| contains(&value, text)) {
            return Err(NoText::Ambiguous(self.source.header().unwrap_or("body")));
        }
        let mut value = value;
        for filter in &self.filters {
            value = Cow::Owned(filter.apply(&value, values)?);
        }
        Ok(Piece::Bytes(value))
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Notes what stands around each value.
fn guard(parts: &mut [Part]) {
    let text = |part: Option<&Part>| match part {
        Some(Part::Text(text)) => text.clone(),
        _ => Vec::new(),
    };
    let around: Vec<[Vec<u8>; 2]> = (0..parts.len())
        .map(|index| {
            // What stands before the first value is no separator.
            let before = match index.checked_sub(1) {
                Some(before) if before > 0 => text(parts.get(before)),
                _ => Vec::new(),
            };
            [before, text(parts.get(index + 1))]
        })
        .collect();
    for (part, around) in parts.iter_mut().zip(around) {
        match part {
            Part::Value(placeholder) => placeholder.around = around,
            Part::Optional(parts) => guard(parts),
            Part::Text(_) => {}
        }
    }
}

fn parse_parts(
    rest: &mut &str,
    options: &BTreeMap<String, String>,
    inside: bool,
) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let flush = |literal: &mut String, parts: &mut Vec<Part>| {
        if !literal.is_empty() {
            parts.push(Part::Text(std::mem::take(literal).into_bytes()));
        }
    };
    while let Some(next) = rest.chars().next() {
        let doubled = rest.get(..2);
        if let Some(doubled @ ("{{" | "}}")) = doubled {
            literal.extend(doubled.chars().next());
            *rest = rest.get(2..).unwrap_or_default();
            continue;
        }
        *rest = rest.get(next.len_utf8()..).unwrap_or_default();
        match next {
            '{' => {
                let Some((inner, after)) = rest.split_once('}') else {
                    return Err(format!("`{{{rest}`: the closing brace is missing"));
                };
                *rest = after;
                if let Some(name) = inner.strip_prefix("option:") {
                    let value = options.get(name).ok_or_else(|| {
                        format!("`{{{inner}}}`: the source has no option `{name}`")
                    })?;
                    literal.push_str(value);
                    continue;
                }
                flush(&mut literal, &mut parts);
                parts.push(Part::Value(parse_placeholder(inner)?));
            }
            '}' => return Err("`}` without `{`; write `}}` for a brace".to_owned()),
            '[' if !inside => {
                flush(&mut literal, &mut parts);
                parts.push(Part::Optional(parse_parts(rest, options, true)?));
            }
            ']' if inside => {
                flush(&mut literal, &mut parts);
                return Ok(parts);
            }
            other => literal.push(other),
        }
    }
    if inside {
        return Err("`[` without `]`".to_owned());
    }
    flush(&mut literal, &mut parts);
    Ok(parts)
}

fn parse_placeholder(inner: &str) -> Result<Placeholder, String> {
    let mut words = inner.split('|');
    let name = words.next().unwrap_or_default();
    let (name, may_be_missing) = match name.strip_suffix('?') {
        Some(name) => (name, true),
        None => (name, false),
    };
    let words: Vec<&str> = words.collect();
    let may_contain_anything = words.contains(&"any");
    let filters = words.iter().filter(|word| **word != "any").map(|word| Filter::parse(word));
    Ok(Placeholder {
        source: Value::parse(name)?,
        may_be_missing,
        filters: filters.collect::<Result<_, _>>()?,
        may_contain_anything,
        around: [Vec::new(), Vec::new()],
    })
}

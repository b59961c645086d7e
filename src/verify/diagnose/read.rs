//! Reads a signature field leniently, as its sender may have meant it.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use bytes::Bytes;

use super::{HeaderFault, HeaderFormat};
use crate::verify::scheme::Encoding;
use crate::verify::scheme::diagnosis::{Candidate, Element, Holds, List, MAX_CANDIDATES, Written};
use crate::verify::{RequestHead, Scheme, intern};

/// The maximum length of a prefix.
const MAX_PREFIX: usize = 16;
/// The maximum number of lists that are read: a rotation needs two.
const MAX_LISTS: usize = 4;

/// What a signature field claims, read leniently: the signatures for one time.
#[derive(Debug, Default)]
pub(super) struct Claim<'s> {
    /// The timestamp, as written.
    pub(super) timestamp: Option<String>,
    pub(super) macs: Vec<Candidate>,
    /// The other values in the field.
    pub(super) elements: Vec<Element<'s>>,
    /// How the format differs from the expected one.
    pub(super) format: Option<HeaderFormat>,
}

/// A header problem that is independent of the expected content.
pub(super) fn fault(head: &RequestHead, name: &str) -> Option<HeaderFault> {
    let mut lines = head.headers.lines(name);
    let Some(value) = lines.next() else { return Some(HeaderFault::Missing) };
    if lines.any(|other| other != value) {
        return Some(HeaderFault::Repeated);
    }
    if !value.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return Some(HeaderFault::NotVisible);
    }
    value.is_empty().then_some(HeaderFault::Empty)
}

/// The claims of a scheme that signs a text; none for other schemes, and none if the field cannot be
/// read.
pub(super) fn read<'s>(scheme: &'s Scheme, head: &RequestHead, body: &Bytes) -> Vec<Claim<'s>> {
    let Some(written) = scheme.written() else { return Vec::new() };
    if scheme.is_too_long(head) {
        return vec![Claim { format: Some(HeaderFormat::TooLong), ..Claim::default() }];
    }
    let mut claims = Vec::new();
    for text in scheme.field_texts(head, body) {
        match written.list {
            Some(list) => {
                let lists = list.parts(&text).into_iter().take(MAX_LISTS);
                claims.extend(lists.map(|text| read_list(text, list, &written)));
            }
            None => claims.push(read_single(&text, &written)),
        }
    }
    if let Some(time) = scheme.written_time(head, body) {
        for claim in &mut claims {
            claim.timestamp = Some(time.clone());
        }
    }
    claims
}

/// The timestamp of a request, as written.
pub(super) fn timestamp(scheme: &Scheme, head: &RequestHead, body: &Bytes) -> Option<String> {
    scheme
        .written_time(head, body)
        .or_else(|| read(scheme, head, body).into_iter().find_map(|claim| claim.timestamp))
}

/// A field with one signature.
fn read_single<'s>(value: &str, written: &Written<'s>) -> Claim<'s> {
    let stripped = value.strip_prefix(written.prefix);
    let (mac, mut format) = decode_leniently(stripped.unwrap_or(value), written);
    if stripped.is_none() && !written.prefix_optional {
        let prefix = written.prefix;
        format = match format {
            None => Some(HeaderFormat::NoPrefix(prefix)),
            Some(HeaderFormat::Prefix { found, .. }) => {
                Some(HeaderFormat::Prefix { expected: Some(prefix), found })
            }
            other => other,
        };
    }
    Claim { macs: mac.into_iter().collect(), format, ..Claim::default() }
}

/// A field with a list.
fn read_list<'s>(text: &str, list: &'s List, written: &Written<'s>) -> Claim<'s> {
    let literal = |holds: &Holds| {
        let element = list.elements.iter().find(|element| element.holds == *holds);
        element.map(|element| intern(&element.literal))
    };
    let signature = literal(&Holds::Signature).unwrap_or_default();
    let time = literal(&Holds::Timestamp);
    let mut claim = Claim::default();
    let (mut times, mut seen, mut position) = (0, 0, 0);
    for item in list.items(text).take(4 * MAX_CANDIDATES) {
        let Some((holds, value)) = find(list, item, &mut position) else {
            if list.is_of_pairs && !item.contains('=') {
                claim.format = Some(HeaderFormat::NoElement(signature));
            } else if has_blanks(item) {
                claim.format = Some(HeaderFormat::Blanks);
            }
            continue;
        };
        if has_blanks(item) {
            claim.format = Some(HeaderFormat::Blanks);
        }
        match holds {
            Holds::Timestamp => {
                let value = value.trim_matches('"');
                times += u32::from(claim.timestamp.as_deref() != Some(value));
                claim.timestamp = Some(value.to_owned());
            }
            Holds::Signature if seen < MAX_CANDIDATES => {
                seen += 1;
                let value = value.strip_prefix(written.prefix).unwrap_or(value);
                let (mac, format) = decode_leniently(value, written);
                claim.macs.extend(mac);
                claim.format = claim.format.or(format);
            }
            Holds::Pair(name) => {
                let value = Cow::Owned(value.trim_matches('"').to_owned());
                claim.elements.push(Element { name, value });
            }
            Holds::Signature | Holds::Nothing => {}
        }
    }
    let wrong = match (times, seen, time) {
        (_, 0, _) => Some(HeaderFormat::NoElement(signature)),
        (0, _, Some(time)) => Some(HeaderFormat::NoElement(time)),
        (2.., _, Some(time)) => Some(HeaderFormat::Twice(time)),
        _ => None,
    };
    if wrong.is_some() {
        claim.format = wrong;
    }
    claim
}

/// The element that an item is meant to be, also with blanks around its name.
fn find<'s, 't>(
    list: &'s List,
    item: &'t str,
    position: &mut usize,
) -> Option<(&'s Holds, &'t str)> {
    let meant = list.elements.iter().find_map(|element| {
        // The name and the mark after it, such as `v1` and `=`.
        let mark = element.literal.chars().next_back().filter(|mark| !mark.is_alphanumeric())?;
        let name = element.literal.strip_suffix(mark)?;
        let (key, value) = item.split_once(mark)?;
        (key.trim() == name).then_some((&element.holds, value))
    });
    meant.or_else(|| list.find(item, position))
}

/// Whether there is a blank between a name and its `=`.
fn has_blanks(item: &str) -> bool {
    item.split_once('=').is_some_and(|(name, _)| name != name.trim())
}

/// Decodes a MAC in any format; also returns how that differs from the expected one.
fn decode_leniently(
    text: &str,
    written: &Written<'_>,
) -> (Option<Candidate>, Option<HeaderFormat>) {
    let Written { encoding, length, .. } = *written;
    let Some(length) = length else { return decode_of_any_length(text, encoding) };
    if let Some(mac) = Candidate::decode(text, encoding, Some(length)) {
        return (Some(mac), None);
    }
    let trimmed = text.trim_matches([' ', '"', '\'']);
    if trimmed.len() < text.len() {
        return (decode_leniently(trimmed, written).0, Some(HeaderFormat::Blanks));
    }
    // Before base64: hexadecimal digits are base64, too.
    if let Some(mac) = Candidate::decode(text, Encoding::Hex, Some(length)) {
        return (Some(mac), Some(HeaderFormat::Hex));
    }
    let (mut other_length, is_hex) = (None, encoding == Encoding::Hex);
    let encodings = [
        (&STANDARD, HeaderFormat::Base64),
        (&STANDARD_NO_PAD, HeaderFormat::Base64),
        (&URL_SAFE, HeaderFormat::Base64Url),
        (&URL_SAFE_NO_PAD, HeaderFormat::Base64Url),
    ];
    for (engine, format) in encodings {
        let Ok(bytes) = engine.decode(text) else { continue };
        if bytes.len() == length {
            let format = if is_hex { format } else { HeaderFormat::OtherBase64 };
            return (Some(Candidate::Long(bytes)), Some(format));
        }
        other_length = Some(bytes.len());
    }
    if let Some((prefix, rest)) = text.split_once('=')
        && is_prefix(prefix)
        && !rest.trim_matches('=').is_empty()
    {
        let found = format!("{prefix}=");
        return match decode_leniently(rest, written) {
            (Some(mac), None) => (Some(mac), Some(HeaderFormat::Prefix { expected: None, found })),
            (mac, format) => (mac, format),
        };
    }
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let format = match (is_digits, other_length) {
        (true, _) if is_hex && length == 32 => HeaderFormat::Digits(text.len()),
        (true, _) => HeaderFormat::Length { found: text.len() / 2, expected: length },
        // The lengths of other digests; anything shorter is hardly meant as one.
        (false, Some(found @ (20 | 32 | 48 | 64))) if !is_hex => {
            HeaderFormat::Length { found, expected: length }
        }
        _ => HeaderFormat::Unreadable,
    };
    (None, Some(format))
}

/// Decodes a signature whose length is not fixed. Hexadecimal digits would be base64, too.
fn decode_of_any_length(
    text: &str,
    encoding: Encoding,
) -> (Option<Candidate>, Option<HeaderFormat>) {
    let trimmed = text.trim_matches([' ', '"', '\'']);
    let blanks = (trimmed.len() < text.len()).then_some(HeaderFormat::Blanks);
    let decode = |encoding| Candidate::decode(trimmed, encoding, None);
    if encoding != Encoding::Hex
        && let Some(mac) = decode(Encoding::Hex)
    {
        return (Some(mac), Some(HeaderFormat::Hex));
    }
    if let Some(mac) = decode(encoding) {
        return (Some(mac), blanks);
    }
    let is_hex = encoding == Encoding::Hex;
    let others =
        [(Encoding::Base64, HeaderFormat::Base64), (Encoding::Base64Url, HeaderFormat::Base64Url)];
    let read = others.into_iter().find_map(|(other, format)| Some((decode(other)?, format)));
    match read {
        Some((mac, format)) => {
            (Some(mac), Some(if is_hex { format } else { HeaderFormat::OtherBase64 }))
        }
        None => (None, Some(HeaderFormat::Unreadable)),
    }
}

fn is_prefix(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=MAX_PREFIX).contains(&text.len()) && text.bytes().all(fits)
}

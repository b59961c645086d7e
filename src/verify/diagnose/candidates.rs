//! The candidate forms of a secret and of a body: each reverses one common mistake or change.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::json::{self, Style};
use super::recoded;
use super::{BodyForm, SecretForm};

/// Larger bodies are not rewritten as other JSON, in bytes.
const MAX_REWRITTEN: usize = 128 * 1024;
/// A prefix that some senders put before a secret.
const PREFIX: &[u8] = b"whsec_";
const BOM: &[u8] = "\u{feff}".as_bytes();

/// The forms in which a sender may use the secret by mistake.
pub(super) fn of_secret(secret: &[u8]) -> Vec<(SecretForm, Zeroizing<Vec<u8>>)> {
    let around = |before: &[u8], after: &[u8]| Zeroizing::new([before, secret, after].concat());
    let without_prefix = secret.strip_prefix(PREFIX);
    let mut forms = vec![
        (SecretForm::Newline, around(b"", b"\n")),
        (SecretForm::Newline, around(b"", b"\r\n")),
        (SecretForm::Blanks, around(b" ", b"")),
        (SecretForm::Blanks, around(b"", b" ")),
        (SecretForm::Quoted, around(b"\"", b"\"")),
    ];
    match without_prefix {
        Some(without_prefix) => {
            forms.push((SecretForm::WithoutPrefix, Zeroizing::new(without_prefix.to_vec())));
        }
        None => forms.push((SecretForm::WithPrefix, around(PREFIX, b""))),
    }
    let text = without_prefix.unwrap_or(secret);
    let decoded = STANDARD.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(text));
    forms.extend(decoded.ok().map(|key| (SecretForm::Base64Decoded, Zeroizing::new(key))));
    forms.extend(hex::decode(text).ok().map(|key| (SecretForm::HexDecoded, Zeroizing::new(key))));
    forms
}

/// The possible signed bodies, the most likely first.
pub(super) fn of_body(body: &[u8]) -> impl Iterator<Item = (BodyForm, Cow<'_, [u8]>)> {
    let recoded = (body.len() <= MAX_REWRITTEN).then(|| recoded::forms(body));
    let recoded = recoded.into_iter().flatten().map(|(form, body)| (form, Cow::Owned(body)));
    edges(body).into_iter().chain(recoded).chain(rewritten(body))
}

/// Forms that differ in white space.
fn edges(body: &[u8]) -> Vec<(BodyForm, Cow<'_, [u8]>)> {
    let after = |end: &[u8]| Cow::Owned([body, end].concat());
    let mut forms = vec![
        (BodyForm::LostNewline, after(b"\n")),
        (BodyForm::LostNewline, after(b"\r\n")),
        (BodyForm::LostBom, Cow::Owned([BOM, body].concat())),
        (BodyForm::Unsigned, Cow::Borrowed(&b""[..])),
    ];
    let trimmed = [body.trim_ascii_end(), body.trim_ascii_start(), body.trim_ascii()];
    let shorter = trimmed.into_iter().filter(|trimmed| trimmed.len() < body.len());
    forms.extend(shorter.map(|trimmed| (BodyForm::GainedBlanks, Cow::Borrowed(trimmed))));
    let without = body.strip_prefix(BOM);
    forms.extend(without.map(|rest| (BodyForm::GainedBom, Cow::Borrowed(rest))));
    if body.contains(&b'\n') {
        let unix = replaced(body, b"\r\n", b"\n");
        let windows = replaced(&unix, b"\n", b"\r\n");
        forms.push((BodyForm::LineEnds, Cow::Owned(unix)));
        forms.push((BodyForm::LineEnds, Cow::Owned(windows)));
    }
    forms
}

/// Forms that are the same JSON.
fn rewritten(body: &[u8]) -> impl Iterator<Item = (BodyForm, Cow<'_, [u8]>)> {
    let text = (body.len() <= MAX_REWRITTEN).then(|| std::str::from_utf8(body).ok()).flatten();
    let text = text.map(|text| text.strip_prefix('\u{feff}').unwrap_or(text));
    let quoted = text.and_then(|text| serde_json::from_str::<String>(text).ok());
    let quoted = quoted.map(|inner| (BodyForm::EncodedTwice, Cow::Owned(inner.into_bytes())));
    let node = text.and_then(json::parse);
    let styles = node.into_iter().flat_map(|node| {
        Style::all().map(move |style| {
            let text = json::write(&node, style).into_bytes();
            (BodyForm::Rewritten(style), Cow::Owned(text))
        })
    });
    quoted.into_iter().chain(styles)
}

fn replaced(body: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut result = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(first) = rest.first() {
        if let Some(after) = rest.strip_prefix(from) {
            result.extend_from_slice(to);
            rest = after;
        } else {
            result.push(*first);
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    result
}

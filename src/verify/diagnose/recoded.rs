//! Reverses encodings that were applied to a body on the way.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use unicode_normalization::UnicodeNormalization;
use url::form_urlencoded;

use super::BodyForm;

/// The characters of bytes 0x80 to 0x9f in Windows-1252, where it differs from Latin-1.
const WINDOWS: [(char, u8); 27] = [
    ('€', 0x80),
    ('‚', 0x82),
    ('ƒ', 0x83),
    ('„', 0x84),
    ('…', 0x85),
    ('†', 0x86),
    ('‡', 0x87),
    ('ˆ', 0x88),
    ('‰', 0x89),
    ('Š', 0x8a),
    ('‹', 0x8b),
    ('Œ', 0x8c),
    ('Ž', 0x8e),
    ('\u{2018}', 0x91),
    ('\u{2019}', 0x92),
    ('\u{201c}', 0x93),
    ('\u{201d}', 0x94),
    ('•', 0x95),
    ('–', 0x96),
    ('—', 0x97),
    ('\u{2dc}', 0x98),
    ('™', 0x99),
    ('š', 0x9a),
    ('›', 0x9b),
    ('œ', 0x9c),
    ('ž', 0x9e),
    ('Ÿ', 0x9f),
];

/// The possible bodies before encoding, the most likely first.
pub(super) fn forms(body: &[u8]) -> Vec<(BodyForm, Vec<u8>)> {
    let mut forms = Vec::new();
    forms.extend(of_base64(body).map(|decoded| (BodyForm::Base64, decoded)));
    forms.extend(of_form(body).into_iter().map(|decoded| (BodyForm::FormEncoded, decoded)));
    let Ok(text) = std::str::from_utf8(body) else {
        forms.push((BodyForm::OneByteCharset, widened(body, false)));
        forms.push((BodyForm::OneByteCharset, widened(body, true)));
        return forms;
    };
    forms.extend(narrowed(text).map(|bytes| (BodyForm::Mojibake, bytes)));
    if !text.is_ascii() {
        let composed: String = text.nfc().collect();
        let decomposed: String = text.nfd().collect();
        let normalised = [composed, decomposed].into_iter().filter(|other| other != text);
        forms.extend(normalised.map(|text| (BodyForm::Normalised, text.into_bytes())));
    }
    forms
}

fn of_base64(body: &[u8]) -> Option<Vec<u8>> {
    let text = body.trim_ascii();
    let text = text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text);
    // MIME encoders break lines.
    let text: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let engines = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD];
    engines.into_iter().find_map(|engine| engine.decode(&text).ok())
}

/// The decoded body, and the value of its only field, such as `payload=`.
fn of_form(body: &[u8]) -> Vec<Vec<u8>> {
    if !body.contains(&b'%') && !body.contains(&b'+') && !body.contains(&b'=') {
        return Vec::new();
    }
    let decoded = |bytes: &[u8]| {
        let spaces: Vec<u8> =
            bytes.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
        percent_encoding::percent_decode(&spaces).collect::<Vec<u8>>()
    };
    let mut forms = vec![decoded(body)];
    let mut fields = form_urlencoded::parse(body);
    if let (Some((_, value)), None) = (fields.next(), fields.next()) {
        forms.push(value.into_owned().into_bytes());
    }
    forms.retain(|form| form != body);
    forms
}

/// Reverses UTF-8 that was decoded with a single-byte charset and encoded as UTF-8 again.
fn narrowed(text: &str) -> Option<Vec<u8>> {
    if text.is_ascii() {
        return None;
    }
    let byte = |character: char| {
        let windows = WINDOWS.iter().find(|(known, _)| *known == character);
        windows.map(|(_, byte)| *byte).or_else(|| u8::try_from(u32::from(character)).ok())
    };
    text.chars().map(byte).collect()
}

/// Reverses UTF-8 that was converted to a single-byte charset: Latin-1 or Windows-1252.
fn widened(body: &[u8], windows: bool) -> Vec<u8> {
    let character = |byte: &u8| {
        let known = WINDOWS.iter().find(|(_, known)| windows && known == byte);
        known.map_or(char::from(*byte), |(character, _)| *character)
    };
    body.iter().map(character).collect::<String>().into_bytes()
}

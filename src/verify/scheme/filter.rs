//! Changes to a value in a template, such as `{body|sha256|hex}`.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::missing::Missing;
use super::template::NoText;
use super::values::Values;

/// A change to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
    Sha1,
    Sha256,
    Hex,
    Base64,
    Base64Url,
    /// The CRC-32 as a decimal number.
    Crc32,
    Lower,
    /// As a JSON string.
    Json,
    /// `HubSpot`'s way to undo a few escapes of a URL.
    Hubspot,
    /// The MAC with the source's first secret; for the answer to a challenge only.
    Hmac,
}

impl Filter {
    pub(super) fn parse(name: &str) -> Result<Self, String> {
        Ok(match name {
            "sha1" => Self::Sha1,
            "sha256" => Self::Sha256,
            "hex" => Self::Hex,
            "base64" => Self::Base64,
            "base64url" => Self::Base64Url,
            "crc32" => Self::Crc32,
            "lower" => Self::Lower,
            "json" => Self::Json,
            "hubspot" => Self::Hubspot,
            "hmac" => Self::Hmac,
            _ => return Err(format!("`|{name}` is not a filter")),
        })
    }

    pub(super) fn apply(self, value: &[u8], values: &Values<'_>) -> Result<Vec<u8>, NoText> {
        Ok(match self {
            Self::Sha1 => Sha1::digest(value).to_vec(),
            Self::Sha256 => Sha256::digest(value).to_vec(),
            Self::Hex => hex::encode(value).into_bytes(),
            Self::Base64 => STANDARD.encode(value).into_bytes(),
            Self::Base64Url => URL_SAFE_NO_PAD.encode(value).into_bytes(),
            Self::Crc32 => crc32fast::hash(value).to_string().into_bytes(),
            Self::Lower => value.to_ascii_lowercase(),
            Self::Json => {
                let text = std::str::from_utf8(value).map_err(|_| Missing("a text"))?;
                serde_json::to_vec(text).map_err(|_| Missing("a text"))?
            }
            Self::Hubspot => undo_escapes(value),
            Self::Hmac => values.mac(value).ok_or(Missing("a secret"))?,
        })
    }
}

/// `HubSpot` signs the URL with these escapes undone, whatever their case.
fn undo_escapes(url: &[u8]) -> Vec<u8> {
    const UNDONE: &[u8] = b":/?@!$'()*,;";
    let mut undone = Vec::with_capacity(url.len());
    let mut at = 0;
    while let Some(byte) = url.get(at) {
        let escaped = (*byte == b'%')
            .then(|| url.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| hex::decode(digits).ok()?.first().copied())
            .filter(|escaped| UNDONE.contains(escaped));
        undone.push(escaped.unwrap_or(*byte));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    undone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hubspot_undoes_only_some_escapes() {
        assert_eq!(undo_escapes(b"https%3a%2F%2Fa%20b%2f?q=%2"), b"https://a%20b/?q=%2");
    }
}

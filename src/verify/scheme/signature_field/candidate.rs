//! The bytes of a claimed signature, and how they are written.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::super::Encoding;

/// The maximum length of a signature, in bytes: RSA with 8192 bits.
const MAX_SIGNATURE: usize = 1024;

/// With or without padding; trailing bits must be zero.
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The bytes of a claimed signature. A MAC is kept without an allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::verify) enum Candidate {
    Short { bytes: [u8; 64], length: usize },
    Long(Vec<u8>),
}

impl Candidate {
    pub(in crate::verify) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Short { bytes, length } => bytes.get(..*length).unwrap_or_default(),
            Self::Long(bytes) => bytes,
        }
    }

    /// The bytes of a signature, if the text is exactly that. `length` is in bytes; a shorter
    /// signature would be a weaker claim, which must not be compared at all.
    pub(in crate::verify) fn decode(
        text: &str,
        encoding: Encoding,
        length: Option<usize>,
    ) -> Option<Self> {
        if let Some(length) = length {
            let mut bytes = [0; 64];
            let into = bytes.get_mut(..length)?;
            let decoded = match encoding {
                Encoding::Hex => hex::decode_to_slice(text, into).is_ok(),
                Encoding::Base64 => decode_exactly(&STANDARD, text, into),
                Encoding::Base64Url => decode_exactly(&URL_SAFE, text, into),
            };
            return decoded.then_some(Self::Short { bytes, length });
        }
        if text.len() > 2 * MAX_SIGNATURE {
            return None;
        }
        let bytes = match encoding {
            Encoding::Hex => hex::decode(text).ok()?,
            Encoding::Base64 => STANDARD.decode(text).ok()?,
            Encoding::Base64Url => URL_SAFE.decode(text).ok()?,
        };
        (!bytes.is_empty() && bytes.len() <= MAX_SIGNATURE).then_some(Self::Long(bytes))
    }
}

/// Decodes base64 of exactly this length.
fn decode_exactly(engine: &GeneralPurpose, text: &str, into: &mut [u8]) -> bool {
    // A little more room than needed: the engine wants whole groups.
    let mut room = [0; 72];
    let Ok(length) = engine.decode_slice(text, &mut room) else { return false };
    let decoded = room.get(..length).unwrap_or_default();
    if decoded.len() != into.len() {
        return false;
    }
    into.copy_from_slice(decoded);
    true
}

/// Writes bytes as text.
pub(in crate::verify) fn encode(bytes: &[u8], encoding: Encoding) -> String {
    match encoding {
        Encoding::Hex => hex::encode(bytes),
        Encoding::Base64 => STANDARD.encode(bytes),
        Encoding::Base64Url => URL_SAFE_NO_PAD.encode(bytes),
    }
}

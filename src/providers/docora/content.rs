//! The content of a file, encoded and decoded.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::verify::Quarantine;

/// Why content cannot be processed, with a sentence for the operator.
type Fault = (Quarantine, String);

/// The base64 characters decoded at a time if only the digest is needed: a multiple of four.
const STRIDE: usize = 16 * 1024;

/// Encoded content.
#[derive(Debug)]
pub(super) enum Encoded<'a> {
    /// Text: the sender decoded the file as UTF-8, with U+FFFD for invalid bytes.
    Text(Cow<'a, str>),
    /// Base64 of the file's bytes.
    Base64(Cow<'a, str>),
    /// One chunk of such base64.
    Slice(Slice<'a>),
    /// The file's bytes, joined from chunks and already checked.
    Whole(Bytes),
}

#[derive(Debug)]
pub(super) struct Slice<'a> {
    /// The sender's id of the transfer.
    pub(super) transfer_id: Cow<'a, str>,
    /// The index, from 0.
    pub(super) index: u32,
    /// The number of chunks.
    pub(super) total: u32,
    /// The payload's JSON without content and chunk number: the same for all chunks.
    pub(super) envelope: Bytes,
    /// The slice of the base64 text.
    pub(super) text: Cow<'a, str>,
}

/// Decoded content.
#[derive(Debug)]
pub(super) enum Content<'a> {
    /// Text, which may differ from the file; only the digest tells.
    Text(Cow<'a, str>),
    /// The exact bytes of the file.
    Bytes(Bytes),
}

impl Content<'_> {
    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

impl<'a> Encoded<'a> {
    /// Decodes content that [`check`] accepted or that was joined from chunks.
    ///
    /// # Errors
    /// A single chunk is not a whole file.
    pub(super) fn decode(self) -> Result<Content<'a>, Fault> {
        match self {
            Self::Text(text) => Ok(Content::Text(text)),
            Self::Whole(bytes) => Ok(Content::Bytes(bytes)),
            Self::Base64(text) => match STANDARD.decode(text.as_bytes()) {
                Ok(bytes) => Ok(Content::Bytes(bytes.into())),
                Err(error) => Err((Quarantine::Base64, error.to_string())),
            },
            Self::Slice(_) => Err((Quarantine::Schema, "a chunk is not a whole file".into())),
        }
    }
}

/// Checks that `text` is padded standard base64 of `size` bytes with the digest `sha`, without
/// storing the decoded bytes.
///
/// # Errors
/// [`Quarantine::Base64`], [`Quarantine::SizeMismatch`] or [`Quarantine::DigestMismatch`].
pub(super) fn check(text: &str, size: u64, sha: &[u8; 32]) -> Result<(), Fault> {
    let mut hash = Sha256::new();
    let mut decoded = 0;
    let mut buffer = [0; STRIDE / 4 * 3];
    let mut padded = false;
    for stride in text.as_bytes().chunks(STRIDE) {
        let bytes = STANDARD
            .decode_slice(stride, &mut buffer)
            .map_err(|error| (Quarantine::Base64, error.to_string()))?;
        // Each stride is decoded on its own, so padding must be checked across strides.
        if padded {
            return Err((Quarantine::Base64, "padding before the end".into()));
        }
        padded = bytes < buffer.len();
        hash.update(buffer.get(..bytes).unwrap_or_default());
        decoded += bytes as u64;
    }
    if decoded != size {
        let detail = format!("the content is {decoded} bytes long, `file.size` is {size}");
        return Err((Quarantine::SizeMismatch, detail));
    }
    if <[u8; 32]>::from(hash.finalize()) != *sha {
        return Err((Quarantine::DigestMismatch, "the content does not have `file.sha`".into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str, size: u64, sha: &[u8; 32]) -> Option<Quarantine> {
        check(text, size, sha).err().map(|(reason, _)| reason)
    }

    #[test]
    fn content_of_any_length_around_a_stride_is_valid() {
        let stride = STRIDE / 4 * 3;
        for size in [0, 1, 2, 3, stride - 1, stride, stride + 1, 3 * stride, 3 * stride + 2] {
            let bytes: Vec<u8> = (0..=250).cycle().take(size).collect();
            let text = STANDARD.encode(&bytes);
            let sha = Sha256::digest(&bytes).into();
            assert_eq!(reason(&text, size as u64, &sha), None, "{size}");
            assert_eq!(reason(&text, size as u64 + 1, &sha), Some(Quarantine::SizeMismatch));
            assert_eq!(reason(&text, size as u64, &[7; 32]), Some(Quarantine::DigestMismatch));
        }
    }

    #[test]
    fn only_padded_standard_base64_is_valid() {
        let sha = Sha256::digest([0xfb, 0xff]).into();
        assert_eq!(reason("+/8=", 2, &sha), None);
        for bad in ["+/8", "-_8=", "+/8=\n", " +/8=", "+/9=", "+/8==", "+/8=AAAA", "é"] {
            assert_eq!(reason(bad, 2, &sha), Some(Quarantine::Base64), "{bad:?}");
        }
        let middle = format!("{}AA=={}", "A".repeat(STRIDE - 4), "AAAA");
        assert_eq!(reason(&middle, 1, &sha), Some(Quarantine::Base64));
    }
}

//! Payloads that are split over several requests, each signed on its own.
//!
//! Every chunk repeats the whole [`Manifest`]; the first one to arrive freezes it. A chunk is
//! checked on its own here. That chunks agree with each other, and that the result has the promised
//! size and digest, is checked in the store, where they are joined.

use bytes::Bytes;
use serde_json::Value;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::{Lane, Quarantine};

/// The data that all chunks of a transfer repeat.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The sender's id of the transfer; each attempt has a new one.
    pub transfer_id: String,
    /// The subject as parts: repository and path. A new transfer of the same subject replaces an
    /// older incomplete one.
    pub subject: Vec<String>,
    /// The event type of the complete payload.
    pub event_type: &'static str,
    /// The number of chunks.
    pub total: u32,
    /// The decoded size of the complete content, in bytes.
    pub size: u64,
    /// The SHA-256 of the complete decoded content.
    pub sha256: [u8; 32],
    pub sent_at: OffsetDateTime,
    /// The payload's JSON without content and chunk number: identical in every chunk.
    pub envelope: Bytes,
}

/// One piece of a transfer. Its content is a slice of one long base64 text.
#[derive(Debug, Clone)]
pub struct Chunk {
    pub manifest: Manifest,
    /// The index, from 0.
    pub index: u32,
    /// The slice of the base64 text.
    pub content: Bytes,
}

/// The limits of one transfer.
#[derive(Debug, Clone, Copy)]
pub struct TransferLimits {
    /// The maximum number of chunks.
    pub chunks: u32,
    /// The maximum decoded size, in bytes.
    pub bytes: u64,
}

/// Updates size and digest in an envelope for edited content. `None` if it is not an envelope of a
/// chunked file.
pub fn enveloped(envelope: &[u8], whole: &[u8]) -> Option<Vec<u8>> {
    let mut json: Value = serde_json::from_slice(envelope).ok()?;
    let file = json.get_mut("file")?.as_object_mut()?;
    let (size, sha) = (file.get("size")?.is_u64(), file.get("sha")?.is_string());
    if !(size && sha) {
        return None;
    }
    file.insert("size".to_owned(), (whole.len() as u64).into());
    file.insert("sha".to_owned(), hex::encode(Sha256::digest(whole)).into());
    serde_json::to_vec(&json).ok()
}

impl Manifest {
    pub fn lane(&self) -> Lane {
        let parts: Vec<&str> = self.subject.iter().map(String::as_str).collect();
        Lane::of(&parts)
    }

    /// A digest of everything that the first chunk freezes. The event type is excluded: it comes
    /// from the path, which is unsigned, so a chunk sent to another path must not shut out the
    /// others.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.total.to_be_bytes());
        hash.update(&self.envelope);
        hash.finalize().into()
    }

    /// The length of the whole base64 text, including padding.
    pub fn encoded_len(&self) -> u64 {
        self.size.div_ceil(3).saturating_mul(4)
    }
}

impl Chunk {
    /// Checks the chunk on its own: number, total, declared size, and that its content can be a
    /// slice of base64 at its index.
    ///
    /// # Errors
    /// The [`Quarantine`] reason and a sentence for the operator.
    pub fn check(&self, limits: TransferLimits) -> Result<(), (Quarantine, String)> {
        let Manifest { total, size, ref transfer_id, .. } = self.manifest;
        if uuid::Uuid::try_parse(transfer_id).is_err() || transfer_id.len() != 36 {
            return Err((Quarantine::ChunkId, "the transfer id is not a UUID".into()));
        }
        if total == 0 || self.index >= total {
            return Err((Quarantine::ChunkRange, format!("chunk {} of {total}", self.index)));
        }
        if total > limits.chunks || size > limits.bytes {
            let limit = format!("limit {} chunks and {} bytes", limits.chunks, limits.bytes);
            return Err((Quarantine::ChunkLimit, format!("{total} chunks, {size} bytes; {limit}")));
        }
        if self.content.len() as u64 > self.manifest.encoded_len() {
            return Err((
                Quarantine::SizeMismatch,
                "the slice is longer than the whole content".into(),
            ));
        }
        let last = self.index + 1 == total;
        if self.content.is_empty() || !is_base64_slice(&self.content, last) {
            let what = "the content is not a valid slice of standard base64 at this offset";
            return Err((Quarantine::Base64, what.into()));
        }
        Ok(())
    }

    /// A digest that distinguishes a duplicate of the chunk from a conflicting one.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.content).into()
    }
}

/// Whether `text` contains only the standard alphabet, with up to two `=` at the end of the last
/// slice. Checked here so that decoding the joined text cannot fail later.
fn is_base64_slice(text: &[u8], last: bool) -> bool {
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    let digits = text.get(..text.len() - padding).unwrap_or_default();
    padding <= if last { 2 } else { 0 }
        && digits.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: TransferLimits = TransferLimits { chunks: 8, bytes: 1024 };

    fn chunk(index: u32, total: u32, content: &'static str) -> Chunk {
        let manifest = Manifest {
            transfer_id: "550e8400-e29b-41d4-a716-446655440000".into(),
            subject: vec!["repo".into(), "a.png".into()],
            event_type: "create",
            total,
            size: 10,
            sha256: [0; 32],
            sent_at: OffsetDateTime::UNIX_EPOCH,
            envelope: Bytes::from_static(b"{}"),
        };
        Chunk { manifest, index, content: Bytes::from_static(content.as_bytes()) }
    }

    fn reason(chunk: &Chunk) -> Option<Quarantine> {
        chunk.check(LIMITS).err().map(|(reason, _)| reason)
    }

    #[test]
    fn valid_slice_passes_and_padding_is_allowed_only_at_the_end() {
        assert_eq!(reason(&chunk(0, 2, "ABkyS2R9")), None);
        assert_eq!(reason(&chunk(1, 2, "lq/I4Q==")), None);
        assert_eq!(reason(&chunk(0, 2, "lq/I4Q==")), Some(Quarantine::Base64));
        for bad in ["", "AB CD", "AB\nD", "A=BC", "AB-_", "A===", "ABé="] {
            assert_eq!(reason(&chunk(1, 2, bad)), Some(Quarantine::Base64), "{bad:?}");
        }
    }

    #[test]
    fn index_out_of_range_and_exceeded_limit_are_distinguished() {
        assert_eq!(reason(&chunk(2, 2, "ABCD")), Some(Quarantine::ChunkRange));
        assert_eq!(reason(&chunk(0, 0, "ABCD")), Some(Quarantine::ChunkRange));
        assert_eq!(reason(&chunk(0, 9, "ABCD")), Some(Quarantine::ChunkLimit));
        let mut large = chunk(0, 2, "ABCD");
        large.manifest.size = 1025;
        assert_eq!(reason(&large), Some(Quarantine::ChunkLimit));
    }

    #[test]
    fn transfer_id_must_be_a_uuid() {
        for bad in ["", "x", "../x", "550e8400e29b41d4a716446655440000", "a\0b"] {
            let mut chunk = chunk(0, 2, "ABCD");
            chunk.manifest.transfer_id = bad.into();
            assert_eq!(reason(&chunk), Some(Quarantine::ChunkId), "{bad:?}");
        }
    }
}

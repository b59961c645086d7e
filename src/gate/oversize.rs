//! Requests whose body is larger than their source keeps: proven while the body streams by.
//!
//! A sender that repeats what was refused, and sends nothing else before that is taken, would be
//! stopped for good by one body that is too large. So such a body is read to its end and thrown
//! away piece by piece. What stays is how large it was, its digest, and, where the sender signed
//! it, the [`Proof`] of that: enough to answer, and for an operator to know what is missing.
//!
//! An [`OversizeRequest`] has no body to be read, named or handled.

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use super::request::Provenance;
use super::{Examination, Gate, Proof, Refusal, RequestHead, Scheme, UnixSeconds};

/// A body that is read and not kept. Nothing about it is believed before [`StreamedBody::verify`].
pub struct StreamedBody {
    head: RequestHead,
    now: UnixSeconds,
    signed: Option<Running>,
    digest: Sha256,
    size: u64,
}

/// The MACs over what has come so far, one for each secret of the source.
pub(super) struct Running {
    pub(super) scheme: &'static Scheme,
    pub(super) macs: Vec<Hmac<Sha256>>,
}

/// A request that its sender made, without its body.
pub struct OversizeRequest {
    head: RequestHead,
    proof: Proof,
    digest: [u8; 32],
    size: u64,
}

impl StreamedBody {
    /// Begins with a request whose head was checked at `now`.
    ///
    /// # Errors
    /// The [`Refusal`] that the head deserves.
    pub fn begin(gate: &Gate, head: RequestHead, now: UnixSeconds) -> Result<Self, Refusal> {
        let signed = match gate.provider.signs_body(&head) {
            Some(scheme) => Some(Running { scheme, macs: scheme.begin(&head, &gate.keys)? }),
            None => None,
        };
        Ok(Self { head, now, signed, digest: Sha256::new(), size: 0 })
    }

    /// Takes the next piece of the body.
    pub fn update(&mut self, piece: &[u8]) {
        for mac in self.signed.iter_mut().flat_map(|signed| &mut signed.macs) {
            mac.update(piece);
        }
        self.digest.update(piece);
        self.size = self.size.saturating_add(piece.len() as u64);
    }

    /// Checks that the sender of this source made the request, and made it recently.
    ///
    /// # Errors
    /// A [`Refusal`] when it did not. A token that is past its time counts as stale: there is no
    /// body for who would still await it.
    pub fn verify(self, gate: &Gate) -> Result<OversizeRequest, Refusal> {
        let streamed = self.signed.as_ref();
        let examination = Examination::streamed(gate, &self.head, streamed, self.now);
        let proof = gate.provider.verify(&examination)?;
        if proof.late {
            return Err(Refusal::Stale { seconds: 0 });
        }
        Ok(OversizeRequest {
            head: self.head,
            proof,
            digest: self.digest.finalize().into(),
            size: self.size,
        })
    }
}

impl fmt::Debug for StreamedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamedBody").field("size_bytes", &self.size).finish_non_exhaustive()
    }
}

impl OversizeRequest {
    /// How many bytes its body had.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The SHA-256 of its body.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// What is kept of where it comes from.
    pub fn provenance(&self, kept: &[&'static str]) -> Provenance {
        Provenance::of(&self.head, &self.proof, kept)
    }
}

impl fmt::Debug for OversizeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OversizeRequest")
            .field("size_bytes", &self.size)
            .field("proof", &self.proof)
            .finish_non_exhaustive()
    }
}

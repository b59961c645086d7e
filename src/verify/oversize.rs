//! Requests whose body exceeds the source's limit: verified while the body streams by.
//!
//! Some senders repeat a rejected request and send nothing else until it is accepted, so one
//! oversized body would block them for good. Such a body is therefore read to its end and discarded
//! piece by piece. Its size, its digest and, if the sender signed it, the [`Proof`] remain: enough
//! to answer the sender and to tell the operator what is missing.
//!
//! An [`OversizeRequest`] has no body that could be read, classified or handled.

use std::fmt;

use sha2::{Digest, Sha256};

use super::provenance::Provenance;
use super::scheme::Running;
use super::{Proof, Refusal, RequestHead, UnixSeconds, Verifier, VerifyContext};

/// A body that is read but not kept. Nothing is trusted before [`StreamedBody::verify`].
pub struct StreamedBody {
    head: RequestHead,
    now: UnixSeconds,
    signed: Option<Running>,
    digest: Sha256,
    size: u64,
}

/// A verified request without its body.
pub struct OversizeRequest {
    head: RequestHead,
    proof: Proof,
    digest: [u8; 32],
    size: u64,
}

impl StreamedBody {
    /// Starts with a request whose head was checked at `now`.
    ///
    /// # Errors
    /// The [`Refusal`] of the head.
    pub fn begin(
        verifier: &Verifier,
        head: RequestHead,
        now: UnixSeconds,
    ) -> Result<Self, Refusal> {
        let signed = match verifier.provider.scheme(&head) {
            Some(scheme) => Running::begin(scheme, &head, &verifier.keys)?,
            None => None,
        };
        Ok(Self { head, now, signed, digest: Sha256::new(), size: 0 })
    }

    pub fn update(&mut self, piece: &[u8]) {
        if let Some(signed) = &mut self.signed {
            signed.update(piece);
        }
        self.digest.update(piece);
        self.size = self.size.saturating_add(piece.len() as u64);
    }

    /// Verifies that the sender of this source made the request recently.
    ///
    /// # Errors
    /// The [`Refusal`] that applies. An expired token counts as stale: without a body there is
    /// nothing that a run could still expect.
    pub fn verify(self, verifier: &Verifier) -> Result<OversizeRequest, Refusal> {
        let streamed = self.signed.as_ref();
        let context = VerifyContext::streamed(verifier, &self.head, streamed, self.now);
        let proof = verifier.provider.verify(&context)?;
        if let Some(seconds) = proof.late {
            return Err(Refusal::Stale { seconds });
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
    /// The size of the body, in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The SHA-256 of the body.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, LazyLock};

    use bytes::Bytes;

    use super::*;
    use crate::verify::{
        Classified, KeyRing, Provider, Quarantine, Scheme, Secret, VerifiedRequest, Window,
    };

    const TABLE: &str = r#"
        algorithm = "hmac-sha256"
        signed = "{timestamp}.{body}"
        signature = { header = "x-signature", format = "t={timestamp},v1={signature}" }
        timestamp = { from = "signature", tolerance = "5m" }
    "#;
    static SCHEME: LazyLock<Arc<Scheme>> = LazyLock::new(|| Scheme::built_in(TABLE).unwrap());
    static OTHER: LazyLock<Arc<Scheme>> = LazyLock::new(|| Scheme::built_in(TABLE).unwrap());
    const NOW: UnixSeconds = 1_700_000_000;

    /// A sender whose body is verified by `streams` while it arrives; `SCHEME` is always required.
    struct Sender {
        streams: Option<&'static Arc<Scheme>>,
    }

    impl Provider for Sender {
        fn name(&self) -> &'static str {
            "sender"
        }

        fn headers(&self) -> &'static [&'static str] {
            &["x-signature"]
        }

        fn precheck(&self, _: &RequestHead, _: Window, _: UnixSeconds) -> Result<(), Refusal> {
            Ok(())
        }

        fn verify(&self, request: &VerifyContext<'_>) -> Result<Proof, Refusal> {
            request.signed(&SCHEME)
        }

        fn scheme(&self, _: &RequestHead) -> Option<&Arc<Scheme>> {
            self.streams
        }

        fn classify(&self, _: &VerifiedRequest) -> Classified {
            Classified::Quarantined((Quarantine::Schema, String::new()).into())
        }
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text).unwrap()
    }

    fn verify(
        streams: Option<&'static Arc<Scheme>>,
        at: UnixSeconds,
        pieces: &[&[u8]],
    ) -> Result<OversizeRequest, Refusal> {
        let keys =
            KeyRing::new(vec![secret("the-first-secret-0123"), secret("the-second-secret-012")]);
        let window = Window { max_age: 300, max_future: 300 };
        let provider = Arc::new(Sender { streams });
        let verifier = Verifier { provider, keys: keys.unwrap(), published: None, window };
        let mac = secret("the-second-secret-012").sign(&[b"1700000000.", b"one two three"]);
        let mut head = RequestHead::default();
        let value = format!("t=1700000000,v1={}", hex::encode(mac));
        head.headers.push("x-signature", Bytes::from(value));
        let mut body = StreamedBody::begin(&verifier, head, at)?;
        for piece in pieces {
            body.update(piece);
        }
        body.verify(&verifier)
    }

    #[test]
    fn streamed_body_verifies_however_it_is_split() {
        for pieces in [
            &[&b"one two three"[..]][..],
            &[b"one ", b"", b"two ", b"three"],
            &[b"o", b"ne two thre", b"e"],
        ] {
            let request = verify(Some(&SCHEME), NOW, pieces).unwrap();
            assert_eq!(request.size(), 13);
            assert_eq!(request.digest(), <[u8; 32]>::from(Sha256::digest("one two three")));
            assert_eq!(request.provenance(&[]).skew, Some(0));
        }
    }

    #[test]
    fn changed_body_or_time_is_rejected() {
        for pieces in [&[&b"one two thre"[..]][..], &[b"one two three", b" "], &[]] {
            assert!(matches!(verify(Some(&SCHEME), NOW, pieces), Err(Refusal::Mismatch)));
        }
        let stale = verify(Some(&SCHEME), NOW + 301, &[b"one two three"]);
        assert!(matches!(stale, Err(Refusal::Stale { .. })));
    }

    #[test]
    fn macs_of_another_scheme_prove_nothing() {
        for streams in [None, Some(&*OTHER)] {
            assert!(matches!(verify(streams, NOW, &[b"one two three"]), Err(Refusal::Mismatch)));
        }
    }
}

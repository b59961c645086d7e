//! Verification of a body that is not kept: the MACs are computed while it streams by.

use std::sync::Arc;

use bytes::Bytes;

use super::template::Piece;
use super::{Algorithm, Mac, Scheme};
use crate::verify::key::Mark;
use crate::verify::{KeyRing, Proof, Refusal, RequestHead, UnixSeconds, Window};

/// The MACs over the bytes received so far, one per secret of the source.
pub(in crate::verify) struct Running {
    pub(in crate::verify) scheme: Arc<Scheme>,
    macs: Vec<(Mark, Mac)>,
}

impl Running {
    /// Starts with the part of the signed text that comes before the body; `None` if the scheme
    /// cannot be verified in this way.
    ///
    /// # Errors
    /// The [`Refusal`] of the head.
    pub(in crate::verify) fn begin(
        scheme: &Arc<Scheme>,
        head: &RequestHead,
        keys: &KeyRing,
    ) -> Result<Option<Self>, Refusal> {
        if !scheme.streams() {
            return Ok(None);
        }
        let mut macs = keys.begin(scheme.algorithm);
        scheme.with_text(head, |pieces, _, _| {
            for piece in pieces {
                match piece {
                    Piece::Bytes(bytes) => {
                        for (_, mac) in &mut macs {
                            mac.update(bytes);
                        }
                    }
                    Piece::StreamedBody => break,
                    Piece::Secret => {}
                }
            }
            Ok(())
        })?;
        Ok(Some(Self { scheme: Arc::clone(scheme), macs }))
    }

    pub(in crate::verify) fn update(&mut self, piece: &[u8]) {
        for (_, mac) in &mut self.macs {
            mac.update(piece);
        }
    }

    /// Proves that the sender signed the whole body.
    pub(in crate::verify) fn conclude(
        &self,
        head: &RequestHead,
        keys: &KeyRing,
        window: Window,
        now: UnixSeconds,
    ) -> Result<Proof, Refusal> {
        let scheme = &self.scheme;
        scheme.with_text(head, |pieces, candidates, signed_at| {
            let skew = signed_at.map(|at| window.check(at, now)).transpose()?;
            let mut macs = self.macs.clone();
            let after = pieces.iter().skip_while(|piece| !matches!(piece, Piece::StreamedBody));
            for piece in after {
                if let Piece::Bytes(bytes) = piece {
                    for (_, mac) in &mut macs {
                        mac.update(bytes);
                    }
                }
            }
            let mut proof = keys.conclude(macs, candidates, scheme.strength, &scheme.covered)?;
            proof.skew = skew;
            Ok(proof)
        })
    }
}

impl Scheme {
    /// Whether a body that is not kept can be verified.
    pub fn streams(&self) -> bool {
        let is_whole = !self.require.is_empty()
            || !self.absent.is_empty()
            || !self.when.is_empty()
            || self.disabled.is_some()
            || matches!(
                self.time.as_ref().map(|time| &time.place),
                Some(super::TimePlace::Json(_) | super::TimePlace::Form(_))
            );
        let is_hmac = matches!(
            self.algorithm,
            Algorithm::HmacSha1
                | Algorithm::HmacSha256
                | Algorithm::HmacSha384
                | Algorithm::HmacSha512
        );
        is_hmac
            && !is_whole
            && self.signed_list.is_none()
            && self.field.is_in_head()
            && self.body_hash.is_none()
            && self.texts.first().is_some_and(super::Template::streams)
    }

    /// Evaluates the first text of the first signature, without the body.
    fn with_text<T>(
        &self,
        head: &RequestHead,
        then: impl FnOnce(&[Piece<'_>], &[super::Candidate], Option<UnixSeconds>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let values = self.values(head, None::<&Bytes>);
        let fields = self.field.texts(&values)?;
        let first = fields.first().ok_or(Refusal::Missing(self.field.name()))?;
        let group = self.field.groups(first)?.into_iter().next();
        let group = group.ok_or(Refusal::Missing(self.field.name()))?;
        let timestamp = self.head_time(&values, &group)?;
        let signed_at = timestamp.as_ref().map(|(_, at)| *at);
        let of_group =
            self.values(head, None).with_elements(&group.elements, timestamp.map(|(text, _)| text));
        let text = self.texts.first().ok_or(Refusal::Mismatch)?.evaluate(&of_group)?;
        then(&text, &group.candidates, signed_at)
    }
}

//! What is stored about the origin of a verified request.

use bytes::Bytes;

use super::{Fingerprint, Proof, RequestHead, Strength};

/// The origin of a verified request, stored with its body.
#[derive(Debug, Clone)]
pub struct Provenance {
    pub action: Option<&'static str>,
    pub strength: Strength,
    pub secret: Fingerprint,
    /// `now − signed_at` in seconds, if the sender signs a time.
    pub skew: Option<i64>,
    /// Whether it was accepted although its token had expired.
    pub late: bool,
    /// The decoded claims of its verified token.
    pub claims: Option<Bytes>,
    /// The headers to store, as text.
    pub headers: Vec<(&'static str, String)>,
}

impl Provenance {
    pub(super) fn of(head: &RequestHead, proof: &Proof, kept: &[&'static str]) -> Self {
        let headers = head.headers.iter().filter(|(name, _)| kept.contains(name));
        let text = |value: &Bytes| String::from_utf8_lossy(value).into_owned();
        Self {
            action: head.action,
            strength: proof.strength,
            secret: proof.secret,
            skew: proof.skew,
            late: proof.late.is_some(),
            claims: proof.claims.clone(),
            headers: headers
                .map(|(name, value)| (name, text(value)))
                .chain(head.sender_info.iter().map(|(name, value)| (name, value.to_owned())))
                .collect(),
        }
    }
}

//! The digests of a deduplication key.

use crate::store::KeyDigest;
use crate::verify::{EventKey, Quarantine};

/// The digests that events of a source with this key may have: the sender's own id, or the SHA-256
/// of the body in hexadecimal.
pub(in crate::admin) fn digests(tenant: &str, source: &str, key: &str) -> Vec<KeyDigest> {
    let of = |key: &EventKey| KeyDigest::of(tenant, source, key);
    let mut digests = vec![of(&EventKey::Signed(key.as_bytes().to_vec()))];
    let mut digest = [0; 32];
    if hex::decode_to_slice(key, &mut digest).is_ok() {
        digests.push(of(&EventKey::BodyDigest(digest)));
        digests.push(of(&EventKey::Signed(digest.to_vec())));
        let reasons = Quarantine::ALL.into_iter();
        digests.extend(
            reasons.map(|reason| KeyDigest::of_quarantined(tenant, source, reason, &digest)),
        );
    }
    digests
}

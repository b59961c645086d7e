//! The certificate chain in the head of a token, which must lead to a root that the scheme names.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::DecodingKey;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::X5cDefinition;
use crate::verify::UnixSeconds;

/// The number of certificates in a chain: leaf, intermediate, root.
const CHAIN: usize = 3;

/// The key of the leaf, if the chain leads to the root.
pub(super) fn leaf_key(
    token: &str,
    definition: &X5cDefinition,
    now: UnixSeconds,
) -> Option<DecodingKey> {
    let encoded = jsonwebtoken::decode_header(token).ok()?.x5c?;
    if encoded.len() != CHAIN {
        return None;
    }
    let ders: Vec<Vec<u8>> =
        encoded.iter().map(|text| STANDARD.decode(text).ok()).collect::<Option<_>>()?;
    let fingerprint = hex::encode(Sha256::digest(ders.last()?));
    let pinned = definition.root_sha256.to_ascii_lowercase();
    if !bool::from(fingerprint.as_bytes().ct_eq(pinned.as_bytes())) {
        return None;
    }
    let chain: Vec<X509Certificate<'_>> = ders
        .iter()
        .map(|der| X509Certificate::from_der(der).ok().map(|(_, certificate)| certificate))
        .collect::<Option<_>>()?;
    let is_valid = |certificate: &X509Certificate<'_>| {
        let validity = certificate.validity();
        (validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&now)
    };
    if !chain.iter().all(is_valid) {
        return None;
    }
    for pair in chain.windows(2) {
        let [certificate, issuer] = pair else { return None };
        let is_authority = issuer
            .basic_constraints()
            .ok()
            .flatten()
            .is_some_and(|constraints| constraints.value.ca);
        if !is_authority
            || certificate.issuer() != issuer.subject()
            || certificate.verify_signature(Some(issuer.public_key())).is_err()
        {
            return None;
        }
    }
    for (certificate, oid) in chain.iter().zip(&definition.oids) {
        let has = certificate.extensions().iter().any(|ext| ext.oid.to_id_string() == *oid);
        if !has {
            return None;
        }
    }
    let leaf = chain.first()?;
    let point = leaf.public_key().subject_public_key.data.as_ref();
    Some(DecodingKey::from_ec_der(point))
}

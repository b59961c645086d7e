//! A sign-in in progress: the secrets that bind its two halves together.
//!
//! The browser's cookie contains 32 random bytes. State, nonce and PKCE verifier are each a SHA-256
//! over a label and these bytes: none of them reveals another, and the database, which stores the
//! digest of the state, reveals none.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::admin::access::token::{is_token, random};
use crate::store::TokenDigest;

/// The content of the cookie.
pub(super) struct Flow {
    token: Zeroizing<String>,
}

impl Flow {
    pub(super) fn begin() -> Self {
        Self { token: random() }
    }

    /// Parses a cookie; `None` if it is malformed.
    pub(super) fn read(shown: &str) -> Option<Self> {
        is_token(shown).then(|| Self { token: Zeroizing::new(shown.to_owned()) })
    }

    /// The value of the cookie.
    pub(super) fn token(&self) -> Zeroizing<String> {
        self.token.clone()
    }

    /// The `state` parameter, which the issuer returns.
    pub(super) fn state(&self) -> String {
        self.derive("state")
    }

    /// The key of the stored flow.
    pub(super) fn digest(&self) -> TokenDigest {
        TokenDigest::of(self.state().as_bytes())
    }

    /// Whether this is the flow's state, compared in constant time.
    pub(super) fn has_state(&self, state: &str) -> bool {
        self.state().as_bytes().ct_eq(state.as_bytes()).into()
    }

    /// The nonce, which the ID token must contain.
    pub(super) fn nonce(&self) -> String {
        self.derive("nonce")
    }

    pub(super) fn verifier(&self) -> Zeroizing<String> {
        Zeroizing::new(self.derive("verifier"))
    }

    fn derive(&self, what: &str) -> String {
        let label = format!("sealpost oidc {what} v1 ");
        let digest = Sha256::new().chain_update(label).chain_update(self.token.as_bytes());
        URL_SAFE_NO_PAD.encode(digest.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_values_are_unique_and_reveal_nothing_about_each_other() {
        let flow = Flow::begin();
        let parts =
            [flow.token.to_string(), flow.state(), flow.nonce(), flow.verifier().to_string()];
        for (place, part) in parts.iter().enumerate() {
            assert_eq!(part.len(), 43, "a PKCE verifier has at least 43 characters");
            assert!(!parts.iter().skip(place + 1).any(|other| other == part), "{parts:?}");
        }
        let again = Flow::read(&flow.token).unwrap();
        assert!(again.has_state(&flow.state()) && !again.has_state(&Flow::begin().state()));
        assert_eq!(*again.verifier(), *flow.verifier());
        assert!(Flow::read("").is_none() && Flow::read(&format!("{}=", *flow.token)).is_none());
    }
}

//! What a browser has to keep while it is at the issuer, and what is made of it.
//!
//! The browser's cookie holds 32 random bytes. State, nonce and PKCE verifier are each a SHA-256
//! over a label and these: whoever has one of them has no other, and the database, which knows the
//! digest of the state, has none.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::admin::access::sessions::{is_token, random};
use crate::store::TokenDigest;

/// What the cookie of a sign-in holds.
pub(super) struct Flow {
    token: Zeroizing<String>,
}

impl Flow {
    /// A new one.
    pub(super) fn begin() -> Self {
        Self { token: random() }
    }

    /// Reads what a cookie holds; `None` where it is of another shape.
    pub(super) fn read(shown: &str) -> Option<Self> {
        is_token(shown).then(|| Self { token: Zeroizing::new(shown.to_owned()) })
    }

    /// What the cookie is to hold.
    pub(super) fn token(&self) -> Zeroizing<String> {
        self.token.clone()
    }

    /// What the issuer sends back with the browser.
    pub(super) fn state(&self) -> String {
        self.derive("state")
    }

    /// By what the sign-in is kept.
    pub(super) fn digest(&self) -> TokenDigest {
        TokenDigest::of(self.state().as_bytes())
    }

    /// Whether this is its state, compared in constant time.
    pub(super) fn has_state(&self, state: &str) -> bool {
        self.state().as_bytes().ct_eq(state.as_bytes()).into()
    }

    /// What the ID token has to repeat.
    pub(super) fn nonce(&self) -> String {
        self.derive("nonce")
    }

    /// What only whoever began it can show the issuer with the code.
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
    fn what_is_made_of_a_token_is_its_own_and_tells_nothing_of_the_rest() {
        let flow = Flow::begin();
        let parts =
            [flow.token.to_string(), flow.state(), flow.nonce(), flow.verifier().to_string()];
        for (place, part) in parts.iter().enumerate() {
            assert_eq!(part.len(), 43, "a PKCE verifier has 43 characters at least");
            assert!(!parts.iter().skip(place + 1).any(|other| other == part), "{parts:?}");
        }
        let again = Flow::read(&flow.token).unwrap();
        assert!(again.has_state(&flow.state()) && !again.has_state(&Flow::begin().state()));
        assert_eq!(*again.verifier(), *flow.verifier());
        assert!(Flow::read("").is_none() && Flow::read(&format!("{}=", *flow.token)).is_none());
    }
}

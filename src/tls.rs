//! TLS for every client of ours: rustls with the *ring* provider.
//!
//! ring is the only provider in the build ([ADR 29](../docs/adr/0029-a-build-of-a-few-minutes.md)),
//! and reqwest has to be told so before it makes a client.

use rustls::crypto::{CryptoProvider, ring};

/// Begins a client for HTTP over TLS. Use it instead of `reqwest::Client::builder`.
pub fn client() -> reqwest::ClientBuilder {
    if CryptoProvider::get_default().is_none() {
        // An error says that another thread has just done the same.
        ring::default_provider().install_default().ok();
    }
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    reqwest::Client::builder()
}

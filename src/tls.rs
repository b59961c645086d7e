//! TLS for all clients: rustls with the *ring* provider.
//!
//! ring is the only provider in the build ([ADR 29](../docs/adr/0029-a-build-of-a-few-minutes.md)),
//! and has to be installed before reqwest creates a client.

use rustls::crypto::{CryptoProvider, ring};

/// A builder for HTTP clients. Use it instead of `reqwest::Client::builder`.
pub fn client() -> reqwest::ClientBuilder {
    if CryptoProvider::get_default().is_none() {
        // An error means that another thread has just installed it.
        ring::default_provider().install_default().ok();
    }
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    reqwest::Client::builder()
}

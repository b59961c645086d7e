//! The keys that senders publish: fetched elsewhere, used here.

use std::sync::Arc;

use url::Url;

/// The keys that senders publish, as far as they have been fetched.
pub trait KeyCache: Send + Sync + 'static {
    /// The content of this URL: a key set or a certificate.
    fn get(&self, url: &Url) -> Option<Arc<str>>;
}

/// A key that a request needs and that has to be fetched first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRequest {
    pub url: Url,
    /// Whether something is cached that lacks the key.
    pub is_outdated: bool,
}

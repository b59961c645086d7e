//! Equal processing time for requests that are rejected by their head.

use actix_web::HttpRequest;
use url::form_urlencoded;

use crate::verify::Secret;

/// A request that is rejected by its head is processed like others up to the response: its body is
/// read and a MAC is computed over it.
pub struct Decoy {
    pub secret: Secret,
    /// All signature headers of all sources.
    pub headers: Vec<&'static str>,
    /// All query parameters that carry a proof for some source.
    pub parameters: Vec<String>,
}

impl Decoy {
    /// Whether the request has a signature header or parameter of any source.
    pub(super) fn is_signed(&self, request: &HttpRequest) -> bool {
        let query = request.uri().query().unwrap_or_default();
        let named = |name: &str| self.parameters.iter().any(|known| known == name);
        self.headers.iter().any(|name| request.headers().contains_key(*name))
            || form_urlencoded::parse(query.as_bytes()).any(|(name, _)| named(&name))
    }

    /// The same, limited to headers that only webhook senders use; browsers send others too.
    pub(super) fn looks_sent_by_a_sender(&self, request: &HttpRequest) -> bool {
        let mut headers = self.headers.iter();
        headers.any(|name| {
            (name.contains("sign") || name.contains("secret"))
                && request.headers().contains_key(*name)
        })
    }
}

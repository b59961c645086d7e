//! What requests are put through that their heads alone have refused.

use actix_web::HttpRequest;
use url::form_urlencoded;

use crate::verify::Secret;

/// A request that is refused for its head is treated as others are, up to the answer: its body is
/// read, and a MAC is run over it.
pub struct Decoy {
    /// A secret that nobody has.
    pub secret: Secret,
    /// Every header that any source's signature stands in.
    pub headers: Vec<&'static str>,
    /// Every parameter of the query that some source's proof stands in.
    pub parameters: Vec<String>,
}

impl Decoy {
    /// Whether the request carries a header, or a parameter, that some source reads.
    pub(super) fn is_signed(&self, request: &HttpRequest) -> bool {
        let query = request.uri().query().unwrap_or_default();
        let named = |name: &str| self.parameters.iter().any(|known| known == name);
        self.headers.iter().any(|name| request.headers().contains_key(*name))
            || form_urlencoded::parse(query.as_bytes()).any(|(name, _)| named(&name))
    }

    /// The same of headers that only senders of webhooks send: browsers have others, too.
    pub(super) fn looks_sent_by_a_sender(&self, request: &HttpRequest) -> bool {
        let mut headers = self.headers.iter();
        headers.any(|name| {
            (name.contains("sign") || name.contains("secret"))
                && request.headers().contains_key(*name)
        })
    }
}

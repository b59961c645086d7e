//! The keys that senders publish: where they are, and which hosts may have them.

use std::collections::BTreeMap;

use bytes::Bytes;
use url::Url;

use super::public_key::PublicKey;
use super::template::Template;
use super::{FetchDefinition, FetchFormat, KeyEncoding, Material, Scheme, Values, wildcard};
use crate::verify::{KeyCache, Refusal, RequestHead};

/// Where the sender publishes its keys.
#[derive(Debug)]
pub(super) struct Fetch {
    pub(super) url: Template,
    hosts: Vec<String>,
    path: Option<String>,
    format: FetchFormat,
}

impl Scheme {
    /// The URL of the key that this request needs, if the sender publishes its keys.
    ///
    /// # Errors
    /// A [`Refusal`] if the request names a URL that the sender does not have.
    pub(in crate::verify) fn key_url(
        &self,
        head: &RequestHead,
        body: &Bytes,
    ) -> Result<Option<Url>, Refusal> {
        match &self.fetch {
            Some(fetch) => fetch.url(&self.values(head, Some(body))).map(Some),
            None => Ok(None),
        }
    }

    /// The URL of the sender's keys, if it is the same for every request.
    pub fn fixed_key_url(&self) -> Option<Url> {
        let fetch = self.fetch.as_ref().filter(|fetch| fetch.hosts.is_empty())?;
        fetch.url(&self.values(&RequestHead::default(), None)).ok()
    }

    /// The published keys of a sender that signs a text, and where they are.
    pub(super) fn published_keys(
        &self,
        values: &Values<'_>,
        cache: Option<&dyn KeyCache>,
    ) -> Result<Option<(Vec<Material>, String)>, Refusal> {
        let Some(fetch) = &self.fetch else { return Ok(None) };
        let url = fetch.url(values)?;
        let text = cache.and_then(|cache| cache.get(&url)).ok_or(Refusal::Mismatch)?;
        let keys = match fetch.format {
            FetchFormat::Certificate => {
                PublicKey::parse(&text, self.algorithm, KeyEncoding::Certificate)
                    .into_iter()
                    .collect()
            }
            FetchFormat::Jwks => PublicKey::of_set(&text, self.algorithm),
        };
        let keys = keys.into_iter().map(Material::Public).collect();
        Ok(Some((keys, url.to_string())))
    }
}

impl Fetch {
    pub(super) fn compile(
        definition: &FetchDefinition,
        options: &BTreeMap<String, String>,
    ) -> Result<Self, String> {
        let url = Template::parse(&definition.url, options)
            .map_err(|error| format!("key.fetch.url: {error}"))?;
        if url.placeholders().is_empty() != definition.hosts.is_empty() {
            return Err(
                "key.fetch.hosts: needed exactly if the URL comes from the request".to_owned()
            );
        }
        if definition.hosts.is_empty() != definition.path.is_none() {
            return Err("key.fetch.path: needed together with hosts".to_owned());
        }
        Ok(Self {
            url,
            hosts: definition.hosts.clone(),
            path: definition.path.clone(),
            format: definition.format,
        })
    }

    /// The URL for a request; an `https` URL of an allowed host.
    pub(super) fn url(&self, values: &Values<'_>) -> Result<Url, Refusal> {
        let text = self.url.render(values)?;
        let malformed = || Refusal::NotAllowed("the URL of the key");
        let text = String::from_utf8(text).map_err(|_| malformed())?;
        let url = Url::parse(&text).map_err(|_| malformed())?;
        let is_right = |path: &String| matches_pattern(url.path(), path);
        let is_plain = url.query().is_none() && url.fragment().is_none();
        if self.hosts.is_empty()
            || (is_plain
                && is_allowed(&url, &self.hosts)
                && self.path.as_ref().is_some_and(is_right))
        {
            return Ok(url);
        }
        Err(malformed())
    }
}

/// Whether a URL from a request is an `https` URL of one of these hosts.
pub(super) fn is_allowed(url: &Url, hosts: &[String]) -> bool {
    let host = url.host_str().unwrap_or_default();
    url.scheme() == "https"
        && url.port().is_none()
        && url.username().is_empty()
        && url.password().is_none()
        && hosts.iter().any(|pattern| matches_pattern(host, pattern))
}

/// Compares a host or a path with a pattern in which `*` stands for letters, digits, `-` and `_`.
fn matches_pattern(text: &str, pattern: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    wildcard::strip(text.as_bytes(), pattern, is_word).is_some_and(<[u8]>::is_empty)
}

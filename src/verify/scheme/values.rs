//! The values of a request that a template names.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};
use url::{Url, form_urlencoded};

use super::missing::Missing;
use super::value::Value;
use super::{Element, json_member, multipart, php};
use crate::verify::RequestHead;

/// The maximum number of fields of a form: each takes far more memory than it has bytes.
const MAX_FIELDS: usize = 4096;

/// Makes a MAC of a message with the first secret of a source.
type MakeMac<'a> = &'a dyn Fn(&[u8]) -> Option<Vec<u8>>;

/// The values of one request. Documents are parsed when they are first needed.
pub(super) struct Values<'a> {
    pub(super) head: &'a RequestHead,
    body: Option<&'a Bytes>,
    /// The public URL of the source.
    url: Option<&'a Url>,
    /// The form field that contains the JSON document.
    payload: Option<&'a str>,
    /// The elements of the signature header.
    pub(super) elements: &'a [Element<'a>],
    pub(super) timestamp: Option<Cow<'a, str>>,
    claims: Option<&'a Json>,
    /// `None` if there are too many fields.
    form: OnceCell<Option<Vec<(String, String)>>>,
    /// Makes a MAC with the first secret.
    mac: Option<MakeMac<'a>>,
}

impl<'a> Values<'a> {
    /// `body` is `None` if it was not kept.
    pub(super) fn new(
        head: &'a RequestHead,
        body: Option<&'a Bytes>,
        url: Option<&'a Url>,
        payload: Option<&'a str>,
    ) -> Self {
        Self {
            head,
            body,
            url,
            payload,
            elements: &[],
            timestamp: None,
            claims: None,
            form: OnceCell::new(),
            mac: None,
        }
    }

    /// The values beside a signature.
    pub(super) fn with_elements(
        mut self,
        elements: &'a [Element<'a>],
        timestamp: Option<Cow<'a, str>>,
    ) -> Self {
        self.elements = elements;
        self.timestamp = timestamp;
        self
    }

    pub(super) fn with_claims(mut self, claims: Option<&'a Json>) -> Self {
        self.claims = claims;
        self
    }

    pub(super) fn with_mac(mut self, mac: MakeMac<'a>) -> Self {
        self.mac = Some(mac);
        self
    }

    pub(super) fn body(&self) -> Option<&'a Bytes> {
        self.body
    }

    pub(super) fn mac(&self, message: &[u8]) -> Option<Vec<u8>> {
        self.mac.and_then(|mac| mac(message))
    }

    /// The bytes of a value.
    pub(super) fn get(&self, value: &Value) -> Result<Cow<'a, [u8]>, Missing> {
        let text = |text: Cow<'a, str>| match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        let owned = |text: String| Cow::Owned(text.into_bytes());
        Ok(match value {
            Value::Body => Cow::Borrowed(self.body.ok_or(Missing("the body"))?),
            Value::Timestamp => text(self.timestamp.clone().ok_or(Missing("the timestamp"))?),
            Value::Secret => return Err(Missing("the secret")),
            Value::Header(name) => {
                let value = self.head.headers.value(name).map_err(|_| Missing::DIFFERENT)?;
                Cow::Borrowed(value.ok_or(Missing(name))?.trim().as_bytes())
            }
            Value::Method => Cow::Borrowed(self.target()?.method.as_bytes()),
            Value::Query(name) => owned(self.query(name).ok_or(Missing("a query parameter"))?),
            Value::Form(name) => owned(self.form(name)?.ok_or(Missing("a form field"))?.to_owned()),
            Value::Json(pointer) => owned(self.json(pointer)?.ok_or(Missing("a JSON member"))?),
            Value::Claim(pointer) => {
                let found = self.claims.and_then(|claims| claims.pointer(pointer));
                owned(found.and_then(scalar).ok_or(Missing("a claim"))?)
            }
            Value::Pair(name) => {
                let mut elements = self.elements.iter();
                let found = elements.find(|element| element.name == *name);
                Cow::Owned(found.ok_or(Missing("an element"))?.value.as_bytes().to_vec())
            }
            Value::Params => owned(self.params()?),
            Value::Php(without) => owned(self.php(without)?),
            Value::QueryPairs => owned(self.query_pairs().ok_or(Missing("a query"))?),
            Value::Lines(names) => owned(self.lines(names)?),
            Value::SignedHeaders(list) => {
                let listed = self.head.headers.single(list).ok().flatten();
                let mut names: Vec<String> = (listed.ok_or(Missing(list))?.split(','))
                    .map(|name| name.trim().to_ascii_lowercase())
                    .collect();
                names.sort_unstable();
                let pair = |name: &String| Ok(format!("{name}:{}", self.listed_header(name)?));
                owned(names.iter().map(pair).collect::<Result<Vec<_>, Missing>>()?.join(";"))
            }
            Value::HeadersOf(pair) => {
                let names = self.get(&Value::Pair(pair.clone()))?;
                let names = String::from_utf8_lossy(&names).into_owned();
                let listed = names.split(' ').filter(|name| !name.is_empty());
                let values = listed.map(|name| self.listed_header(&name.to_ascii_lowercase()));
                owned(values.collect::<Result<Vec<_>, _>>()?.join("."))
            }
            Value::Url
            | Value::UrlWithPort
            | Value::UrlBase
            | Value::Path
            | Value::PathQuery
            | Value::Host
            | Value::SortedQuery
            | Value::QueryHash => owned(self.of_target(value)?),
        })
    }

    /// A value of the URL. Scheme, host and path are the configured ones, since a proxy may change
    /// them; the query is the request's.
    fn of_target(&self, value: &Value) -> Result<String, Missing> {
        let target = self.target()?;
        let query = target.query.as_deref();
        let with_query = |base: &str| match query {
            Some(query) => format!("{base}?{query}"),
            None => base.to_owned(),
        };
        if *value == Value::SortedQuery {
            return Ok(target.sorted_query());
        }
        let url = self.url.ok_or(Missing("the public URL"))?;
        let base = &url[..url::Position::AfterPath];
        Ok(match value {
            Value::Url => with_query(base),
            Value::UrlWithPort => {
                let port = url.port_or_known_default().unwrap_or(443);
                let host = url.host_str().unwrap_or_default();
                with_query(&format!("{}://{host}:{port}{}", url.scheme(), url.path()))
            }
            Value::UrlBase => base.to_owned(),
            Value::Path => url.path().to_owned(),
            Value::PathQuery => with_query(url.path()),
            Value::Host => url.host_str().unwrap_or_default().to_owned(),
            _ => query_hash(&target.method, url.path(), query.unwrap_or_default()),
        })
    }

    fn target(&self) -> Result<&'a crate::verify::Target, Missing> {
        self.head.target.as_deref().ok_or(Missing("the request target"))
    }

    fn listed_header(&self, name: &str) -> Result<String, Missing> {
        let mut lines = self.head.headers.iter().filter(|(header, _)| *header == name);
        let (_, value) = lines.next().ok_or(Missing("a listed header"))?;
        let value = std::str::from_utf8(value).map_err(|_| Missing("a listed header"))?;
        Ok(value.trim().to_owned())
    }

    pub(super) fn query(&self, name: &str) -> Option<String> {
        let query = self.head.target.as_deref().and_then(|target| target.query.as_deref());
        let query = query.or(self.head.query.as_deref())?;
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }

    /// A field of a form. One that occurs twice is a fault: readers could disagree about which one
    /// counts.
    pub(super) fn form(&self, name: &str) -> Result<Option<&str>, Missing> {
        let mut values = self.fields()?.iter().filter(|(known, _)| known == name);
        let first = values.next();
        if values.next().is_some() {
            return Err(Missing::DIFFERENT);
        }
        Ok(first.map(|(_, value)| value.as_str()))
    }

    /// The fields of a form, in order.
    pub(super) fn fields(&self) -> Result<&[(String, String)], Missing> {
        let fields = self.form.get_or_init(|| {
            let Some(body) = self.body else { return Some(Vec::new()) };
            // Any text can be parsed as either: what the request says decides.
            if let Some(boundary) = self.head.sender_info.boundary() {
                return Some(multipart::fields(body, boundary).unwrap_or_default());
            }
            if !self.head.sender_info.is_form() {
                return Some(Vec::new());
            }
            let pairs = form_urlencoded::parse(body).into_owned();
            let fields: Vec<(String, String)> = pairs.take(MAX_FIELDS + 1).collect();
            (fields.len() <= MAX_FIELDS).then_some(fields)
        });
        fields.as_deref().ok_or(Missing::UNCOVERED)
    }

    fn params(&self) -> Result<String, Missing> {
        if self.body.is_some_and(Bytes::is_empty) {
            return Err(Missing("a form"));
        }
        if !self.head.sender_info.is_form() {
            return Err(Missing::UNCOVERED);
        }
        let mut sorted: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, value) in self.fields()? {
            sorted.entry(name).or_default().push(value);
        }
        let mut text = String::new();
        for (name, values) in &mut sorted {
            values.sort_unstable();
            values.dedup();
            for value in values {
                text.push_str(name);
                text.push_str(value);
            }
        }
        Ok(text)
    }

    fn php(&self, without: &str) -> Result<String, Missing> {
        if !self.head.sender_info.is_form() {
            return Err(Missing::UNCOVERED);
        }
        php::serialize(self.fields()?, without)
    }

    fn query_pairs(&self) -> Option<String> {
        let query = self.head.target.as_deref()?.query.as_deref()?;
        let mut pairs: Vec<(String, String)> =
            form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        pairs.sort_unstable();
        let pairs = pairs.iter().map(|(name, value)| format!("{name}={value}"));
        Some(pairs.collect::<Vec<_>>().join("&"))
    }

    fn lines(&self, names: &[String]) -> Result<String, Missing> {
        let mut text = String::new();
        for name in names {
            if let Some(value) = self.json(&format!("/{name}"))? {
                text.push_str(name);
                text.push('\n');
                text.push_str(&value);
                text.push('\n');
            }
        }
        Ok(text)
    }

    /// The JSON document of the request, as bytes.
    pub(super) fn document(&self) -> Option<&[u8]> {
        match self.payload {
            Some(field) => self.form(field).ok().flatten().map(str::as_bytes),
            None => self.body.map(|body| &body[..]),
        }
    }

    /// Whether there is a member at a JSON pointer.
    pub(super) fn has(&self, pointer: &str) -> bool {
        let found = self.document().map(|body| json_member::find(body, pointer));
        matches!(found, Some(Ok(Some(_)) | Err(_)))
    }

    /// A JSON member as text: not an object or a list.
    pub(super) fn json(&self, pointer: &str) -> Result<Option<String>, Missing> {
        let Some(body) = self.document() else { return Ok(None) };
        let found = json_member::find(body, pointer).map_err(|_| Missing::DIFFERENT)?;
        let value = found.and_then(|raw| serde_json::from_str(raw.get()).ok());
        Ok(value.as_ref().and_then(scalar))
    }
}

/// A JSON value as text.
pub(super) fn scalar(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Bool(value) => Some(value.to_string()),
        Json::Number(number) => Some(number.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

/// The digest of method, path and query in an Atlassian token.
fn query_hash(method: &str, path: &str, query: &str) -> String {
    let escape = |text: &str| percent_encoding::utf8_percent_encode(text, UNRESERVED).to_string();
    let mut sorted: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if name != "jwt" {
            sorted.entry(escape(&name)).or_default().push(escape(&value));
        }
    }
    let path = match path.trim_end_matches('/') {
        "" => "/".to_owned(),
        path => path.replace('&', "%26"),
    };
    let parameters: Vec<String> = sorted
        .into_iter()
        .map(|(name, mut values)| {
            values.sort_unstable();
            format!("{name}={}", values.join(","))
        })
        .collect();
    let canonical = format!("{}&{path}&{}", method.to_ascii_uppercase(), parameters.join("&"));
    hex::encode(Sha256::digest(canonical))
}

/// What RFC 3986 calls unreserved is not escaped.
const UNRESERVED: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

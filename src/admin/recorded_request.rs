//! A recorded request, read from HTTP or JSON with its exact bytes.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use time::OffsetDateTime;

use super::{AdminError, Encoding};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordedRequest {
    /// Its path without the query; the last segment may be the action.
    pub path: Option<String>,
    /// Its query string, undecoded.
    pub query: Option<String>,
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its exact body.
    pub body: Bytes,
    /// Its time of arrival, if recorded.
    pub received_at: Option<OffsetDateTime>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    /// Ignored: events come by the method of the source's provider.
    #[serde(rename = "method")]
    _method: Option<String>,
    path: Option<String>,
    query: Option<String>,
    #[serde(default)]
    headers: Headers,
    encoding: Option<Encoding>,
    body: Option<String>,
    body_b64: Option<String>,
    #[serde(default, with = "time::serde::rfc3339::option")]
    received_at: Option<OffsetDateTime>,
}

/// The headers, by name or as a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Headers {
    ByName(BTreeMap<String, Values>),
    List(Vec<Header>),
}

/// The value of a header, or its values if it is repeated.
#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    name: String,
    value: String,
}

impl Default for Headers {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl Headers {
    fn lines(self) -> Vec<(String, Vec<u8>)> {
        match self {
            Self::ByName(headers) => {
                let lines = headers.into_iter().flat_map(|(name, values)| {
                    let values = match values {
                        Values::One(value) => vec![value],
                        Values::Several(values) => values,
                    };
                    values.into_iter().map(move |value| (name.clone(), value.into_bytes()))
                });
                lines.collect()
            }
            Self::List(headers) => {
                headers.into_iter().map(|line| (line.name, line.value.into_bytes())).collect()
            }
        }
    }
}

impl RecordedRequest {
    /// Reads a recording: HTTP/1.1 as on the wire (request line, headers, an empty line, the body),
    /// or a JSON document with `path`, `headers` and `body` or `body_b64`, such as the payload of a
    /// [`RejectedRequestDetail`](super::RejectedRequestDetail).
    ///
    /// # Errors
    /// [`AdminError::Invalid`] with the problem.
    pub fn read(recording: &[u8]) -> Result<Self, AdminError> {
        let read = if recording.trim_ascii_start().first() == Some(&b'{') {
            Self::from_json(recording)
        } else {
            Self::from_http(recording)
        };
        read.map_err(AdminError::Invalid)
    }

    fn from_json(recording: &[u8]) -> Result<Self, String> {
        let document: Document = serde_json::from_slice(recording)
            .map_err(|error| format!("invalid recorded request: {error}"))?;
        let body = match (document.body, document.body_b64) {
            (Some(text), None) if document.encoding == Some(Encoding::Hex) => {
                hex::decode(text).map_err(|error| format!("`body`: {error}"))?
            }
            (Some(text), None) => text.into_bytes(),
            (None, Some(base64)) => {
                STANDARD.decode(base64).map_err(|error| format!("`body_b64`: {error}"))?
            }
            (None, None) => Vec::new(),
            _ => return Err("`body` and `body_b64` are mutually exclusive".to_owned()),
        };
        let (path, query) = target(document.path);
        Ok(Self {
            path,
            query: document.query.or(query),
            headers: document.headers.lines(),
            body: body.into(),
            received_at: document.received_at,
        })
    }

    fn from_http(recording: &[u8]) -> Result<Self, String> {
        let mut rest = recording;
        let mut request = Self::default();
        let first = line(&mut rest).unwrap_or_default();
        let mut words = first.split(|byte| *byte == b' ');
        let (_, path, version) = (words.next(), words.next(), words.next());
        if !version.is_some_and(|version| version.starts_with(b"HTTP/")) {
            return Err("the recording starts neither with a request line nor with `{`".to_owned());
        }
        let path = path.map(|path| String::from_utf8_lossy(path).into_owned());
        (request.path, request.query) = target(path);
        loop {
            let line = line(&mut rest).ok_or("the recording ends within its headers")?;
            if line.is_empty() {
                break;
            }
            let colon = line.iter().position(|byte| *byte == b':');
            let (name, value) = colon
                .and_then(|at| Some((line.get(..at)?, line.get(at + 1..)?)))
                .ok_or("a header has no colon")?;
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            request.headers.push((name, value.trim_ascii().to_vec()));
        }
        request.body = Bytes::copy_from_slice(request.cut(rest)?);
        Ok(request)
    }

    /// The body, of the length that the head states: an editor may have added a line break at the
    /// end of the file.
    fn cut<'r>(&self, rest: &'r [u8]) -> Result<&'r [u8], String> {
        let value = |wanted: &str| {
            let found = self.headers.iter().find(|(name, _)| name == wanted);
            found.map(|(_, value)| String::from_utf8_lossy(value).to_ascii_lowercase())
        };
        if value("transfer-encoding").is_some_and(|encoding| encoding.contains("chunked")) {
            return Err(
                "the body is chunked: record it as it is without `transfer-encoding`".into()
            );
        }
        let Some(length) = value("content-length") else { return Ok(rest) };
        let length: usize =
            length.parse().map_err(|_| "`content-length` is not a number".to_owned())?;
        rest.get(..length).ok_or_else(|| {
            format!("the body has {} bytes, but `content-length` is {length}", rest.len())
        })
    }
}

fn target(path: Option<String>) -> (Option<String>, Option<String>) {
    let Some(path) = path else { return (None, None) };
    match path.split_once('?') {
        Some((path, query)) => (Some(path.to_owned()), Some(query.to_owned())),
        None => (Some(path), None),
    }
}

/// Takes a line, without its ending.
fn line<'r>(rest: &mut &'r [u8]) -> Option<&'r [u8]> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let (line, after) = rest.split_at_checked(end)?;
    *rest = after.get(1..)?;
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::RejectedRequestPayload;

    #[test]
    fn http_is_read_with_its_exact_body() {
        let text = b"POST /hooks/a/create?x=1 HTTP/1.1\r\nX-A: 1 \r\nx-a: 2\r\n\r\n{\n}\n";
        let request = RecordedRequest::read(text).unwrap();
        assert_eq!(request.path.as_deref(), Some("/hooks/a/create"));
        assert_eq!(request.query.as_deref(), Some("x=1"));
        let headers = [("x-a".to_owned(), b"1".to_vec()), ("x-a".to_owned(), b"2".to_vec())];
        assert_eq!(request.headers, headers);
        assert_eq!(request.body, "{\n}\n");
        let text = b"POST / HTTP/1.1\nContent-Length: 2\n\n{}\n";
        assert_eq!(RecordedRequest::read(text).unwrap().body, "{}");
    }

    #[test]
    fn json_is_read_with_its_exact_body() {
        let text = br#"{"path":"/hooks/a","headers":{"x":"1","y":["2","3"]},"body":"{ }\n",
                        "received_at":"2026-11-20T12:00:00Z"}"#;
        let request = RecordedRequest::read(text).unwrap();
        assert_eq!((request.headers.len(), &*request.body), (3, &b"{ }\n"[..]));
        assert_eq!(request.received_at.unwrap().unix_timestamp(), 1_795_176_000);
        let text = br#"{"headers":{},"body_b64":"/w=="}"#;
        assert_eq!(&*RecordedRequest::read(text).unwrap().body, b"\xff");
    }

    #[test]
    fn payload_of_a_rejected_request_is_a_recording() {
        for body in [&b"{ }\n"[..], b"\xff"] {
            let request = RecordedRequest {
                path: Some("/hooks/a".to_owned()),
                query: Some("x=1".to_owned()),
                headers: vec![("x".to_owned(), b"1".to_vec()), ("x".to_owned(), b"2".to_vec())],
                body: Bytes::copy_from_slice(body),
                received_at: Some(OffsetDateTime::UNIX_EPOCH),
            };
            let payload = RejectedRequestPayload::from(request.clone());
            assert_eq!(payload.bytes(), body);
            let recording = serde_json::to_vec(&payload).unwrap();
            assert_eq!(RecordedRequest::read(&recording).unwrap(), request);
        }
    }

    #[test]
    fn invalid_recordings_are_rejected_with_the_problem() {
        for (text, why) in [
            ("nonsense\n", "neither"),
            ("POST / HTTP/1.1\nx\n\n", "colon"),
            ("POST / HTTP/1.1\nx: 1\n", "ends within"),
            ("POST / HTTP/1.1\ncontent-length: 9\n\n{}", "has 2 bytes"),
            ("POST / HTTP/1.1\ntransfer-encoding: chunked\n\n0\n\n", "chunked"),
            ("{\"bodie\":1}", "unknown field"),
            ("{\"body\":\"\",\"body_b64\":\"\"}", "mutually exclusive"),
            ("{\"body_b64\":\"!\"}", "`body_b64`"),
        ] {
            let error = RecordedRequest::read(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}

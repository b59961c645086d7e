//! A recorded request, read back: its bytes are what counts.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use time::OffsetDateTime;

use super::AdminError;

/// A request that was recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordedRequest {
    /// Its path, without the query; the last part may be the action.
    pub path: Option<String>,
    /// Its query, undecoded.
    pub query: Option<String>,
    /// Its headers, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its body, exactly.
    pub body: Bytes,
    /// When it arrived, where the recording says so.
    pub received_at: Option<OffsetDateTime>,
}

/// The JSON form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    /// Not looked at: the gateway takes POST alone.
    #[serde(rename = "method")]
    _method: Option<String>,
    path: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, Values>,
    body: Option<String>,
    body_b64: Option<String>,
    #[serde(default, with = "time::serde::rfc3339::option")]
    received_at: Option<OffsetDateTime>,
}

/// One value, or as many lines as there were.
#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    One(String),
    Several(Vec<String>),
}

impl RecordedRequest {
    /// Reads a recording: HTTP/1.1 as it is on the wire (request line, headers, an empty line, the
    /// body), or a JSON document with `path`, `headers` and `body` or `body_b64`.
    ///
    /// # Errors
    /// [`AdminError::Invalid`] says what is wrong with it.
    pub fn read(recording: &[u8]) -> Result<Self, AdminError> {
        let read = if recording.trim_ascii_start().first() == Some(&b'{') {
            Self::of_json(recording)
        } else {
            Self::of_http(recording)
        };
        read.map_err(AdminError::Invalid)
    }

    fn of_json(recording: &[u8]) -> Result<Self, String> {
        let document: Document = serde_json::from_slice(recording)
            .map_err(|error| format!("invalid recorded request: {error}"))?;
        let body = match (document.body, document.body_b64) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(base64)) => {
                STANDARD.decode(base64).map_err(|error| format!("`body_b64`: {error}"))?
            }
            (None, None) => Vec::new(),
            _ => return Err("`body` and `body_b64` are mutually exclusive".to_owned()),
        };
        let lines = document.headers.into_iter().flat_map(|(name, values)| {
            let values = match values {
                Values::One(value) => vec![value],
                Values::Several(values) => values,
            };
            values.into_iter().map(move |value| (name.clone(), value.into_bytes()))
        });
        let (path, query) = target(document.path);
        let received_at = document.received_at;
        Ok(Self { path, query, headers: lines.collect(), body: body.into(), received_at })
    }

    fn of_http(recording: &[u8]) -> Result<Self, String> {
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

    /// The body as long as the head says: what an editor adds at the end of a file is none of it.
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

/// Takes a line off, without its end.
fn line<'r>(rest: &mut &'r [u8]) -> Option<&'r [u8]> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let (line, after) = rest.split_at_checked(end)?;
    *rest = after.get(1..)?;
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_is_read_to_the_byte() {
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
    fn what_is_no_recording_says_why() {
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

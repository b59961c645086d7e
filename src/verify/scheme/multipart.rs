//! The text fields of a multipart form, as a few senders send them.

use bytes::Bytes;

/// The maximum number of parts.
const MAX_PARTS: usize = 64;

/// The text fields of a multipart form with this boundary; `None` if it is not exactly that.
pub(super) fn fields(body: &Bytes, boundary: &str) -> Option<Vec<(String, String)>> {
    let text = std::str::from_utf8(body).ok()?;
    let delimiter = format!("--{boundary}");
    // A delimiter stands at the beginning of a line.
    let inner = text.strip_prefix(delimiter.as_str())?;
    let separator = format!("\r\n{delimiter}");
    let mut fields = Vec::new();
    let mut parts = inner.split(separator.as_str()).peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            // What follows the last delimiter.
            return part.starts_with("--").then_some(fields);
        }
        if fields.len() == MAX_PARTS {
            return None;
        }
        let (head, content) = part.strip_prefix("\r\n")?.split_once("\r\n\r\n")?;
        fields.push((name_of(head)?, content.to_owned()));
    }
    None
}

fn name_of(head: &str) -> Option<String> {
    let line = head.lines().find(|line| {
        line.get(..20).is_some_and(|start| start.eq_ignore_ascii_case("content-disposition:"))
    })?;
    let (_, after) = line.split_once("; name=\"")?;
    after.split_once('"').map(|(name, _)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_multipart_form_are_read() {
        let body = Bytes::from_static(
            b"--x1\r\nContent-Disposition: form-data; name=\"json\"\r\n\r\n{\"a\":1}\r\n--x1--\r\n",
        );
        let expected = vec![("json".to_owned(), "{\"a\":1}".to_owned())];
        assert_eq!(fields(&body, "x1"), Some(expected));
        assert_eq!(fields(&body, "x"), None);
        assert_eq!(fields(&Bytes::from_static(b"a=1&b=2"), "x1"), None);
        assert_eq!(fields(&Bytes::from_static(b"--x1\r\n&a=1"), "x1"), None);
        assert_eq!(fields(&Bytes::new(), "x1"), None);
    }
}

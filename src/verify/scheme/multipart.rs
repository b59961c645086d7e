//! The text fields of a multipart form, as a few senders send them.

use bytes::Bytes;

/// The maximum number of parts.
const MAX_PARTS: usize = 64;

/// The text fields, if the body is a multipart form. The boundary is its first line.
pub(super) fn fields(body: &Bytes) -> Option<Vec<(String, String)>> {
    let first = body.split(|byte| *byte == b'\n').next()?;
    let boundary = first.strip_suffix(b"\r")?;
    if !(3..=74).contains(&boundary.len()) || !boundary.starts_with(b"--") {
        return None;
    }
    let text = std::str::from_utf8(body).ok()?;
    let boundary = std::str::from_utf8(boundary).ok()?;
    let mut fields = Vec::new();
    for part in text.split(boundary).take(MAX_PARTS) {
        let Some((head, content)) = part.split_once("\r\n\r\n") else { continue };
        let Some(name) = name_of(head) else { continue };
        fields.push((name, content.strip_suffix("\r\n").unwrap_or(content).to_owned()));
    }
    Some(fields)
}

fn name_of(head: &str) -> Option<String> {
    let line = head.lines().find(|line| {
        line.get(..20).is_some_and(|start| start.eq_ignore_ascii_case("content-disposition:"))
    })?;
    let (_, after) = line.split_once("name=\"")?;
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
        assert_eq!(fields(&body), Some(vec![("json".to_owned(), "{\"a\":1}".to_owned())]));
        assert_eq!(fields(&Bytes::from_static(b"a=1&b=2")), None);
        assert_eq!(fields(&Bytes::new()), None);
    }
}

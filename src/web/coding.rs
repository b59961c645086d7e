//! The content encoding of a request.
//!
//! Signatures cover the bytes on the wire, so a body is never decoded. A real content coding would
//! make it unreadable and is rejected with a specific error. Any other value of `Content-Encoding`
//! is ignored: senders put a character set, a media type or an empty value there. Such a body is
//! plain, and its signature is verified as usual.

use actix_web::http::header::{self, HeaderMap};

/// Content codings that change the bytes: those of the IANA registry, and some others.
const CODINGS: &[&str] = &[
    "aes128gcm",
    "br",
    "brotli",
    "bzip2",
    "compress",
    "dcb",
    "dcz",
    "deflate",
    "exi",
    "gzip",
    "lz4",
    "lzma",
    "pack200-gzip",
    "snappy",
    "x-bzip2",
    "x-compress",
    "x-deflate",
    "x-gzip",
    "x-snappy-framed",
    "xz",
    "zlib",
    "zstd",
];

/// Whether the body has a content coding that changes its bytes.
pub(super) fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_ENCODING).any(|line| {
        line.as_bytes().split(|byte| *byte == b',').any(|element| {
            let name = element.trim_ascii();
            CODINGS.iter().any(|coding| name.eq_ignore_ascii_case(coding.as_bytes()))
        })
    })
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn encoded(lines: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::CONTENT_ENCODING, HeaderValue::from_static(line));
        }
        is_encoded(&headers)
    }

    #[test]
    fn values_without_encoding_are_accepted() {
        for value in [
            "",
            "identity",
            "IDENTITY",
            "identity, identity",
            ",",
            "none",
            "null",
            "UTF-8",
            "utf8",
            "iso-8859-1",
            "Windows-1252",
            "us-ascii",
            "aws-chunked",
            "application/json",
            "charset=utf-8",
            "8bit",
            "\"identity\"",
        ] {
            assert!(!encoded(&[value]), "{value}");
        }
        assert!(!encoded(&[]) && !encoded(&["identity", "utf-8"]));
    }

    #[test]
    fn real_encodings_are_rejected() {
        for value in [
            "gzip",
            "GZIP",
            "x-gzip",
            "br",
            "deflate",
            "zstd",
            "identity, gzip",
            "aws-chunked,gzip",
        ] {
            assert!(encoded(&[value]), "{value}");
        }
        assert!(encoded(&["identity", "gzip"]));
    }
}

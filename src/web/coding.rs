//! What a request says about how its body is encoded.
//!
//! Signatures are over the bytes on the wire, so a body is never decoded. A coding that is one
//! would make it unreadable, and is refused with words that say so. Everything else that stands in
//! `Content-Encoding` changes nothing: senders write a character set, a media type or nothing at
//! all there. Its body is plain, and its signature says whether it is right.

use actix_web::http::header::{self, HeaderMap};

/// Content codings that change the bytes: those of the registry, and some that are not in it.
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

/// Whether the body is encoded in a way that changes its bytes.
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
    fn what_encodes_nothing_is_taken() {
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
    fn what_changes_the_bytes_is_not() {
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

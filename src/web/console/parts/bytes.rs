//! A payload viewer: text or hex. Payloads are untrusted and go only into text nodes.

use maud::{Markup, html};
use serde::Deserialize;

use super::{size, visible};
use crate::admin::pretty;

/// The largest part of indented JSON that is shown, in bytes.
const MAX_DECODED: usize = 512 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web::console) enum Tab {
    /// Indented, if it is JSON; otherwise as received.
    Decoded,
    /// As received, as text.
    Raw,
    /// A hex dump.
    Hex,
}

pub(in crate::web::console) struct Bytes {
    /// Its beginning: 64 KiB at most.
    pub(in crate::web::console) shown: Vec<u8>,
    /// The size of the whole, in bytes.
    pub(in crate::web::console) size: u64,
    pub(in crate::web::console) tab: Tab,
    /// The address of the page, to which the tab is added.
    pub(in crate::web::console) href: String,
    /// The download address, if available.
    pub(in crate::web::console) download: Option<String>,
}

/// The query of a page with a payload.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::web::console) struct BodyQuery {
    view: Option<String>,
}

impl BodyQuery {
    pub(in crate::web::console) fn tab(&self) -> Tab {
        Tab::read(self.view.as_deref())
    }
}

impl Tab {
    const ALL: [Self; 3] = [Self::Decoded, Self::Raw, Self::Hex];

    pub(in crate::web::console) fn as_str(self) -> &'static str {
        match self {
            Self::Decoded => "decoded",
            Self::Raw => "raw",
            Self::Hex => "hex",
        }
    }

    /// Parses it; `Decoded` by default.
    pub(in crate::web::console) fn read(word: Option<&str>) -> Self {
        Self::ALL.into_iter().find(|tab| Some(tab.as_str()) == word).unwrap_or(Self::Decoded)
    }

    fn label(self) -> &'static str {
        match self {
            Self::Decoded => "Decoded",
            Self::Raw => "Raw",
            Self::Hex => "Hex",
        }
    }
}

impl Bytes {
    fn is_cut(&self) -> bool {
        (self.shown.len() as u64) < self.size
    }

    /// The payload as text, if it is UTF-8, without a character cut in half.
    fn text(&self) -> Option<&str> {
        match std::str::from_utf8(&self.shown) {
            Ok(text) => Some(text),
            Err(error) if self.is_cut() && error.error_len().is_none() => {
                std::str::from_utf8(self.shown.get(..error.valid_up_to())?).ok()
            }
            Err(_) => None,
        }
    }
}

/// A payload with its tabs.
pub(in crate::web::console) fn bytes(bytes: &Bytes) -> Markup {
    let (class, content) = match bytes.tab {
        Tab::Hex => ("bytes hex", hex_rows(&bytes.shown)),
        Tab::Raw => raw(bytes),
        Tab::Decoded => match decoded(bytes) {
            Some(text) => ("bytes", text),
            None => raw(bytes),
        },
    };
    html! {
        section .panel aria-labelledby="body" {
            header {
                h2 #body { "Body" }
                p {
                    (size(bytes.size))
                    @if bytes.is_cut() { ", first " (size(bytes.shown.len() as u64)) }
                }
                div .actions {
                    nav .tabs aria-label="Body format" {
                        @for tab in Tab::ALL {
                            a href={ (bytes.href) "?view=" (tab.as_str()) "#body" }
                              aria-current=[(tab == bytes.tab).then_some("true")] { (tab.label()) }
                        }
                    }
                    @if let Some(download) = &bytes.download {
                        a .button .small-button href=(download) download { "Download" }
                    }
                }
            }
            @if bytes.shown.is_empty() {
                div .empty { p { "Empty body." } }
            } @else {
                pre class=(class) tabindex="0" role="region" aria-label="Body content" { (content) }
            }
        }
    }
}

fn raw(bytes: &Bytes) -> (&'static str, String) {
    match bytes.text() {
        Some(text) => ("bytes", visible(text)),
        None => ("bytes hex", hex_rows(&bytes.shown)),
    }
}

/// The payload as indented JSON; `None` if it is not JSON or is truncated.
fn decoded(bytes: &Bytes) -> Option<String> {
    if bytes.is_cut() {
        return None;
    }
    let lines = pretty(bytes.text()?, MAX_DECODED).ok()?;
    let more = if lines.is_cut { "\n… truncated; download the full body." } else { "" };
    Some(format!("{}{more}", visible(&lines.text)))
}

fn hex_rows(shown: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut rows = String::with_capacity(shown.len() * 5);
    for (row, bytes) in shown.chunks(16).enumerate() {
        let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let readable = |byte: &u8| if byte.is_ascii_graphic() { *byte as char } else { '.' };
        let readable: String = bytes.iter().map(readable).collect();
        let pairs = pairs.join(" ");
        // Writing to a string never fails.
        let _written = writeln!(rows, "{:08x}  {pairs:<47}  {readable}", row * 16);
    }
    rows
}

/// A command with a copy button. `id` is unique on the page.
pub(in crate::web::console) fn command(id: &str, label: &str, text: &str) -> Markup {
    html! {
        div .field {
            div .actions {
                span .label { (label) }
                button .plain .small-button .scripted-only type="button" data-does="copy" data-of=(id) {
                    "Copy"
                }
            }
            pre .command id=(id) { (visible(text)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(shown: &[u8], size: u64, tab: Tab) -> String {
        let bytes = Bytes { shown: shown.to_vec(), size, tab, href: "/x".into(), download: None };
        super::bytes(&bytes).into_string()
    }

    #[test]
    fn markup_in_bodies_is_escaped() {
        let page = of(b"<script>alert(1)</script>", 25, Tab::Raw);
        assert!(
            page.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && !page.contains("<script")
        );
        let page = of(br#"{"a":"<img onerror=x>"}"#, 23, Tab::Decoded);
        assert!(page.contains("&lt;img onerror=x&gt;") && !page.contains("<img"));
        assert_eq!(Tab::read(None), Tab::Decoded, "decoded is the default");
        assert!(of(br#"{"a":1}"#, 7, Tab::Decoded).contains("{\n  &quot;a&quot;: 1\n}"));
        assert!(of(br#"{"a":1}"#, 7, Tab::Raw).contains(">{&quot;a&quot;:1}<"));
        assert!(of(b"no JSON", 7, Tab::Decoded).contains(">no JSON<"));
    }

    #[test]
    fn binary_bodies_are_shown_as_hex() {
        let page = of(b"\x89PNG\r\n\x1a\n", 8, Tab::Raw);
        assert!(page.contains("00000000  89 50 4e 47 0d 0a 1a 0a"), "{page}");
        assert!(of(b"abc", 9, Tab::Raw).contains("first 3 bytes"));
        assert!(of("n\u{e9}".as_bytes().get(..2).unwrap(), 3, Tab::Raw).contains(">n</pre>"));
    }
}

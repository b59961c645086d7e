//! The providers, from their catalogue.

use bytesize::ByteSize;

use super::markdown::{Page, code, codes, table};
use crate::providers::{CATALOGUE, Entry};

const ABOUT: &str = "What every provider does where a source does not say otherwise. \
                     [Providers](../providers/README.md) has a page for each.";

/// The page.
pub(super) fn page() -> String {
    let mut page = Page::new("Provider reference", "providers", ABOUT);
    for entry in CATALOGUE {
        let Entry { name, summary, .. } = entry;
        let link = format!("[Its page](../providers/{name}.md)");
        page.add(&format!("\n## `{name}`\n\n{summary}. {link}.\n"));
        page.add(&table(&["Property", "Value"], &rows(entry)));
    }
    page.into_text()
}

fn rows(entry: &Entry) -> Vec<Vec<String>> {
    let span = |span| humantime::format_duration(span).to_string();
    let size = |bytes| ByteSize(bytes).to_string();
    let pace = entry.pace;
    let limit = format!(
        "{} a second, {} at once; requests beyond it wait up to {}",
        pace.per_second,
        pace.burst,
        span(pace.patience)
    );
    let mut rows = vec![
        ("Largest body (`max_body`)", size(entry.max_body as u64)),
        ("Oldest signature (`max_age`)", span(entry.max_age)),
        ("Rate limit (`limit`)", limit),
    ];
    rows.extend(entry.secret_prefix.map(|prefix| ("Secrets begin with", code(prefix))));
    rows.extend(entry.chunk.map(|bytes| ("Bytes of a chunk", size(bytes))));
    rows.push(("Tables", codes(entry.tables.iter().copied())));
    rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect()
}

//! The providers, from their models.

use super::markdown::{Page, code, table};
use crate::admin::{Fact, Provider, ProviderFilter, ProviderSummary, Providers};
use crate::app;

const ABOUT: &str = "Every provider, how it signs, what its events are, and what it does where a \
                     source does not say otherwise. `sealpost providers show NAME` prints the \
                     same, and `sealpost providers new NAME` a source for the configuration. \
                     [Providers](../providers/README.md) explains what a provider is.";

/// The page.
pub(super) fn page() -> String {
    let mut page = Page::new("Provider reference", "providers", ABOUT);
    let providers = app::providers();
    let listed = providers.list(&ProviderFilter::default());
    page.add(&format!("\n{}.\n", Providers::count(&listed)));
    let head = ["Provider", "Sender", "Proof", "Algorithm", "Strength", "Replay protection"];
    page.add(&table(&head, &listed.iter().map(row).collect::<Vec<_>>()));
    for provider in providers.all() {
        page.add(&section(provider));
    }
    page.into_text()
}

fn row(one: &ProviderSummary) -> Vec<String> {
    vec![
        format!("[`{0}`](#{0})", one.name),
        escaped(&one.title),
        one.level.to_string(),
        code(&one.algorithm),
        one.strength.to_string(),
        one.replay_protection.in_words().to_owned(),
    ]
}

fn section(provider: &Provider) -> String {
    let Provider { name, title, .. } = provider;
    let mut text = format!("\n## `{name}`\n\n{}.", escaped(title));
    if provider.has_handler {
        let link = format!(" [Its page](../providers/{name}.md).");
        text.push_str(&link);
    }
    text.push('\n');
    let facts = provider.facts().into_iter().flat_map(|group| group.facts);
    let row = |fact: Fact| {
        let texts: Vec<String> = fact.texts.iter().map(|text| escaped(text)).collect();
        vec![fact.label.to_owned(), texts.join("<br>")]
    };
    text.push_str(&table(&["Property", "Value"], &facts.map(row).collect::<Vec<_>>()));
    text
}

/// A text in which only code has a meaning in Markdown.
fn escaped(text: &str) -> String {
    let part = |(place, part): (usize, &str)| {
        let is_code = place % 2 == 1;
        if is_code {
            return format!("`{part}`");
        }
        part.replace('<', "&lt;").replace('*', "\\*").replace('[', "\\[")
    };
    text.split('`').enumerate().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_keeps_its_characters() {
        assert_eq!(escaped("a <b> `<c*>` [d]"), "a &lt;b> `<c*>` \\[d]");
    }

    #[test]
    fn every_provider_has_a_section() {
        let page = page();
        for provider in app::providers().all() {
            assert!(page.contains(&format!("\n## `{}`\n", provider.name)), "{}", provider.name);
        }
    }
}

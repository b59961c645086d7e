//! The providers, from their models: an index by what a request proves, and a page for each.

use std::path::Path;

use anyhow::Context as _;

use super::markdown::{Page, code, table};
use crate::admin::{Fact, Provider, ProviderSummary, Providers, ReplayProtection};
use crate::app;
use crate::verify::Strength;

const ABOUT: &str = "Every provider, by what its requests prove. Each has a page: how it signs, \
                     what to set up at the sender, what its events are, its defaults, how all \
                     that is proven, and a source to copy. `sealpost providers show NAME` prints \
                     the same, and `sealpost providers new NAME` the source. \
                     [Providers](../providers/README.md) explains the words.";
/// What the note at the beginning of a page says that prints it.
const PART: &str = "providers";

/// A part of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    Handlers,
    SignedWithTime,
    SignedWithoutTime,
    Vouched,
}

impl Group {
    const ALL: [Self; 4] =
        [Self::Handlers, Self::SignedWithTime, Self::SignedWithoutTime, Self::Vouched];

    fn of(provider: &ProviderSummary) -> Self {
        match (provider.strength, provider.replay_protection) {
            _ if provider.has_handler => Self::Handlers,
            (Strength::Signed, ReplayProtection::Time) => Self::SignedWithTime,
            (Strength::Signed, _) => Self::SignedWithoutTime,
            _ => Self::Vouched,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Handlers => "With handlers",
            Self::SignedWithTime => "Signed, with the time",
            Self::SignedWithoutTime => "Signed, without a time",
            Self::Vouched => "Vouched",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::Handlers => "The gateway itself writes what their events mean to tables.",
            Self::SignedWithTime => {
                "The signature covers the body and the time: an old request is rejected."
            }
            Self::SignedWithoutTime => {
                "The signature covers the body, and no time or one that may be missing: only the \
                 deduplication key recognizes an old request."
            }
            Self::Vouched => {
                "The request proves that its sender knows the secret, and not that the body is \
                 unchanged."
            }
        }
    }
}

/// The index.
pub(super) fn index() -> String {
    let mut page = Page::new("Provider reference", PART, ABOUT);
    let listed: Vec<ProviderSummary> =
        app::providers().all().iter().map(ProviderSummary::from).collect();
    page.add(&format!("\n{}.\n", Providers::count(&listed)));
    let head = ["Provider", "Sender", "Proof", "Algorithm", "Replay protection"];
    for group in Group::ALL {
        page.add(&format!("\n## {}\n\n{}\n", group.title(), group.about()));
        let members = listed.iter().filter(|one| Group::of(one) == group);
        page.add(&table(&head, &members.map(row).collect::<Vec<_>>()));
    }
    page.into_text()
}

fn row(one: &ProviderSummary) -> Vec<String> {
    vec![
        format!("[`{0}`](providers/{0}.md)", one.name),
        escaped(&one.title),
        one.level.to_string(),
        code(&one.algorithm),
        one.replay_protection.in_words().to_owned(),
    ]
}

/// Writes the page of every provider into a folder, and removes those of providers that are gone.
pub(super) fn write_pages(folder: &Path) -> anyhow::Result<()> {
    let context = || format!("cannot write {}", folder.display());
    std::fs::create_dir_all(folder).with_context(context)?;
    for entry in std::fs::read_dir(folder).with_context(context)? {
        let path = entry.with_context(context)?.path();
        if path.extension().is_some_and(|end| end == "md") {
            std::fs::remove_file(path).with_context(context)?;
        }
    }
    for provider in app::providers().all() {
        let path = folder.join(format!("{}.md", provider.name));
        std::fs::write(path, page(provider)).with_context(context)?;
    }
    Ok(())
}

/// The page of a provider.
fn page(provider: &Provider) -> String {
    let Provider { name, title, example, .. } = provider;
    let mut about = format!("Provider name: `{name}`.");
    if provider.has_handler {
        let link = format!(" [Its handlers](../../providers/{name}.md).");
        about.push_str(&link);
    }
    let mut page = Page::new(&escaped(title), PART, &about);
    page.add(&format!("\n## Source\n\n```toml\n{}\n```\n", example.trim_end()));
    for group in provider.facts() {
        page.add(&format!("\n## {}\n", group.title));
        let row = |fact: Fact| {
            let texts: Vec<String> = fact.texts.iter().map(|text| escaped(text)).collect();
            vec![fact.label.to_owned(), texts.join("<br>")]
        };
        let rows: Vec<Vec<String>> = group.facts.into_iter().map(row).collect();
        page.add(&table(&["Property", "Value"], &rows));
    }
    page.into_text()
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
    fn every_provider_is_in_the_index_once() {
        let index = index();
        for provider in app::providers().all() {
            let link = format!("](providers/{}.md)", provider.name);
            assert_eq!(index.matches(&link).count(), 1, "{link}");
        }
    }

    #[test]
    fn page_has_every_fact_and_the_source() {
        let slack = app::providers().show("slack").unwrap();
        let page = page(slack);
        assert!(page.contains(slack.example.trim_end()), "{page}");
        for group in slack.facts() {
            assert!(page.contains(&format!("\n## {}\n", group.title)), "{page}");
            for fact in group.facts {
                assert!(page.contains(&format!("\n| {} | ", fact.label)), "{page}");
            }
        }
    }

    #[test]
    fn pages_of_providers_that_are_gone_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("gone.md"), "").unwrap();
        write_pages(folder.path()).unwrap();
        let count = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(count, app::providers().all().len());
        assert!(!folder.path().join("gone.md").exists());
    }
}

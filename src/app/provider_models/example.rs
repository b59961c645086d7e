//! A source of a provider for the configuration file, to fill in.

use crate::admin::ProviderOption;

/// The longest line of a comment, in characters.
const WIDTH: usize = 98;

/// What an example is made of.
pub(super) struct Example<'a> {
    /// The provider, which the source is named after.
    pub(super) name: &'a str,
    pub(super) title: &'a str,
    pub(super) docs: Option<&'a str>,
    /// What to set at the sender.
    pub(super) setup: Option<&'a str>,
    /// The form of the secret; `None` if the sender publishes its keys.
    pub(super) secret: Option<&'a str>,
    /// Whether the secret is the sender's public key.
    pub(super) is_public_key: bool,
    pub(super) options: &'a [ProviderOption],
    /// The values of the options that are written; the others are comments.
    pub(super) values: &'a toml::Table,
}

impl Example<'_> {
    pub(super) fn text(&self) -> String {
        let Self { name, .. } = self;
        let mut lines = Vec::new();
        comment(
            &mut lines,
            &match self.docs {
                Some(docs) => format!("{}: {docs}", self.title),
                None => self.title.to_owned(),
            },
        );
        comment(&mut lines, self.setup.unwrap_or_default());
        lines.push("[[source]]".to_owned());
        lines.push(format!("name     = \"{name}\"    # POST /hooks/{name}"));
        lines.push(format!("provider = \"{name}\""));
        if let Some(secret) = self.secret {
            let kind = if self.is_public_key { "PUBLIC_KEY" } else { "SECRET" };
            let variable = format!("{}_{kind}", name.replace('-', "_").to_uppercase());
            lines.push(format!("secrets  = [{{ env = \"{variable}\" }}]"));
            // That it is text says nothing.
            if secret != "text" {
                comment(&mut lines, &format!("The secret is {secret}."));
            }
        }
        if !self.options.is_empty() {
            lines.push(String::new());
            lines.push("[source.options]".to_owned());
        }
        for option in self.options {
            match self.values.get(&option.name) {
                Some(value) => {
                    comment(&mut lines, &option.meaning);
                    lines.push(format!("{} = {value}", option.name));
                }
                None => comment(&mut lines, &format!("`{}`: {}", option.name, option.meaning)),
            }
        }
        lines.push(String::new());
        lines.join("\n")
    }
}

/// Adds a text as lines of a comment.
fn comment(lines: &mut Vec<String>, text: &str) {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + word.chars().count() >= WIDTH {
            lines.push(std::mem::take(&mut line));
        }
        line.push_str(if line.is_empty() { "# " } else { " " });
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_is_a_source() {
        let option = |name: &str, required| ProviderOption {
            name: name.to_owned(),
            meaning: "The meaning.".to_owned(),
            required,
        };
        let values: toml::Table = toml::from_str("mode = ['a\"b']").unwrap();
        let example = Example {
            name: "an-example",
            title: "An example",
            docs: Some("https://docs.example.com"),
            setup: Some(&"word ".repeat(50)),
            secret: Some("text"),
            is_public_key: false,
            options: &[option("mode", true), option("other", false)],
            values: &values,
        };
        let text = example.text();
        assert!(text.lines().all(|line| line.len() <= 100), "{text}");
        let parsed: toml::Table = toml::from_str(&text).unwrap();
        let source = &parsed["source"][0];
        assert_eq!(source["secrets"][0]["env"].as_str(), Some("AN_EXAMPLE_SECRET"));
        assert_eq!(source["options"]["mode"][0].as_str(), Some("a\"b"));
        assert!(text.contains("# `other`: The meaning."), "{text}");
    }
}

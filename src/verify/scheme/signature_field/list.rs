//! A list of signatures and of values beside them, such as `t=1700000000,v1=…`.

use std::collections::BTreeMap;

/// What proxies and clients put around an element.
const AROUND: [char; 5] = [' ', '\t', '"', '\'', ','];

/// A list as its format describes it.
#[derive(Debug, Clone)]
pub(in crate::verify) struct List {
    pub(in crate::verify) elements: Vec<ListElement>,
    pub(super) separator: String,
    /// What separates several lists in one field.
    groups: Option<String>,
    /// Whether every element is `name=value`, so that anything else is malformed.
    pub(in crate::verify) is_of_pairs: bool,
}

/// An element as the format describes it: a literal, such as `v1=`, and a value.
#[derive(Debug, Clone)]
pub(in crate::verify) struct ListElement {
    pub(in crate::verify) literal: String,
    pub(in crate::verify) holds: Holds,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::verify) enum Holds {
    Signature,
    Timestamp,
    /// A value with a name, for the signed text.
    Pair(String),
    /// Only the literal.
    Nothing,
}

impl List {
    pub(super) fn parse(
        format: &str,
        separator: &str,
        groups: Option<String>,
        options: &BTreeMap<String, String>,
    ) -> Result<Self, String> {
        if separator.is_empty() || groups.as_deref() == Some("") {
            return Err("the separator is empty".into());
        }
        let mut elements = Vec::new();
        for item in format.split(separator) {
            let mut item = item.trim().to_owned();
            for (name, value) in options {
                item = item.replace(&format!("{{option:{name}}}"), value);
            }
            let Some((literal, rest)) = item.split_once('{') else {
                elements.push(ListElement { literal: item, holds: Holds::Nothing });
                continue;
            };
            let inner = rest.strip_suffix('}').ok_or("an element ends with its placeholder")?;
            let holds = match inner {
                "signature" => Holds::Signature,
                "timestamp" => Holds::Timestamp,
                other => match other.strip_prefix("pair:") {
                    Some(name) => Holds::Pair(name.to_owned()),
                    None => {
                        return Err(format!(
                            "`{{{other}}}` is not one of `{{signature}}`, `{{timestamp}}` and \
                             `{{pair:NAME}}`; an element has one, and `separator` is between \
                             elements"
                        ));
                    }
                },
            };
            elements.push(ListElement { literal: literal.to_owned(), holds });
        }
        if !elements.iter().any(|element| element.holds == Holds::Signature) {
            return Err("`{signature}` is missing".into());
        }
        let is_of_pairs = elements.iter().all(|element| element.literal.contains('='));
        Ok(Self { elements, separator: separator.to_owned(), groups, is_of_pairs })
    }

    /// The lists in a text: one, unless the sender writes several.
    pub(in crate::verify) fn parts<'t>(&self, text: &'t str) -> Vec<&'t str> {
        let parts = match &self.groups {
            Some(separator) => text.split(separator.as_str()).collect(),
            None => vec![text],
        };
        parts.into_iter().filter(|part| self.items(part).next().is_some()).collect()
    }

    /// What joins two header lines into one text.
    pub(super) fn between_lines(&self) -> &str {
        self.groups.as_deref().unwrap_or(&self.separator)
    }

    /// The elements of a list, trimmed, without empty ones.
    pub(in crate::verify) fn items<'t>(&self, text: &'t str) -> impl Iterator<Item = &'t str> {
        let items = text.split(self.separator.as_str()).map(|item| item.trim_matches(AROUND));
        items.filter(|item| !item.is_empty())
    }

    /// The expected element that an item is, and its value. Items without a literal are known by
    /// their position.
    pub(in crate::verify) fn find<'l, 't>(
        &'l self,
        item: &'t str,
        position: &mut usize,
    ) -> Option<(&'l Holds, &'t str)> {
        let mut named = self.elements.iter().filter(|element| !element.literal.is_empty());
        let found = named.find_map(|element| {
            item.strip_prefix(element.literal.as_str()).map(|value| (&element.holds, value))
        });
        if found.is_some() {
            return found;
        }
        let mut bare = self.elements.iter().filter(|element| element.literal.is_empty());
        let element = bare.clone().nth(*position).or_else(|| bare.next_back())?;
        *position += 1;
        Some((&element.holds, item))
    }
}

//! Reads the text of the file. Everything that is wrong with it is found at once: what is invalid
//! is left out, and the rest is read again.

use std::ops::Range;

use serde::Deserialize as _;
use toml::de::{DeArray, DeTable, DeValue, Deserializer};

use super::{Environment, File};

/// How many errors are reported.
const MOST: usize = 50;

/// The file without what is invalid, and the errors. There is no file if a source or a destination
/// lacks something: what refers to it would look wrong, too.
pub(super) fn parse(text: &str, environment: &Environment) -> (Option<File>, Vec<String>) {
    let (mut root, errors) = DeTable::parse_recoverable(text);
    let mut errors: Vec<String> = errors.into_iter().map(|error| shown(error, text)).collect();
    if !errors.is_empty() {
        return (None, errors);
    }
    let mut is_whole = true;
    // Without the variables: these errors show the line.
    while let Err(error) = File::deserialize(Deserializer::from(root.clone())) {
        let is_unknown = error.message().starts_with("unknown field");
        let removed = error.span().and_then(|span| remove(root.get_mut(), &span));
        errors.push(shown(error, text));
        let Some(section) = removed.filter(|_| errors.len() < MOST) else { return (None, errors) };
        is_whole &= is_unknown || !matches!(section.as_str(), "source" | "destination");
    }
    if !is_whole {
        return (None, errors);
    }
    let file = toml::Table::deserialize(Deserializer::from(root)).and_then(|mut table| {
        for (keys, value) in environment.overrides() {
            overlay(&mut table, &keys, value);
        }
        table.try_into()
    });
    match file {
        Ok(file) => (Some(file), errors),
        Err(error) => {
            errors.push(format!("with SEALPOST_ variables: {error}").trim_end().to_owned());
            (None, errors)
        }
    }
}

/// The error with its line.
fn shown(mut error: toml::de::Error, text: &str) -> String {
    error.set_input(Some(text));
    error.to_string().trim_end().to_owned()
}

/// Removes the smallest part of a table that contains the span. Returns the key that it was in.
fn remove(table: &mut DeTable<'_>, span: &Range<usize>) -> Option<String> {
    let below = table.iter_mut().find_map(|(key, value)| {
        let is_removed = match value.get_mut() {
            DeValue::Table(inner) => remove(inner, span).is_some(),
            DeValue::Array(items) => remove_item(items, span),
            _ => false,
        };
        is_removed.then(|| key.get_ref().to_string())
    });
    below.or_else(|| {
        let found = table.iter().find_map(|(key, value)| {
            let is_here = contains(&key.span(), span) || contains(&value.span(), span);
            is_here.then(|| key.get_ref().to_string())
        })?;
        table.remove(found.as_str())?;
        Some(found)
    })
}

/// The same in a list.
fn remove_item(items: &mut DeArray<'_>, span: &Range<usize>) -> bool {
    let below = items.iter_mut().any(|item| match item.get_mut() {
        DeValue::Table(inner) => remove(inner, span).is_some(),
        _ => false,
    });
    if below {
        return true;
    }
    let Some(place) = items.iter().position(|item| contains(&item.span(), span)) else {
        return false;
    };
    let others = items.iter().enumerate().filter(|(other, _)| *other != place);
    *items = others.map(|(_, item)| item.clone()).collect();
    true
}

fn contains(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// Sets the value at a path; text is parsed as TOML if possible.
fn overlay(table: &mut toml::Table, keys: &[String], text: &str) {
    let Some((last, path)) = keys.split_last() else { return };
    let mut place = table;
    for key in path {
        let next =
            place.entry(key.clone()).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        let Some(next) = next.as_table_mut() else { return };
        place = next;
    }
    let value = toml::from_str::<toml::Table>(&format!("v = {text}"))
        .ok()
        .and_then(|mut parsed| parsed.remove("v"))
        .unwrap_or_else(|| toml::Value::String(text.to_owned()));
    place.insert(last.clone(), value);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys or words that each error is about.
    fn assert_errors(text: &str, expected: &[&str], has_file: bool) {
        let (file, errors) = parse(text, &Environment::default());
        assert_eq!(errors.len(), expected.len(), "{errors:#?}");
        for (error, part) in errors.iter().zip(expected) {
            assert!(error.contains(part) && error.contains("line "), "{part}: {error}");
        }
        assert_eq!(file.is_some(), has_file, "{errors:#?}");
    }

    #[test]
    fn every_invalid_key_is_reported() {
        let sections = "[ingest]\nlisten_on = 'x'\nworkers = 'many'\n[log]\nformat = 'xml'\n\
                        [dispatch]\nlease = 'soon'\n[objects.s3]\nbucket = 'b'\n";
        let expected =
            ["`listen_on`", "'many'", "format = 'xml'", "lease = 'soon'", "missing field"];
        let (_, mut errors) = parse(sections, &Environment::default());
        errors.sort();
        for part in expected {
            assert!(errors.iter().any(|error| error.contains(part)), "{part}: {errors:#?}");
        }
        assert_errors(sections, &errors.iter().map(|_| "line").collect::<Vec<_>>(), true);
        assert_eq!(errors.len(), expected.len(), "{errors:#?}");
    }

    #[test]
    fn sources_with_errors_are_no_file() {
        let valid = "[[source]]\nname = 'a'\nprovider = 'stripe'\n";
        assert_errors(valid, &[], true);
        assert_errors(&format!("{valid}secret = 'x'\n"), &["unknown field `secret`"], true);
        let wrong = format!("{valid}secrets = 5\n[[source]]\nname = 'b'\n");
        assert_errors(&wrong, &["invalid type", "missing field `provider`"], false);
    }

    #[test]
    fn every_syntax_error_is_reported() {
        let (file, errors) = parse("a = \n[b\nc = 1\nd = ]\n", &Environment::default());
        assert!(file.is_none() && errors.len() > 1, "{errors:#?}");
    }
}

//! The effective configuration, key by key. Secrets are shown by location and fingerprint only.

use toml::Value;
use url::Url;

use super::Config;
use crate::verify::Secret;

impl Config {
    /// Every key with its value. Sources and destinations are keyed by name, other list items by
    /// position, from 1.
    pub fn settings(&self) -> Vec<(String, String)> {
        let mut settings = Vec::new();
        if let Ok(Value::Table(file)) = Value::try_from(&self.file) {
            for (key, value) in &file {
                flatten(key, value, &mut settings);
            }
        }
        if self.file.database.url.is_none() {
            let place = match &self.database_url {
                Some(url) => without_secrets(url),
                None => "managed by the gateway".to_owned(),
            };
            settings.push(("database.url".to_owned(), place));
        }
        let mut known = |key: String, secret: &Secret| {
            if let Some((_, value)) = settings.iter_mut().find(|(known, _)| *known == key) {
                *value = format!("{value} ({})", secret.fingerprint());
            }
        };
        for source in &self.sources {
            let name = &source.entry.name;
            for (place, secret) in source.secrets.iter().enumerate() {
                known(format!("source.{name}.secrets.{}", place + 1), secret);
            }
            if let Some(token) = &source.token {
                known(format!("source.{name}.token"), token);
            }
        }
        for destination in &self.destinations {
            let name = &destination.entry.name;
            known(format!("destination.{name}.secret"), &destination.secret);
            if let Some(token) = &destination.token {
                known(format!("destination.{name}.token"), token);
            }
        }
        settings.sort();
        settings
    }
}

fn flatten(key: &str, value: &Value, settings: &mut Vec<(String, String)>) {
    let mut put = |value: String| settings.push((key.to_owned(), value));
    match value {
        Value::Table(table) => match reference(table) {
            Some(place) => put(place),
            // Header values may be secret.
            None if key.starts_with("destination.") && key.ends_with(".headers") => {
                put(table.keys().map(String::as_str).collect::<Vec<_>>().join(", "));
            }
            None => {
                for (name, value) in table {
                    flatten(&format!("{key}.{name}"), value, settings);
                }
            }
        },
        Value::Array(parts) if parts.iter().any(Value::is_table) => {
            for (place, part) in parts.iter().enumerate() {
                let name = part.get("name").and_then(Value::as_str).map(str::to_owned);
                let name = name.unwrap_or_else(|| (place + 1).to_string());
                flatten(&format!("{key}.{name}"), part, settings);
            }
        }
        Value::Array(parts) => put(parts.iter().map(plain).collect::<Vec<_>>().join(", ")),
        Value::String(text) if key.rsplit('.').next() == Some("url") => put(without_secrets(text)),
        value => put(plain(value)),
    }
}

/// The location of a secret, if this is a reference.
fn reference(table: &toml::Table) -> Option<String> {
    let mut parts = table.iter();
    match (parts.next(), parts.next()) {
        (Some((kind, Value::String(place))), None) if kind == "env" => {
            Some(format!("variable {place}"))
        }
        (Some((kind, Value::String(place))), None) if kind == "file" => {
            Some(format!("file {place}"))
        }
        _ => None,
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

/// A URL without parts that may be secret: user, password, query and fragment.
fn without_secrets(url: &str) -> String {
    let Ok(mut url) = Url::parse(url) else { return "set, not a valid URL".to_owned() };
    let hidden = url.password().is_some() || url.query().is_some() || url.fragment().is_some();
    // Only a URL without a host has no place for these.
    if url.set_username("").and(url.set_password(None)).is_err() {
        return "set, not shown".to_owned();
    }
    url.set_query(None);
    url.set_fragment(None);
    format!("{url}{}", if hidden { " (parts are hidden)" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Vec<(String, String)> {
        let file = toml::from_str(text).unwrap();
        let environment = [("SECRET", "a-canary-in-the-coal-mine")].into_iter().collect();
        Config::resolve(file, &environment).unwrap().settings()
    }

    const FILE: &str = r#"
        [database]
        url = "postgres://me:a-canary@localhost/db?password=a-canary"
        [[source]]
        name = "billing"
        provider = "stripe"
        secrets = [{ env = "SECRET" }]
        aliases = ["/one", "/two"]
        options = { livemode = false }
        [[destination]]
        name = "shop"
        url = "https://me:a-canary@shop.example/in?key=a-canary"
        secret = { env = "SECRET" }
        headers = { x-key = "a-canary" }
    "#;

    #[test]
    fn secrets_are_shown_by_location() {
        let settings = settings(FILE);
        let value = |key: &str| settings.iter().find(|(known, _)| known == key).unwrap().1.as_str();
        assert_eq!(value("ingest.listen"), "127.0.0.1:8080");
        assert_eq!(value("dispatch.max_age"), "1day");
        assert_eq!(value("source.billing.aliases"), "/one, /two");
        assert_eq!(value("source.billing.options.livemode"), "false");
        assert!(value("source.billing.secrets.1").starts_with("variable SECRET ("));
        assert_eq!(value("database.url"), "postgres://localhost/db (parts are hidden)");
        assert_eq!(value("destination.shop.url"), "https://shop.example/in (parts are hidden)");
        assert_eq!(value("destination.shop.headers"), "x-key");
        assert!(value("destination.shop.secret").starts_with("variable SECRET ("));
        let whole = format!("{settings:?}");
        assert!(!whole.contains("canary"), "{whole}");
    }

    #[test]
    fn without_a_database_url_the_database_is_managed() {
        assert!(settings("").contains(&("database.url".into(), "managed by the gateway".into())));
    }
}

//! The issuer that vouches for people.

use serde::{Deserialize, Serialize};
use url::{Host, Url};
use zeroize::Zeroizing;

use super::{Environment, SecretRef};

/// The longest label, in characters.
const LONGEST_LABEL: usize = 40;

/// The issuer that vouches for people.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OidcEntry {
    /// Its URL, exactly as it writes it itself.
    pub issuer: String,
    /// Who we are there.
    pub client_id: String,
    /// What proves it; public clients have none.
    pub client_secret: Option<SecretRef>,
    /// Where browsers reach the operator listener; by default `operator.public_url`.
    pub public_url: Option<String>,
    /// What people call the issuer: it stands on the button.
    #[serde(default = "label")]
    pub label: String,
}

/// The issuer with its secret.
#[derive(Debug, Clone)]
pub struct OidcConfig {
    /// Its entry in the file.
    pub entry: OidcEntry,
    /// What proves who we are.
    pub client_secret: Option<Zeroizing<String>>,
    /// Where browsers reach the operator listener.
    pub public_url: Url,
}

/// Checks the issuer and resolves its reference; what cannot be is added to `wrong`.
pub(super) fn resolve(
    entry: &OidcEntry,
    operator: Option<&str>,
    environment: &Environment,
    wrong: &mut Vec<String>,
) -> Option<OidcConfig> {
    let before = wrong.len();
    let mut say = |what: String| wrong.push(format!("operator.oidc: {what}"));
    if let Err(why) = place(&entry.issuer) {
        say(format!("issuer {why}"));
    }
    let public_url = if let Some(text) = entry.public_url.as_deref().or(operator) {
        public(text).map_err(|why| say(format!("public_url {why}"))).ok()
    } else {
        say("public_url is missing, here and in [operator]".into());
        None
    };
    if entry.client_id.trim().is_empty() {
        say("client_id must not be empty".into());
    }
    if !(1..=LONGEST_LABEL).contains(&entry.label.trim().chars().count()) {
        say(format!("label must be 1 to {LONGEST_LABEL} characters"));
    }
    let secret = entry.client_secret.as_ref().map(|secret| secret.resolve_text(environment));
    let client_secret =
        secret.transpose().map_err(|why| say(format!("client_secret {why}"))).ok().flatten();
    let entry = entry.clone();
    let config = OidcConfig { entry, client_secret, public_url: public_url? };
    (wrong.len() == before).then_some(config)
}

/// A URL where browsers reach the operator listener.
pub(super) fn public(text: &str) -> Result<Url, &'static str> {
    match place(text)? {
        url if url.path() == "/" => Ok(url),
        _ => Err("must have no path: the console stands at the root of its host"),
    }
}

/// A URL where people may be sent to: with TLS, but for this machine.
fn place(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "is not a URL")?;
    let here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return Err("names no host"),
    };
    if url.scheme() != "https" && !(url.scheme() == "http" && here) {
        return Err("must begin with https://; http:// is for the loopback only");
    }
    let plain = url.username().is_empty() && url.password().is_none();
    if !plain || url.query().is_some() || url.fragment().is_some() {
        return Err("must have no user, password, query or fragment");
    }
    Ok(url)
}

fn label() -> String {
    "single sign-on".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<OidcConfig>, String) {
        let environment = [("CLIENT_SECRET", "s3cret\n")].into_iter().collect();
        let mut wrong = Vec::new();
        let resolved = resolve(&toml::from_str(text).unwrap(), None, &environment, &mut wrong);
        (resolved, wrong.join("\n"))
    }

    #[test]
    fn an_issuer_needs_no_secret_and_one_is_a_reference_of_whatever_length() {
        let rest = "client_id = \"sealpost\"\npublic_url = \"http://127.0.0.1:8081\"\n";
        for issuer in ["https://id.example.org/realm", "http://localhost:8090", "http://[::1]"] {
            let (config, wrong) = read(&format!("issuer = \"{issuer}\"\n{rest}"));
            assert_eq!(wrong, "");
            let config = config.unwrap();
            assert!(config.client_secret.is_none());
            assert_eq!(config.entry.label, "single sign-on");
        }
        let text = format!("issuer = \"https://id.example.org\"\n{rest}");
        let (config, _) = read(&format!("{text}client_secret = {{ env = \"CLIENT_SECRET\" }}"));
        assert_eq!(config.unwrap().client_secret.unwrap().as_str(), "s3cret");
    }

    #[test]
    fn every_value_that_cannot_be_is_named_at_once() {
        let (config, wrong) = read(
            r#"
                issuer = "http://id.example.org"
                client_id = " "
                client_secret = { env = "ABSENT" }
                public_url = "https://sealpost.example.org/console"
                label = ""
            "#,
        );
        assert!(config.is_none());
        for part in [
            "operator.oidc: issuer must begin with https://",
            "client_id must not be empty",
            "client_secret in variable `ABSENT` is not set",
            "public_url must have no path",
            "label must be",
        ] {
            assert!(wrong.contains(part), "{part:?} is not in:\n{wrong}");
        }
        for bad in ["id.example.org", "https://me@id.example.org", "https://id.example.org?a=b"] {
            let (config, wrong) = read(&format!(
                "issuer = \"{bad}\"\nclient_id = \"a\"\npublic_url = \"http://10.0.0.1\"\n"
            ));
            assert!(config.is_none() && wrong.lines().count() == 2, "{bad}: {wrong}");
        }
    }
}

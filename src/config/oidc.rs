//! The single sign-on issuer (OIDC).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::{Host, Url};
use zeroize::Zeroizing;

use super::{Environment, SecretRef};

/// The longest label, in characters.
const MAX_LABEL: usize = 40;

/// The single sign-on issuer (OIDC).
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OidcEntry {
    /// Issuer URL, exactly as in its discovery document.
    pub issuer: String,
    /// Client ID.
    pub client_id: String,
    /// Client secret; public clients have none.
    pub client_secret: Option<SecretRef>,
    /// Public URL of the admin listener; defaults to `operator.public_url`.
    pub public_url: Option<String>,
    /// Label of the sign-in button.
    #[serde(default = "label")]
    pub label: String,
}

/// The issuer with its secret.
#[derive(Debug, Clone)]
pub struct OidcConfig {
    pub entry: OidcEntry,
    pub client_secret: Option<Zeroizing<String>>,
    /// Public URL of the admin listener.
    pub public_url: Url,
}

/// Checks the issuer and resolves its secret; adds invalid values to `wrong`.
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
    if !(1..=MAX_LABEL).contains(&entry.label.trim().chars().count()) {
        say(format!("label must be 1 to {MAX_LABEL} characters"));
    }
    let secret = entry.client_secret.as_ref().map(|secret| secret.resolve_text(environment));
    let client_secret =
        secret.transpose().map_err(|why| say(format!("client_secret {why}"))).ok().flatten();
    let entry = entry.clone();
    let config = OidcConfig { entry, client_secret, public_url: public_url? };
    (wrong.len() == before).then_some(config)
}

/// Parses the public URL of the admin listener.
pub(super) fn public(text: &str) -> Result<Url, &'static str> {
    match place(text)? {
        url if url.path() == "/" => Ok(url),
        _ => Err("must have no path: the console is at the root of its host"),
    }
}

/// Parses a URL that browsers are redirected to: HTTPS, or loopback.
fn place(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "is not a URL")?;
    let here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return Err("has no host"),
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
    fn client_secret_is_optional() {
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
    fn every_invalid_value_is_listed() {
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

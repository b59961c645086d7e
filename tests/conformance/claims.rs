//! The catalogue's claims: each provider that it calls proven by a package was shown here, by the
//! same version of it.

use sealpost::providers::data::{PackageUse, ProofBy, ProofLevel, ProviderFile};

/// What was shown of one package.
pub(crate) struct Shown {
    pub(crate) provider: String,
    /// Registry and name, as in the catalogue.
    pub(crate) package: String,
    pub(crate) version: String,
    pub(crate) signs: bool,
    pub(crate) verifies: bool,
}

/// The number of providers proven by packages, and the claims that were not shown. Claims of
/// published vectors and of code in repositories are checked with the vectors.
pub(crate) fn compare(shown: &[Shown]) -> (usize, Vec<String>) {
    let (mut proven, mut missing) = (0, Vec::new());
    for (name, file) in ProviderFile::all() {
        if file.proof.level != ProofLevel::Proven {
            continue;
        }
        let claims = file.proof.by.iter().filter_map(|by| match by {
            ProofBy::Package { package, version, how } => Some((package, version, *how)),
            ProofBy::Published { .. } => None,
        });
        let claims: Vec<_> = claims
            .filter(|(package, ..)| package.starts_with("npm:") || package.starts_with("pypi:"))
            .collect();
        let before = missing.len();
        for &(package, version, how) in &claims {
            let mut all = shown.iter();
            let Some(found) = all.find(|shown| shown.provider == name && shown.package == *package)
            else {
                missing.push(format!("{name}.toml claims {package}, which was not shown here"));
                continue;
            };
            if found.version != *version {
                missing.push(format!(
                    "{name}.toml claims {package} {version}, but {} is installed",
                    found.version
                ));
            }
            let does = match how {
                PackageUse::Signs => found.signs,
                PackageUse::Verifies => found.verifies,
            };
            if !does {
                missing.push(format!("{name}.toml claims that {package} {how}, which it does not"));
            }
        }
        if !claims.is_empty() && missing.len() == before {
            proven += 1;
        }
    }
    for shown in shown {
        let Some(file) = ProviderFile::find(&shown.provider) else { continue };
        let is_claimed =
            file.proof.by.iter().any(
                |by| matches!(by, ProofBy::Package { package, .. } if *package == shown.package),
            );
        if !is_claimed {
            missing.push(format!("{}.toml does not mention {}", shown.provider, shown.package));
        }
    }
    (proven, missing)
}

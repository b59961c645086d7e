//! Checks every part of a configuration, without starting anything.

use super::destinations::destination;
use super::issuer::issuer;
use super::wiring::{build_source, verifier};
use super::{BuildError, TestOverrides, discord, services, source_warnings};
use crate::config::{Config, SourceConfig};
use crate::providers::Services;

/// What is wrong with a configuration.
#[derive(Default)]
pub struct Checked {
    /// The warnings of each source, in configured order.
    pub of_sources: Vec<Vec<String>>,
    /// Other warnings.
    pub warnings: Vec<String>,
    pub errors: Vec<BuildError>,
}

/// Builds every part of a configuration and discards it.
pub fn check(config: &Config) -> Checked {
    let mut checked =
        Checked { warnings: source_warnings::of_destinations(config), ..Checked::default() };
    let services = match services(config) {
        Ok(services) => services,
        Err(error) => {
            checked.errors.push(error);
            return checked;
        }
    };
    let built = config.destinations.iter().map(|one| destination(one, &services));
    checked.errors.extend(built.filter_map(Result::err));
    checked.errors.extend(issuer(config, &services, &TestOverrides::default().clock).err());
    checked.errors.extend(discord(config, &services).err());
    for source in &config.sources {
        let warnings = check_source(config, source, &services).unwrap_or_else(|error| {
            checked.errors.push(error);
            Vec::new()
        });
        checked.of_sources.push(warnings);
    }
    checked
}

fn check_source(
    config: &Config,
    source: &SourceConfig,
    services: &Services,
) -> Result<Vec<String>, BuildError> {
    // A secret that cannot be read is an error already, and the provider may need it.
    if !source.is_resolved() {
        return Ok(Vec::new());
    }
    let (entry, built) = build_source(config, source, services)?;
    let warnings = source_warnings::of_source(config, source, entry, &built);
    verifier(config, source, entry, built.provider, services)?;
    Ok(warnings)
}

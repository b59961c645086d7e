//! The single sign-on issuer (OIDC).

use std::sync::Arc;

use super::BuildError;
use crate::admin::{Issuer, IssuerSettings};
use crate::clock::SharedClock;
use crate::config::{Config, OidcConfig};
use crate::providers::Services;

pub(super) fn issuer(
    config: &Config,
    services: &Services,
    clock: &SharedClock,
) -> Result<Option<Issuer>, BuildError> {
    let Some(OidcConfig { entry, client_secret, public_url }) = &config.oidc else {
        return Ok(None);
    };
    let settings = IssuerSettings {
        issuer: entry.issuer.clone(),
        client_id: entry.client_id.clone(),
        client_secret: client_secret.clone(),
        public_url: public_url.clone(),
        label: entry.label.clone(),
    };
    Ok(Some(Issuer::new(settings, services.outbound.clone(), Arc::clone(clock))?))
}

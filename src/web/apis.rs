//! The provider endpoints for applications, as mounted: `api/provider_endpoints.rs` serves them.

use std::collections::HashMap;
use std::sync::Arc;

use actix_web::HttpRequest;

use super::request_ids::RequestIds;
use crate::admin::Caller;
use crate::clock::SharedClock;
use crate::provider_endpoint::ProviderEndpoint;
use crate::verify::Secret;

/// The mounted endpoints by provider, resource and source.
pub struct Apis {
    by_path: HashMap<(&'static str, &'static str), Vec<Mounted>>,
    pub(super) clock: SharedClock,
    requests: RequestIds,
}

/// An endpoint of one source.
pub(super) struct Mounted {
    pub(super) source: String,
    tenant: String,
    pub(super) secret: Secret,
    pub(super) api: Arc<dyn ProviderEndpoint>,
}

impl Apis {
    pub fn new(clock: SharedClock, requests: RequestIds) -> Self {
        Self { by_path: HashMap::new(), clock, requests }
    }

    /// Adds the endpoints of a tenant's source of `provider`; `secret` is its signing secret.
    pub fn add(
        &mut self,
        provider: &'static str,
        (tenant, source): (&str, &str),
        secret: Secret,
        api: Arc<dyn ProviderEndpoint>,
    ) {
        let mounted = self.by_path.entry((provider, api.resource())).or_default();
        let (source, tenant) = (source.to_owned(), tenant.to_owned());
        mounted.push(Mounted { source, tenant, secret, api });
    }

    pub(super) fn requests(&self) -> &RequestIds {
        &self.requests
    }

    /// The sources with this endpoint that the caller may use; `None` if there are none.
    pub(super) fn find(&self, request: &HttpRequest, caller: &Caller) -> Option<Vec<&Mounted>> {
        let part = |name| request.match_info().get(name);
        let wanted = (part("provider")?, part("resource")?);
        let (_, mounted) = self.by_path.iter().find(|(path, _)| **path == wanted)?;
        let own = |one: &&Mounted| caller.tenant().is_none_or(|tenant| tenant == one.tenant);
        let mounted: Vec<&Mounted> = mounted.iter().filter(own).collect();
        (!mounted.is_empty()).then_some(mounted)
    }
}

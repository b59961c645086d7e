//! The issuer: its cached metadata, and requests for ID tokens.
//!
//! It is not contacted before a user signs in, so that a gateway starts and runs while its issuer
//! is unavailable. Every request has a timeout and every response a maximum size.

use std::fmt;
use std::sync::Arc;

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthenticationFlow, CoreClaimName, CoreClaimType, CoreClient,
    CoreClientAuthMethod, CoreGrantType, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm, CoreResponseMode, CoreResponseType, CoreSubjectIdentifierType,
};
use openidconnect::{
    AdditionalProviderMetadata, AuthType, ClientId, ClientSecret, CsrfToken, EndpointMaybeSet,
    EndpointNotSet, EndpointSet, IssuerUrl, Nonce, PkceCodeChallenge, PkceCodeVerifier,
    ProviderMetadata, RedirectUrl, Scope,
};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use tokio::sync::Mutex;
use url::Url;
use zeroize::Zeroizing;

use super::OidcError;
use super::client::{HttpClient, one_line};
use super::flow::Flow;
use crate::clock::SharedClock;
use crate::outbound::{Outbound, OutboundError};

const CACHED_FOR: Duration = Duration::hours(1);
/// The minimum age of the metadata before an unknown key causes a refresh.
const MIN_REFRESH_AGE: Duration = Duration::minutes(1);
/// How long to wait after a failed request before the next one.
const RETRY_DELAY: Duration = Duration::seconds(10);

/// The configuration of the single sign-on issuer.
#[derive(Clone)]
pub struct IssuerSettings {
    /// The issuer's URL, exactly as in its metadata.
    pub issuer: String,
    pub client_id: String,
    /// `None` for a public client.
    pub client_secret: Option<Zeroizing<String>>,
    /// The public URL of the admin listener.
    pub public_url: Url,
    /// The display name.
    pub label: String,
}

pub struct Issuer {
    pub(super) settings: IssuerSettings,
    pub(super) url: IssuerUrl,
    redirect: RedirectUrl,
    pub(super) client: HttpClient,
    pub(super) clock: SharedClock,
    cached: Mutex<Option<Cached>>,
}

/// The last result of fetching the metadata.
struct Cached {
    result: Result<Arc<Metadata>, String>,
    at: OffsetDateTime,
}

/// Metadata fields beyond those of the library.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ExtraMetadata {
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl AdditionalProviderMetadata for ExtraMetadata {}

pub(super) type Metadata = ProviderMetadata<
    ExtraMetadata,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// This gateway as a client of the issuer.
pub(super) type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    #[error("invalid issuer URL or redirect URL")]
    Url(#[from] url::ParseError),
    /// The URL is not allowed.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
}

impl Issuer {
    /// Creates the issuer, reached through `outbound`, without contacting it.
    pub fn new(
        settings: IssuerSettings,
        outbound: Outbound,
        clock: SharedClock,
    ) -> Result<Self, IssuerError> {
        let url = IssuerUrl::new(settings.issuer.clone())?;
        outbound.check(url.url())?;
        let redirect = settings.public_url.join("/oidc/callback")?;
        Ok(Self {
            url,
            redirect: RedirectUrl::from_url(redirect),
            client: HttpClient::new(outbound),
            clock,
            cached: Mutex::default(),
            settings,
        })
    }

    pub(super) fn label(&self) -> &str {
        &self.settings.label
    }

    /// The address to which the browser is redirected to sign in.
    pub(super) async fn address(&self, flow: &Flow) -> Result<Url, OidcError> {
        let metadata = self.metadata().await?;
        let (state, nonce) = (flow.state(), flow.nonce());
        let verifier = PkceCodeVerifier::new(flow.verifier().to_string());
        let client = self.client(&metadata);
        let request = client.authorize_url(
            CoreAuthenticationFlow::AuthorizationCode,
            || CsrfToken::new(state),
            || Nonce::new(nonce),
        );
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
        let request = request.add_scope(Scope::new("email".to_owned()));
        Ok(request.set_pkce_challenge(challenge).url().0)
    }

    /// Rejects a callback from another issuer, which may have been given a code of this one (mix-up
    /// attack).
    pub(super) async fn check_sender(&self, issuer: Option<&str>) -> Result<(), OidcError> {
        match issuer {
            Some(issuer) if issuer == self.settings.issuer => Ok(()),
            Some(_) => Err(OidcError::refused("`iss` belongs to another issuer")),
            None => {
                let metadata = self.metadata().await?;
                let extra = metadata.additional_metadata();
                if extra.authorization_response_iss_parameter_supported {
                    return Err(OidcError::refused(
                        "`iss` is missing, although the issuer always sends it",
                    ));
                }
                Ok(())
            }
        }
    }

    /// This gateway as a client.
    pub(super) fn client(&self, metadata: &Metadata) -> Client {
        let secret = self.settings.client_secret.as_ref();
        let secret = secret.map(|secret| ClientSecret::new(secret.to_string()));
        let id = ClientId::new(self.settings.client_id.clone());
        let client = CoreClient::from_provider_metadata(metadata.clone(), id, secret);
        let methods = metadata.token_endpoint_auth_methods_supported();
        let in_body = methods.is_some_and(|methods| {
            methods.contains(&CoreClientAuthMethod::ClientSecretPost)
                && !methods.contains(&CoreClientAuthMethod::ClientSecretBasic)
        });
        let kind = if in_body { AuthType::RequestBody } else { AuthType::BasicAuth };
        client.set_auth_type(kind).set_redirect_uri(self.redirect.clone())
    }

    /// The metadata, fetched if it is not cached.
    pub(super) async fn metadata(&self) -> Result<Arc<Metadata>, OidcError> {
        // Concurrent callers wait for the same fetch.
        let mut cached = self.cached.lock().await;
        let now = self.clock.now();
        if let Some(Cached { result, at }) = &*cached {
            let valid_for = if result.is_ok() { CACHED_FOR } else { RETRY_DELAY };
            if now - *at < valid_for {
                return result.clone().map_err(OidcError::Issuer);
            }
        }
        let result = self.discover().await;
        *cached = Some(Cached { result: result.clone(), at: now });
        result.map_err(OidcError::Issuer)
    }

    /// Newer metadata than `used`, if any.
    pub(super) async fn newer(&self, used: &Arc<Metadata>) -> Option<Arc<Metadata>> {
        {
            let mut cached = self.cached.lock().await;
            let Cached { result: Ok(metadata), at } = cached.as_ref()? else { return None };
            if !Arc::ptr_eq(metadata, used) {
                return Some(Arc::clone(metadata));
            }
            if self.clock.now() - *at < MIN_REFRESH_AGE {
                return None;
            }
            *cached = None;
        }
        self.metadata().await.ok()
    }

    async fn discover(&self) -> Result<Arc<Metadata>, String> {
        let http = self.client.http();
        let metadata = Metadata::discover_async(self.url.clone(), &http).await;
        let metadata = metadata.map_err(|error| one_line(&error))?;
        let token = metadata.token_endpoint().ok_or("the issuer has no token endpoint")?.url();
        let (authorization, keys) = (metadata.authorization_endpoint(), metadata.jwks_uri());
        for place in [authorization.url(), token, keys.url()] {
            // Only an issuer on the loopback interface may use plain HTTP.
            if place.scheme() != "https" && self.url.url().scheme() == "https" {
                return Err(format!("the issuer's endpoint {place} is not https"));
            }
        }
        Ok(Arc::new(metadata))
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("issuer", &self.settings.issuer).finish_non_exhaustive()
    }
}

//! The issuer: what it says of itself, kept for a while; and what it says of a user.
//!
//! Nothing is asked of it before a user wants to sign in, so that a gateway starts and runs
//! while its issuer is away. Every request has a deadline and every answer a largest size.

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
use super::client::{Wire, whole};
use super::flow::Flow;
use crate::clock::SharedClock;
use crate::outbound::{Outbound, OutboundError};

/// How long it counts what the issuer has said of itself.
const KEPT: Duration = Duration::hours(1);
/// How old that has to be before it is asked for again because of a key that is not in it.
const RENEWED_AFTER: Duration = Duration::minutes(1);
/// How long an issuer that did not answer is left alone.
const LEFT_ALONE: Duration = Duration::seconds(10);

/// Who vouches for users, and who we are there.
#[derive(Clone)]
pub struct IssuerSettings {
    /// The issuer's URL, exactly as it writes it itself.
    pub issuer: String,
    /// Who we are there.
    pub client_id: String,
    /// What proves it; `None` for a public client.
    pub client_secret: Option<Zeroizing<String>>,
    /// Where browsers reach the operator listener.
    pub public_url: Url,
    /// What users call it.
    pub label: String,
}

/// Who vouches for users.
pub struct Issuer {
    pub(super) settings: IssuerSettings,
    pub(super) url: IssuerUrl,
    redirect: RedirectUrl,
    pub(super) client: Wire,
    pub(super) clock: SharedClock,
    known: Mutex<Option<Known>>,
}

/// What came of asking what it says of itself.
struct Known {
    said: Result<Arc<Metadata>, String>,
    at: OffsetDateTime,
}

/// What it says of itself beyond what every issuer does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Further {
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl AdditionalProviderMetadata for Further {}

/// What it says of itself.
pub(super) type Metadata = ProviderMetadata<
    Further,
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

/// Us, as its client.
pub(super) type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Why there cannot be such an issuer.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// A URL is none.
    #[error("invalid issuer URL or redirect URL")]
    Url(#[from] url::ParseError),
    /// No request may go there.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
}

impl Issuer {
    /// The issuer, reached through `outbound`. It is not asked for anything yet.
    ///
    /// # Errors
    /// [`IssuerError`].
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
            client: Wire::new(outbound),
            clock,
            known: Mutex::default(),
            settings,
        })
    }

    /// What users call it.
    pub(super) fn label(&self) -> &str {
        &self.settings.label
    }

    /// Where a browser goes to sign in.
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

    /// Refuses what another issuer has sent: it may have been given a code of this one.
    pub(super) async fn check_sender(&self, said: Option<&str>) -> Result<(), OidcError> {
        match said {
            Some(said) if said == self.settings.issuer => Ok(()),
            Some(_) => Err(OidcError::refused("`iss` belongs to another issuer")),
            None => {
                let metadata = self.metadata().await?;
                let further = metadata.additional_metadata();
                if further.authorization_response_iss_parameter_supported {
                    return Err(OidcError::refused(
                        "`iss` is missing, although the issuer always sends it",
                    ));
                }
                Ok(())
            }
        }
    }

    /// Us, as its client.
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

    /// What it says of itself, asked for where that is not known.
    pub(super) async fn metadata(&self) -> Result<Arc<Metadata>, OidcError> {
        // Whoever comes while it is asked waits for what comes of that.
        let mut known = self.known.lock().await;
        let now = self.clock.now();
        if let Some(Known { said, at }) = &*known {
            let counts = if said.is_ok() { KEPT } else { LEFT_ALONE };
            if now - *at < counts {
                return said.clone().map_err(OidcError::Issuer);
            }
        }
        let said = self.ask().await;
        *known = Some(Known { said: said.clone(), at: now });
        said.map_err(OidcError::Issuer)
    }

    /// What it says of itself now, where that may be newer than what was used.
    pub(super) async fn newer(&self, used: &Arc<Metadata>) -> Option<Arc<Metadata>> {
        {
            let mut known = self.known.lock().await;
            let Known { said: Ok(said), at } = known.as_ref()? else { return None };
            if !Arc::ptr_eq(said, used) {
                return Some(Arc::clone(said));
            }
            if self.clock.now() - *at < RENEWED_AFTER {
                return None;
            }
            *known = None;
        }
        self.metadata().await.ok()
    }

    async fn ask(&self) -> Result<Arc<Metadata>, String> {
        let http = self.client.http();
        let metadata = Metadata::discover_async(self.url.clone(), &http).await;
        let metadata = metadata.map_err(|error| whole(&error))?;
        let token = metadata.token_endpoint().ok_or("the issuer has no token endpoint")?.url();
        let (authorization, keys) = (metadata.authorization_endpoint(), metadata.jwks_uri());
        for place in [authorization.url(), token, keys.url()] {
            // Only an issuer on the loopback comes without TLS.
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

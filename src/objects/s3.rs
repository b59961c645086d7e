//! S3 buckets.

use std::fmt;
use std::sync::Arc;

use object_store::ObjectStore;
use zeroize::Zeroizing;

use super::ObjectsError;

/// A bucket and its credentials.
#[derive(Clone)]
pub struct S3 {
    pub bucket: String,
    /// The URL of the service; `None` for Amazon's, by the region.
    pub endpoint: Option<String>,
    /// The region. Other services than Amazon's accept any.
    pub region: String,
    pub access_key: Zeroizing<String>,
    pub secret_key: Zeroizing<String>,
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3")
            .field("bucket", &self.bucket)
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

impl S3 {
    #[cfg(not(feature = "s3"))]
    pub(super) fn open(&self) -> Result<Arc<dyn ObjectStore>, ObjectsError> {
        Err(ObjectsError::WithoutS3)
    }

    #[cfg(feature = "s3")]
    pub(super) fn open(&self) -> Result<Arc<dyn ObjectStore>, ObjectsError> {
        use object_store::aws::AmazonS3Builder;

        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&self.bucket)
            .with_region(&self.region)
            .with_access_key_id(self.access_key.as_str())
            .with_secret_access_key(self.secret_key.as_str())
            .with_retry(client::retries())
            .with_http_connector(client::Connector(client::connect()?));
        if let Some(endpoint) = &self.endpoint {
            // Plain HTTP only if the operator configured it.
            let plain = endpoint.starts_with("http://");
            builder = builder.with_endpoint(endpoint).with_allow_http(plain);
        }
        let store = builder.build().map_err(ObjectsError::Settings)?;
        Ok(Arc::new(store))
    }
}

#[cfg(feature = "s3")]
mod client {
    use std::time::Duration;

    use object_store::client::{HttpClient, HttpConnector};
    use object_store::{ClientOptions, RetryConfig};

    use super::ObjectsError;

    /// The timeout of a request. A handler that waits for it has 30 seconds.
    const REQUEST: Duration = Duration::from_secs(15);

    /// Makes `object_store` use our client: no proxy from the environment, no redirects.
    #[derive(Debug)]
    pub(super) struct Connector(pub(super) reqwest::Client);

    impl HttpConnector for Connector {
        fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
            Ok(HttpClient::new(self.0.clone()))
        }
    }

    pub(super) fn connect() -> Result<reqwest::Client, ObjectsError> {
        crate::tls::client()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(Duration::from_secs(5))
            .timeout(REQUEST)
            .build()
            .map_err(ObjectsError::Client)
    }

    /// One immediate retry; after that, the delivery is retried later.
    pub(super) fn retries() -> RetryConfig {
        RetryConfig { max_retries: 1, retry_timeout: REQUEST, ..RetryConfig::default() }
    }
}

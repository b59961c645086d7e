//! `POST /api/v1/apify/runs`: the application starts a run.

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use utoipa::{PartialSchema, ToSchema};

use super::start::{Document, How, Request, StartError, Starter, With};
use crate::provider_endpoint::{Call, Described, Fault, Made, ProviderEndpoint, Reply};
use crate::verify::parse;

const RESOURCE: &str = "runs";

pub(super) fn described() -> Described {
    let (request, reply) = ("ApifyRunRequest", "ApifyRun");
    let mut schemas =
        vec![(request.to_owned(), Request::schema()), (reply.to_owned(), Document::schema())];
    Request::schemas(&mut schemas);
    Document::schemas(&mut schemas);
    Described {
        resource: RESOURCE,
        operation: "startApifyRun",
        summary: "Start a run",
        description: "The run is registered, counted against the guild's daily budget, and \
                      returned with its token. Further fields depend on the source's purpose.",
        request,
        reply,
        schemas,
    }
}

pub(super) struct Runs(pub(super) Starter);

#[async_trait]
impl ProviderEndpoint for Runs {
    fn resource(&self) -> &'static str {
        RESOURCE
    }

    async fn create(&self, call: Call<'_>) -> Result<Reply, Fault> {
        let request: Request = parse(call.body).map_err(|(_, error)| Fault::Invalid(error))?;
        let with = With {
            store: call.store,
            secret: call.secret,
            now: call.now,
            key: call.key.map(|key| (key, Sha256::digest(call.body).into())),
        };
        let started = self.0.start(with, &request).await?;
        let made = match started.how {
            How::New => Made::New,
            How::Repeated => Made::RetryUntil,
            How::Known => Made::Known,
        };
        Ok(Reply { made, body: started.json(&self.0) })
    }
}

impl From<StartError> for Fault {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Invalid(why) => Self::Invalid(why.to_owned()),
            StartError::Taken => Self::Conflict(error.to_string()),
            StartError::KeyReused => Self::KeyReused,
            StartError::Spent { limit, resets_at } => Self::Spent { limit, resets_at },
            StartError::Store(error) => Self::Store(error),
        }
    }
}

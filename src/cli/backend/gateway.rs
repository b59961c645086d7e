//! The overview, sources, settings, destinations, pauses and alerts.

use super::Backend;
use crate::admin::{AlertRow, Destination, DestinationDetail, Overview, Pause, Setting, Source};
use crate::cli::remote::Query;

impl Backend {
    pub(in crate::cli) async fn overview(&self) -> anyhow::Result<Overview> {
        Ok(match self {
            Self::Database { admin, caller } => admin.monitoring.overview(caller).await?,
            Self::Api(api) => api.get(&["overview"], &Query::default()).await?,
        })
    }

    pub(in crate::cli) async fn sources(&self) -> anyhow::Result<Vec<Source>> {
        Ok(match self {
            Self::Database { admin, caller } => admin.monitoring.sources(caller).await?,
            Self::Api(api) => api.all(&["sources"]).await?,
        })
    }

    pub(in crate::cli) async fn source(&self, name: &str) -> anyhow::Result<Source> {
        Ok(match self {
            Self::Database { admin, caller } => admin.monitoring.source(caller, name).await?,
            Self::Api(api) => api.get(&["sources", name], &Query::default()).await?,
        })
    }

    pub(in crate::cli) async fn settings(&self) -> anyhow::Result<Vec<Setting>> {
        Ok(match self {
            Self::Database { admin, caller } => admin.monitoring.settings(caller)?.to_vec(),
            Self::Api(api) => api.all(&["settings"]).await?,
        })
    }

    pub(in crate::cli) async fn destinations(&self) -> anyhow::Result<Vec<Destination>> {
        Ok(match self {
            Self::Database { admin, caller } => admin.destinations.list(caller).await?,
            Self::Api(api) => api.all(&["destinations"]).await?,
        })
    }

    pub(in crate::cli) async fn destination(
        &self,
        name: &str,
    ) -> anyhow::Result<DestinationDetail> {
        Ok(match self {
            Self::Database { admin, caller } => admin.destinations.show(caller, name).await?,
            Self::Api(api) => api.get(&["destinations", name], &Query::default()).await?,
        })
    }

    pub(in crate::cli) async fn pauses(&self) -> anyhow::Result<Vec<Pause>> {
        Ok(match self {
            Self::Database { admin, caller } => admin.pauses.list(caller).await?,
            Self::Api(api) => api.all(&["pauses"]).await?,
        })
    }

    pub(in crate::cli) async fn alerts(
        &self,
        all: bool,
        limit: u32,
    ) -> anyhow::Result<Vec<AlertRow>> {
        Ok(match self {
            Self::Database { admin, caller } => admin.alerts.list(caller, all, None, limit).await?,
            Self::Api(api) => {
                let query = Query::default().flag("all", all);
                api.list(&["alerts"], &query, None, limit).await?.items
            }
        })
    }
}

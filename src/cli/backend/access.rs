//! Users, API keys and the audit log.

use serde_json::json;

use super::Backend;
use crate::admin::audit::{self, AuditRow, Verification};
use crate::admin::cursor::{self, AUDIT};
use crate::admin::{
    ApiKey, Expiry, Invitation, MadeKey, NewApiKey, NewUser, Page, Reason, User, UserSession,
};
use crate::cli::remote::{ApiError, Query};
use crate::store::{AuditFilter, Hash};

impl Backend {
    pub(in crate::cli) async fn keys(&self) -> anyhow::Result<Vec<ApiKey>> {
        Ok(match self {
            Self::Database { admin, caller } => admin.access.keys(caller).await?,
            Self::Api(api) => api.all(&["api-keys"]).await?,
        })
    }

    pub(in crate::cli) async fn create_key(&self, new: &NewApiKey) -> anyhow::Result<MadeKey> {
        Ok(match self {
            Self::Database { admin, caller } => admin.access.create_key(caller, new).await?,
            Self::Api(api) => {
                let days = match new.expiry {
                    Expiry::Never => None,
                    Expiry::After(span) => Some(whole_days(span)?),
                };
                let body = json!({
                    "name": new.name,
                    "scopes": new.scopes,
                    "tenant": new.tenant,
                    "days": days,
                    "unlimited": days.is_none(),
                });
                api.post(&["api-keys"], Some(&body)).await?
            }
        })
    }

    pub(in crate::cli) async fn users(&self) -> anyhow::Result<Vec<User>> {
        Ok(match self {
            Self::Database { admin, caller } => admin.access.users(caller).await?,
            Self::Api(api) => api.all(&["users"]).await?,
        })
    }

    pub(in crate::cli) async fn add_user(&self, new: &NewUser) -> anyhow::Result<Invitation> {
        Ok(match self {
            Self::Database { admin, caller } => admin.access.add_user(caller, new).await?,
            Self::Api(api) => {
                let body = json!({ "name": new.name, "scopes": new.scopes, "tenant": new.tenant });
                api.post(&["users"], Some(&body)).await?
            }
        })
    }

    pub(in crate::cli) async fn sessions(&self, user: &str) -> anyhow::Result<Vec<UserSession>> {
        Ok(match self {
            Self::Database { admin, caller } => admin.access.sessions_of(caller, user).await?,
            Self::Api(api) => api.all(&["users", user, "sessions"]).await?,
        })
    }

    /// Ends a session; returns those that are left.
    pub(in crate::cli) async fn end_session(
        &self,
        user: &str,
        id: i64,
        reason: &str,
    ) -> anyhow::Result<Page<UserSession>> {
        Ok(match self {
            Self::Database { admin, caller } => {
                let reason = Reason::new(reason)?;
                Page::whole(admin.access.end_session_of(caller, user, id, &reason).await?)
            }
            Self::Api(api) => {
                let (id, body) = (id.to_string(), json!({ "reason": reason }));
                api.post(&["users", user, "sessions", &id, "end"], Some(&body)).await?
            }
        })
    }

    pub(in crate::cli) async fn audit_entries(
        &self,
        filter: &AuditFilter,
        before: Option<i64>,
        limit: u32,
    ) -> anyhow::Result<Vec<AuditRow>> {
        Ok(match self {
            Self::Database { admin, caller } => {
                audit::list(&admin.store, caller, filter, before, limit).await?
            }
            Self::Api(api) => {
                let query = Query::default()
                    .with("actor", filter.actor.as_ref())
                    .with("action", filter.action.as_ref())
                    .with("tenant", filter.tenant.as_ref())
                    .at("since", filter.since)
                    .at("until", filter.until);
                let before = before.map(|before| cursor::after(AUDIT, &before));
                api.list(&["audit"], &query, before, limit).await?.items
            }
        })
    }

    pub(in crate::cli) async fn verify_audit(
        &self,
        expected: Option<&Hash>,
    ) -> anyhow::Result<Verification> {
        Ok(match self {
            Self::Database { admin, caller } => {
                audit::verify(&admin.store, caller, expected, |_| ()).await?
            }
            Self::Api(api) => {
                let query = Query::default().with("expected", expected.map(hex::encode));
                api.get(&["audit", "verification"], &query).await?
            }
        })
    }
}

/// A lifetime for the API, which takes days.
fn whole_days(span: time::Duration) -> Result<i64, ApiError> {
    let days = span.whole_days();
    if span == time::Duration::days(days) && (1..=3650).contains(&days) {
        Ok(days)
    } else {
        let why = "over the API, a key expires after 1 to 3650 whole days, or never";
        Err(ApiError::usage(why))
    }
}

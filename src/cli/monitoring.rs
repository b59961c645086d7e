//! Setup that read-only commands share.

use std::sync::Arc;

use super::{Exit, database};
use crate::admin::{Caller, Monitoring};
use crate::app;
use crate::clock::SystemClock;
use crate::config::Config;

/// Opens the database for a read-only command.
pub(super) fn with(
    config: &Config,
    work: impl AsyncFnOnce(&Monitoring, &Caller) -> anyhow::Result<Exit>,
) -> anyhow::Result<Exit> {
    let topology = app::topology(config)?;
    let caller = Caller::local(super::actor(None)?);
    database::with_store(config, async |store| {
        let monitoring = Monitoring::new(store.clone(), Arc::new(SystemClock), topology);
        work(&monitoring, &caller).await
    })
}

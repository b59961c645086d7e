//! What the commands that look have in common.

use std::sync::Arc;

use super::{Exit, block_on, database};
use crate::app;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::operator::{Caller, Insight};

/// Opens the database for a command that looks.
pub(super) fn with(
    config: &Config,
    work: impl AsyncFnOnce(&Insight, &Caller) -> anyhow::Result<Exit>,
) -> anyhow::Result<Exit> {
    let landscape = app::landscape(config)?;
    let caller = Caller::local(super::actor(None)?);
    let database = database::share(config)?;
    block_on(async {
        database.target.check_migrated().await?;
        let store = app::open_store(config, database.target.clone());
        let insight = Insight::new(store.clone(), Arc::new(SystemClock), landscape);
        let exit = work(&insight, &caller).await;
        store.close().await;
        exit
    })
}

//! Bodies, read in slices: only a small part of a large body is in memory at a time.

use bytes::Bytes;
use futures_util::stream::{self, Stream};

use crate::admin::payload_reads::{self, Read};
use crate::admin::unreadable::unreadable;
use crate::admin::{AdminError, Caller, Monitoring, Scope};
use crate::store::EventId;

/// The maximum size of a slice, in bytes.
pub const SLICE: u32 = 1024 * 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodySlice {
    pub size: u64,
    pub from: u64,
    /// Fewer than requested at the end of the body, none beyond it.
    pub bytes: Bytes,
}

impl Monitoring {
    /// Up to `most` bytes of a body, at most [`SLICE`], from the byte at offset `from`.
    pub async fn body(
        &self,
        caller: &Caller,
        event: EventId,
        from: u64,
        most: u32,
    ) -> Result<BodySlice, AdminError> {
        let slice = self.slice(caller, event, from, most).await?;
        self.record_read(caller, Read::Viewed, event).await?;
        Ok(slice)
    }

    /// Records in the audit log that a body is read.
    async fn record_read(
        &self,
        caller: &Caller,
        read: Read,
        event: EventId,
    ) -> Result<(), AdminError> {
        let target = format!("event {event}");
        payload_reads::record(&self.store, caller, read, &target, self.clock.now()).await
    }

    async fn slice(
        &self,
        caller: &Caller,
        event: EventId,
        from: u64,
        most: u32,
    ) -> Result<BodySlice, AdminError> {
        caller.needs(Scope::PayloadRead)?;
        let begin = i32::try_from(from).unwrap_or(i32::MAX - 1);
        let most = i32::try_from(most.min(SLICE)).unwrap_or(i32::MAX);
        let slice = self.store.body_slice(event, caller.tenant(), begin, most).await?;
        let Some(slice) = slice else {
            return Err(unreadable(&self.store, event, caller.tenant()).await);
        };
        if slice.is_as_received {
            return Ok(BodySlice { size: slice.size, from, bytes: slice.bytes.into() });
        }
        // Bodies with credentials are small, and redacting them moves the rest.
        let Some(whole) = self.store.event(event).await? else {
            return Err(unreadable(&self.store, event, caller.tenant()).await);
        };
        let whole = whole.shown_body();
        let begin = usize::try_from(from).unwrap_or(usize::MAX).min(whole.len());
        let end = begin.saturating_add(usize::try_from(most).unwrap_or_default()).min(whole.len());
        Ok(BodySlice { size: whole.len() as u64, from, bytes: whole.slice(begin..end) })
    }

    /// A whole body, slice by slice, and its size. A later slice may fail too.
    pub async fn download(
        &self,
        caller: &Caller,
        event: EventId,
    ) -> Result<(u64, impl Stream<Item = Result<Bytes, AdminError>> + use<>), AdminError> {
        let first = self.slice(caller, event, 0, SLICE).await?;
        self.record_read(caller, Read::Downloaded, event).await?;
        let size = first.size;
        let (monitoring, caller) = (self.clone(), caller.clone());
        let slices = stream::try_unfold(Some(first), move |slice| {
            let (monitoring, caller) = (monitoring.clone(), caller.clone());
            async move {
                let Some(slice) = slice.filter(|slice| !slice.bytes.is_empty()) else {
                    return Ok(None);
                };
                let end = slice.from + slice.bytes.len() as u64;
                let next = if end < slice.size {
                    Some(monitoring.slice(&caller, event, end, SLICE).await?)
                } else {
                    None
                };
                Ok(Some((slice.bytes, next)))
            }
        });
        Ok((size, slices))
    }
}

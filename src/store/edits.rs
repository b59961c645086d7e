//! Edited events: the body is an operator's, everything else is the original's.

use time::OffsetDateTime;

use super::{EventId, StoreError, Tx, bounded};

/// An event that is made of another one.
#[derive(Debug)]
pub struct NewEdit<'a> {
    /// Its id.
    pub id: EventId,
    /// The event that it is made of.
    pub original: EventId,
    /// Its body.
    pub body: &'a [u8],
    /// Who edited it.
    pub by: &'a str,
    /// When.
    pub at: OffsetDateTime,
}

impl Tx<'_> {
    /// Inserts an edited event; false when the original is gone. Its key is a chance number, under
    /// which nothing is ever recognised: nobody can send it again.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn insert_edit(&mut self, new: &NewEdit<'_>) -> Result<bool, StoreError> {
        let done = sqlx::query!(
            "INSERT INTO events (id, tenant, source, provider, kind, action, strength, late, secret,
                                 skew_seconds, received_at, occurred_at, key, headers, claims,
                                 envelope, body, edited_from, edited_by)
             SELECT $2, tenant, source, provider, kind, action, strength, late, secret,
                    skew_seconds, $3, occurred_at, $4, headers, claims, envelope, $5, id, $6
               FROM events WHERE id = $1",
            new.original.0,
            new.id.0,
            new.at,
            &rand::random::<[u8; 32]>()[..],
            new.body,
            bounded(new.by),
        )
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }
}

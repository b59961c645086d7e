//! Entering runs that are about to be started, and counting them.

use time::{Date, OffsetDateTime};
use uuid::Uuid;

use crate::providers::apify::{Platform, Purpose};
use crate::store::{StoreError, Tx};

/// A run that is about to be started.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// The source at which its webhooks will arrive.
    pub source: String,
    /// The application's own id of the run.
    pub run_key: Uuid,
    /// What it is for.
    pub purpose: Purpose,
    /// The Discord guild that it is started for.
    pub guild_id: String,
    /// The actor, as its id or its name.
    pub actor_id: Option<String>,
    /// Apify's id of the run, where it is known already.
    pub actor_run_id: Option<String>,
    /// When.
    pub initiated_at: OffsetDateTime,
}

/// What else may be known of a run that is about to be started.
#[derive(Debug, Clone, Default)]
pub struct Details<'d> {
    /// The platform that it looks at.
    pub platform: Option<Platform>,
    /// The posts that it is started for, each once, in order.
    pub posts: Vec<String>,
    /// Of a verification: what it looks for.
    pub sought: Option<Sought>,
    /// What its token says.
    pub claims: Option<String>,
    /// The idempotency key of the call that starts it, and the SHA-256 of the call's body.
    pub request: Option<(&'d str, [u8; 32])>,
}

/// What a verification looks for.
#[derive(Debug, Clone)]
pub struct Sought {
    /// The platform.
    pub platform: Platform,
    /// The account's name, in lower case.
    pub handle: String,
    /// What must stand in its description.
    pub code: String,
    /// Until when the run must have ended.
    pub expires_at: OffsetDateTime,
}

/// What became of an attempt to register a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// It is registered now.
    Registered,
    /// It was, with the same purpose and guild.
    Known,
    /// Its key, or its id at Apify, belongs to another run.
    Taken,
}

/// What became of an attempt to enter a run with its details.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entered {
    /// It is there now.
    New,
    /// A call with the same idempotency key and body has entered it.
    RetryUntil {
        /// Its key.
        run_key: Uuid,
        /// What its token says.
        claims: String,
        /// Of a verification: its code.
        code: Option<String>,
    },
    /// It was there, with the same purpose and guild; nothing about it is changed.
    Known {
        /// Of a verification: its code.
        code: Option<String>,
    },
    /// Its key, or its id at Apify, belongs to another run.
    Taken,
    /// The idempotency key was used with another body.
    KeyReused,
}

/// How a guild's budget of a day stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// It has room for this run, which is counted now.
    Counted,
    /// It is spent.
    Spent,
}

/// Enters a run of which nothing else is known, outside every budget.
///
/// # Errors
/// A [`StoreError`].
pub async fn register(tx: &mut Tx<'_>, run: &NewRun) -> Result<Registration, StoreError> {
    Ok(match enter(tx, run, &Details::default()).await? {
        Entered::New => Registration::Registered,
        Entered::RetryUntil { .. } | Entered::Known { .. } => Registration::Known,
        Entered::Taken | Entered::KeyReused => Registration::Taken,
    })
}

/// Enters a run before it is started.
///
/// # Errors
/// A [`StoreError`].
pub async fn enter(
    tx: &mut Tx<'_>,
    run: &NewRun,
    details: &Details<'_>,
) -> Result<Entered, StoreError> {
    let (request_key, digest) = details.request.unzip();
    // Where another call with the same key is at it, this waits until that has ended.
    let inserted = sqlx::query!(
        "INSERT INTO apify_runs
            (source, run_key, purpose, guild_id, actor_id, actor_run_id, platform, claims,
             request_key, request_digest, status, initiated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'initiated', $11)
         ON CONFLICT DO NOTHING",
        run.source,
        run.run_key,
        run.purpose.as_str(),
        run.guild_id,
        run.actor_id,
        run.actor_run_id,
        details.platform.map(Platform::as_str),
        details.claims,
        request_key,
        digest.as_ref().map(|digest| &digest[..]),
        run.initiated_at,
    )
    .execute(tx.connection())
    .await?;
    if inserted.rows_affected() == 0 {
        return what_is_there(tx, run, details).await;
    }
    if !details.posts.is_empty() {
        take_posts(tx, run, &details.posts).await?;
    }
    if let Some(sought) = &details.sought {
        seek(tx, run, sought).await?;
    }
    Ok(Entered::New)
}

/// What stands in the way of a run.
async fn what_is_there(
    tx: &mut Tx<'_>,
    run: &NewRun,
    details: &Details<'_>,
) -> Result<Entered, StoreError> {
    if let Some((key, digest)) = details.request {
        let first = sqlx::query!(
            r#"SELECT run_key, request_digest AS "request_digest!", claims AS "claims!"
                 FROM apify_runs
                WHERE source = $1 AND request_key = $2 AND claims IS NOT NULL"#,
            run.source,
            key,
        )
        .fetch_optional(tx.connection())
        .await?;
        if let Some(first) = first {
            if first.request_digest != digest {
                return Ok(Entered::KeyReused);
            }
            let code = code(tx, &run.source, first.run_key).await?;
            return Ok(Entered::RetryUntil { run_key: first.run_key, claims: first.claims, code });
        }
    }
    let known = sqlx::query_scalar!(
        r#"SELECT EXISTS (
             SELECT FROM apify_runs
              WHERE source = $1 AND run_key = $2 AND purpose = $3 AND guild_id = $4
                AND ($5::text IS NULL OR actor_run_id IS NOT DISTINCT FROM $5)
           ) AS "known!""#,
        run.source,
        run.run_key,
        run.purpose.as_str(),
        run.guild_id,
        run.actor_run_id,
    )
    .fetch_one(tx.connection())
    .await?;
    if known {
        return Ok(Entered::Known { code: code(tx, &run.source, run.run_key).await? });
    }
    Ok(Entered::Taken)
}

async fn code(tx: &mut Tx<'_>, source: &str, run_key: Uuid) -> Result<Option<String>, StoreError> {
    let code = sqlx::query_scalar!(
        "SELECT code FROM apify_verifications WHERE source = $1 AND run_key = $2",
        source,
        run_key,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(code)
}

/// The posts are this run's from now on, whoever had them before. In order, so that two runs for
/// the same posts wait for each other and do not meet crosswise.
async fn take_posts(tx: &mut Tx<'_>, run: &NewRun, posts: &[String]) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO apify_posts (source, guild_id, post_id, run_key, status, changed_at)
         SELECT $1, $2, post, $4, 'pending', $5 FROM unnest($3::text[]) AS post ORDER BY post
         ON CONFLICT (source, guild_id, post_id) DO UPDATE
            SET run_key = excluded.run_key, status = excluded.status,
                changed_at = excluded.changed_at, event_id = NULL",
        run.source,
        run.guild_id,
        posts,
        run.run_key,
        run.initiated_at,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

async fn seek(tx: &mut Tx<'_>, run: &NewRun, sought: &Sought) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO apify_verifications
            (source, run_key, guild_id, platform, handle, code, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        run.source,
        run.run_key,
        run.guild_id,
        sought.platform.as_str(),
        sought.handle,
        sought.code,
        sought.expires_at,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Counts a run against its guild's budget of the day, if there is room. The row is locked by
/// the statement that looks, so no two runs take the last place.
///
/// # Errors
/// A [`StoreError`].
pub async fn spend(
    tx: &mut Tx<'_>,
    run: &NewRun,
    day: Date,
    limit: u32,
) -> Result<Budget, StoreError> {
    let limit = i32::try_from(limit).unwrap_or(i32::MAX);
    let counted = sqlx::query!(
        "INSERT INTO apify_usage AS u (source, guild_id, day, runs)
         SELECT $1, $2, $3, 1 WHERE $4::integer > 0
         ON CONFLICT (source, guild_id, day) DO UPDATE SET runs = u.runs + 1 WHERE u.runs < $4",
        run.source,
        run.guild_id,
        day,
        limit,
    )
    .execute(tx.connection())
    .await?;
    Ok(if counted.rows_affected() == 1 { Budget::Counted } else { Budget::Spent })
}

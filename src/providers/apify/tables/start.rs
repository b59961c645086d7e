//! Registers runs that are about to be started, and counts them.

use time::{Date, OffsetDateTime};
use uuid::Uuid;

use crate::providers::apify::{Platform, Purpose};
use crate::store::{StoreError, Tx};

/// A run that is about to be started.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// The source that receives its webhooks.
    pub source: String,
    /// The application's id of the run.
    pub run_key: Uuid,
    pub purpose: Purpose,
    /// The Discord guild for which it is started.
    pub guild_id: String,
    /// The actor's id or name.
    pub actor_id: Option<String>,
    /// Apify's id of the run, if already known.
    pub actor_run_id: Option<String>,
    pub initiated_at: OffsetDateTime,
}

/// Optional details of a new run.
#[derive(Debug, Clone, Default)]
pub struct Details<'d> {
    /// The platform that it examines.
    pub platform: Option<Platform>,
    /// The unique posts for which it is started, in order.
    pub posts: Vec<String>,
    /// For a verification: its handle and code.
    pub verification: Option<NewVerification>,
    /// The claims of its token.
    pub claims: Option<String>,
    /// The idempotency key of the call, and the SHA-256 of the call's body.
    pub request: Option<(&'d str, [u8; 32])>,
}

/// A new verification.
#[derive(Debug, Clone)]
pub struct NewVerification {
    pub platform: Platform,
    /// The account's name, in lower case.
    pub handle: String,
    /// The code that must be in the profile's description.
    pub code: String,
    /// The run must end before this time.
    pub expires_at: OffsetDateTime,
}

/// The result of registering a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    Registered,
    /// It was registered before, with the same purpose and guild.
    Known,
    /// Its key, or Apify's id, belongs to another run.
    Taken,
}

/// The result of inserting a run with its details.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Insertion {
    New,
    /// An earlier call with the same idempotency key and body has inserted it.
    Repeated {
        run_key: Uuid,
        /// The claims of its token.
        claims: String,
        /// For a verification: its code.
        code: Option<String>,
    },
    /// It exists already, with the same purpose and guild; it is unchanged.
    Known {
        /// For a verification: its code.
        code: Option<String>,
    },
    /// Its key, or Apify's id, belongs to another run.
    Taken,
    /// The idempotency key was used with another body.
    KeyReused,
}

/// The state of a guild's daily budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// The run fits in and was counted.
    Counted,
    Spent,
}

/// Registers a run without details, outside any budget.
pub async fn register(tx: &mut Tx<'_>, run: &NewRun) -> Result<Registration, StoreError> {
    Ok(match insert_run(tx, run, &Details::default()).await? {
        Insertion::New => Registration::Registered,
        Insertion::Repeated { .. } | Insertion::Known { .. } => Registration::Known,
        Insertion::Taken | Insertion::KeyReused => Registration::Taken,
    })
}

/// Inserts a run before it is started.
pub async fn insert_run(
    tx: &mut Tx<'_>,
    run: &NewRun,
    details: &Details<'_>,
) -> Result<Insertion, StoreError> {
    let (request_key, digest) = details.request.unzip();
    // If another call with the same key is in progress, this waits for its end.
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
        return existing_run(tx, run, details).await;
    }
    if !details.posts.is_empty() {
        assign_posts(tx, run, &details.posts).await?;
    }
    if let Some(verification) = &details.verification {
        insert_verification(tx, run, verification).await?;
    }
    Ok(Insertion::New)
}

/// The reason why a run could not be inserted.
async fn existing_run(
    tx: &mut Tx<'_>,
    run: &NewRun,
    details: &Details<'_>,
) -> Result<Insertion, StoreError> {
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
                return Ok(Insertion::KeyReused);
            }
            let code = code(tx, &run.source, first.run_key).await?;
            return Ok(Insertion::Repeated { run_key: first.run_key, claims: first.claims, code });
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
        return Ok(Insertion::Known { code: code(tx, &run.source, run.run_key).await? });
    }
    Ok(Insertion::Taken)
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

/// Assigns the posts to this run, whichever run had them before. They are ordered, so that two runs
/// for the same posts cannot deadlock.
async fn assign_posts(tx: &mut Tx<'_>, run: &NewRun, posts: &[String]) -> Result<(), StoreError> {
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

async fn insert_verification(
    tx: &mut Tx<'_>,
    run: &NewRun,
    verification: &NewVerification,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO apify_verifications
            (source, run_key, guild_id, platform, handle, code, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        run.source,
        run.run_key,
        run.guild_id,
        verification.platform.as_str(),
        verification.handle,
        verification.code,
        verification.expires_at,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Counts a run against its guild's daily budget, if there is room. The statement that checks also
/// locks the row, so two runs cannot take the last place.
pub async fn count_run(
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

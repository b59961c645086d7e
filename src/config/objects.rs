//! Storage of objects.

use url::Url;
use zeroize::Zeroizing;

use super::{Environment, Objects, SecretRef};
use crate::objects::{Place, S3};

/// Resolves the storage of objects; adds invalid values to `wrong`.
pub(super) fn place(
    objects: &Objects,
    environment: &Environment,
    wrong: &mut Vec<String>,
) -> Place {
    let Some(s3) = &objects.s3 else { return Place::Folder(objects.dir.clone()) };
    let mut key = |reference: &SecretRef, name: &str| {
        let text = reference.resolve_text(environment);
        text.unwrap_or_else(|why| {
            wrong.push(format!("objects.s3: {name} {why}"));
            Zeroizing::default()
        })
    };
    let access_key = key(&s3.access_key, "access_key");
    let secret_key = key(&s3.secret_key, "secret_key");
    if s3.bucket.is_empty() {
        wrong.push("objects.s3: bucket must not be empty".to_owned());
    }
    if let Some(Err(why)) = s3.endpoint.as_deref().map(endpoint) {
        wrong.push(format!("objects.s3: endpoint {why}"));
    }
    Place::S3(S3 {
        bucket: s3.bucket.clone(),
        endpoint: s3.endpoint.as_ref().map(|url| url.trim_end_matches('/').to_owned()),
        region: s3.region.clone(),
        access_key,
        secret_key,
    })
}

/// Checks the URL of an S3 service. A private network needs no entry in `outbound.allow`.
fn endpoint(text: &str) -> Result<(), &'static str> {
    let url = Url::parse(text).map_err(|_| "must be a URL")?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err("must begin with https:// or http://");
    }
    if !url.has_host() {
        return Err("has no host");
    }
    let plain = url.username().is_empty() && url.password().is_none();
    if !plain || url.query().is_some() || url.fragment().is_some() {
        return Err("must have no user, password, query or fragment");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoint_must_not_contain_credentials() {
        assert_eq!(endpoint("http://127.0.0.1:9000/"), Ok(()));
        for bad in ["http://", "ftp://x", "s3.example", "https://me:x@s3.example", "https://a/?b"] {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
    }

    fn resolve(text: &str) -> (Place, Vec<String>) {
        let environment = [("ACCESS", "id"), ("SECRET", " key\n"), ("EMPTY", " ")];
        let mut wrong = Vec::new();
        let objects: Objects = toml::from_str(text).unwrap();
        let place = place(&objects, &environment.into_iter().collect(), &mut wrong);
        (place, wrong)
    }

    #[test]
    fn bucket_replaces_the_directory() {
        let (place, wrong) = resolve(
            r#"
                [s3]
                bucket = "b"
                endpoint = "http://127.0.0.1:9000/"
                access_key = { env = "ACCESS" }
                secret_key = { env = "SECRET" }
            "#,
        );
        let Place::S3(s3) = &place else { panic!("{place:?}") };
        assert_eq!((s3.access_key.as_str(), s3.secret_key.as_str()), ("id", "key"));
        assert_eq!(s3.endpoint.as_deref(), Some("http://127.0.0.1:9000"));
        assert!(!format!("{place:?}").contains("key"), "no secret is shown");
        assert_eq!(wrong, [""; 0]);
        assert!(matches!(resolve("").0, Place::Folder(_)));
    }

    #[test]
    fn every_invalid_setting_of_a_bucket_is_listed() {
        let (_, wrong) = resolve(
            r#"
                [s3]
                bucket = ""
                endpoint = "ftp://x"
                access_key = { env = "ABSENT" }
                secret_key = { env = "EMPTY" }
            "#,
        );
        let wrong = wrong.join("\n");
        for part in ["`ABSENT` is not set", "`EMPTY` is empty", "bucket", "endpoint"] {
            assert!(wrong.contains(part), "{part:?} is not in:\n{wrong}");
        }
    }
}

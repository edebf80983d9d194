//! The metadata database of GitLab's registry, of which tags and manifests are read.
//!
//! With it, nothing on the disk or in the bucket says which images there are; only the bytes of configs and layers are
//! there. Digests are kept as bytes, of which the first stands for the algorithm.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use secrecy::{ExposeSecret as _, SecretString};
use stocktake_domain::Timestamp;
use stocktake_domain::ports::{Found, FoundStream, ListError};
use stocktake_net::postgres::{NoAnswer, PostgresReader, Value};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::digest::Digest;
use crate::settings::SettingsError;
use crate::source::{MAX_MANIFEST, MAX_TAGS, RegistryError, TOO_MANY_TAGS, Tag};

/// How long the database is waited for: for a connection, and for the answer to a statement.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A repository that was deleted is kept for a while.
const REPOSITORY: &str =
    "SELECT top_level_namespace_id, id FROM repositories WHERE path = $1 AND deleted_at IS NULL";

const TAGS: &str = "SELECT t.name, m.digest FROM tags t LEFT JOIN manifests m \
     ON m.top_level_namespace_id = t.top_level_namespace_id AND m.repository_id = t.repository_id AND m.id = t.manifest_id \
     WHERE t.top_level_namespace_id = $1 AND t.repository_id = $2 LIMIT $3";

const MANIFEST: &str = "SELECT CASE WHEN octet_length(payload) <= $4 THEN payload END FROM manifests \
     WHERE top_level_namespace_id = $1 AND repository_id = $2 AND digest = $3";

const REPOSITORIES: &str = "SELECT path FROM repositories WHERE deleted_at IS NULL AND path COLLATE \"C\" > $1 \
     ORDER BY path COLLATE \"C\" LIMIT $2";

/// The manifests of a repository, and when they were pushed, in milliseconds.
const REVISIONS: &str = "SELECT digest, (extract(epoch FROM created_at) * 1000)::int8 FROM manifests \
     WHERE top_level_namespace_id = $1 AND repository_id = $2";

/// Manifests of repositories that were deleted.
const DELETED: &str = "SELECT m.id, m.digest, m.payload FROM manifests m JOIN repositories r \
     ON r.top_level_namespace_id = m.top_level_namespace_id AND r.id = m.repository_id \
     WHERE r.deleted_at IS NOT NULL AND m.id > $1 ORDER BY m.id LIMIT $2";

/// Blobs that were linked to a repository since a time in milliseconds.
const LINKED: &str =
    "SELECT blob_digest FROM repository_blobs WHERE created_at >= to_timestamp(($1 / 1000.0)::float8)";

/// How many manifests are read at a time with their bytes.
const PAYLOADS: i64 = 100;

/// The database.
#[derive(Debug, Clone)]
pub(crate) struct Database(PostgresReader);

/// A repository in the database.
#[derive(Clone, Copy)]
struct Repository {
    namespace: i64,
    id: i64,
}

impl Database {
    /// Parses the URL; connects to nothing yet.
    pub(crate) fn new(url: &SecretString) -> Result<Self, SettingsError> {
        Ok(Self(PostgresReader::new(url.expose_secret(), TIMEOUT)?))
    }

    /// The tags of a repository. One that never had any has a row as well.
    pub(crate) async fn tags(&self, repository: &str) -> Result<Vec<Tag>, RegistryError> {
        let Repository { namespace, id } = self.repository(repository).await?;
        let most = i64::try_from(MAX_TAGS).unwrap_or(i64::MAX).saturating_add(1);
        let values: [Value<'_>; 3] = [(&namespace, Type::INT8), (&id, Type::INT8), (&most, Type::INT8)];
        let tags = self.rows(TAGS, &values, tag).await?;
        if tags.len() > MAX_TAGS {
            return Err(RegistryError::Unavailable(TOO_MANY_TAGS.to_owned()));
        }
        Ok(tags)
    }

    /// The bytes of a manifest as it was pushed.
    pub(crate) async fn manifest(&self, repository: &str, digest: &Digest) -> Result<Bytes, RegistryError> {
        let Repository { namespace, id } = self.repository(repository).await?;
        let (digest, most) = (stored(digest), i32::try_from(MAX_MANIFEST).unwrap_or(i32::MAX));
        let values: [Value<'_>; 4] =
            [(&namespace, Type::INT8), (&id, Type::INT8), (&digest, Type::BYTEA), (&most, Type::INT4)];
        let payload = |row: &Row| row.try_get::<_, Option<Vec<u8>>>(0);
        let found = self.rows(MANIFEST, &values, payload).await?.into_iter().next();
        let payload = found.ok_or(RegistryError::Absent)?;
        let too_large =
            || RegistryError::Unreadable("is larger than the 4 MiB a manifest may have".to_owned());
        payload.map(Bytes::from).ok_or_else(too_large)
    }

    /// The manifests of a repository, and when they were pushed.
    pub(crate) async fn revisions(
        &self,
        repository: &str,
    ) -> Result<Vec<(Digest, Option<Timestamp>)>, RegistryError> {
        let Repository { namespace, id } = self.repository(repository).await?;
        let values: [Value<'_>; 2] = [(&namespace, Type::INT8), (&id, Type::INT8)];
        let row = |row: &Row| Ok((row.try_get::<_, Vec<u8>>(0)?, row.try_get::<_, Option<i64>>(1)?));
        let rows = self.rows(REVISIONS, &values, row).await?;
        let revision = |(digest, at): (Vec<u8>, Option<i64>)| {
            Ok((parse(&digest).ok_or_else(unsupported)?, at.map(Timestamp::from_millis)))
        };
        rows.into_iter().map(revision).collect()
    }

    /// The manifests of repositories that were deleted, as long as the registry keeps them, with their bytes.
    pub(crate) fn deleted_manifests(&self) -> BoxStream<'static, Result<(Digest, Bytes), RegistryError>> {
        let database = self.clone();
        let pages = stream::try_unfold(i64::MIN, move |after| {
            let database = database.clone();
            async move {
                let values: [Value<'_>; 2] = [(&after, Type::INT8), (&PAYLOADS, Type::INT8)];
                let row = |row: &Row| {
                    let (digest, payload) = (row.try_get::<_, Vec<u8>>(1)?, row.try_get::<_, Vec<u8>>(2)?);
                    Ok((row.try_get::<_, i64>(0)?, digest, payload))
                };
                let rows = database.rows(DELETED, &values, row).await?;
                let last = rows.last().map(|(id, ..)| *id);
                let manifests = rows.into_iter().map(|(_, digest, payload)| {
                    Ok((parse(&digest).ok_or_else(unsupported)?, Bytes::from(payload)))
                });
                Ok::<_, RegistryError>(last.map(|last| (stream::iter(manifests.collect::<Vec<_>>()), last)))
            }
        });
        pages.try_flatten().boxed()
    }

    /// The blobs that were linked to a repository at this time or later.
    pub(crate) async fn linked_since(&self, time: Timestamp) -> Result<Vec<Digest>, RegistryError> {
        let millis = time.millis();
        let digest = |row: &Row| row.try_get::<_, Vec<u8>>(0);
        let rows = self.rows(LINKED, &[(&millis, Type::INT8)], digest).await?;
        rows.iter().map(|digest| parse(digest).ok_or_else(unsupported)).collect()
    }

    /// Whether it answers.
    pub(crate) async fn probe(&self) -> Result<(), RegistryError> {
        let values: [Value<'_>; 2] = [(&"", Type::TEXT), (&1_i64, Type::INT8)];
        self.rows(REPOSITORIES, &values, |_| Ok(())).await.map(drop)
    }

    /// All repositories, in the byte order of their names.
    pub(crate) fn list(&self) -> FoundStream {
        let names = self.0.names(REPOSITORIES, Vec::new());
        let found = |path| Found { path, size: None, modified_at: None };
        Box::pin(names.map_ok(found).map_err(|none| ListError::Broken(no_answer(&none))))
    }

    async fn repository(&self, path: &str) -> Result<Repository, RegistryError> {
        let found = |row: &Row| Ok(Repository { namespace: row.try_get(0)?, id: row.try_get(1)? });
        let rows = self.rows(REPOSITORY, &[(&path, Type::TEXT)], found).await?;
        rows.into_iter().next().ok_or(RegistryError::NoRepository { looked_in: None })
    }

    async fn rows<T>(
        &self,
        statement: &str,
        values: &[Value<'_>],
        make: impl Fn(&Row) -> Result<T, tokio_postgres::Error>,
    ) -> Result<Vec<T>, RegistryError> {
        let told = self.0.rows(statement, values, make).await;
        // Whatever is wrong with the database concerns the registry as a whole.
        told.map_err(|none| RegistryError::storage(no_answer(&none)))
    }
}

fn no_answer(none: &NoAnswer) -> String {
    format!("the registry's database {none}")
}

fn tag(row: &Row) -> Result<Tag, tokio_postgres::Error> {
    let digest = row.try_get::<_, Option<Vec<u8>>>(1)?;
    let digest = digest.ok_or(RegistryError::Absent).and_then(|bytes| parse(&bytes).ok_or_else(unsupported));
    Ok(Tag { name: row.try_get::<_, String>(0)?.into(), digest })
}

fn unsupported() -> RegistryError {
    RegistryError::Unreadable("unsupported digest algorithm".to_owned())
}

/// The bytes by which a digest is kept.
fn stored(digest: &Digest) -> Vec<u8> {
    match digest {
        Digest::Sha256(bytes) => [&[1], bytes.as_slice()].concat(),
        Digest::Sha512(bytes) => [&[2], bytes.as_slice()].concat(),
    }
}

fn parse(bytes: &[u8]) -> Option<Digest> {
    match bytes.split_first()? {
        (1, bytes) => bytes.try_into().ok().map(Digest::Sha256),
        (2, bytes) => bytes.try_into().ok().map(Digest::Sha512),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_as_they_are_kept() {
        for digest in [Digest::Sha256([7; 32]), Digest::Sha512([8; 64])] {
            assert_eq!(parse(&stored(&digest)), Some(digest));
        }
        for bytes in [&[][..], &[1, 2], &[3; 33]] {
            assert_eq!(parse(bytes), None);
        }
    }
}

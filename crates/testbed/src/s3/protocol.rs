//! What the server answers.

use std::io::SeekFrom;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{
    ChecksumAlgorithm, ETag, ETagCondition, EncodingType, GetObjectInput, GetObjectOutput, HeadObjectInput,
    HeadObjectOutput, ListObjectsV2Input, ListObjectsV2Output, Object, ServerSideEncryption, StreamingBlob,
    Timestamp,
};
use s3s::{S3, S3Error, S3Request, S3Response, S3Result, s3_error};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use super::FORBIDDEN;
use super::object_files::{ObjectFiles, S3Facts};

/// Bytes of a file sent at a time.
const PIECE: u64 = 128 * 1024;

/// Keys in one page of a listing, unless fewer are asked for.
const PAGE: usize = 1_000;

/// An object that was found.
struct Opened {
    file: File,
    size: u64,
    modified: Timestamp,
    facts: S3Facts,
}

impl ObjectFiles {
    fn check_bucket(&self, bucket: &str) -> S3Result<()> {
        if bucket.starts_with(FORBIDDEN) {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        if !self.has_bucket(bucket) {
            return Err(s3_error!(NoSuchBucket, "The specified bucket does not exist"));
        }
        Ok(())
    }

    async fn open(&self, bucket: &str, key: &str, if_match: Option<&ETagCondition>) -> S3Result<Opened> {
        self.check_bucket(bucket)?;
        let missing = |_| s3_error!(NoSuchKey, "The specified key does not exist.");
        let file = File::open(self.path(bucket, key)).await.map_err(missing)?;
        let metadata = file.metadata().await.map_err(S3Error::internal_error)?;
        let facts = self.facts(bucket, key);
        let wanted = if_match.and_then(ETagCondition::as_etag);
        if wanted.is_some_and(|wanted| wanted.value() != facts.etag) {
            return Err(s3_error!(PreconditionFailed));
        }
        let modified = metadata.modified().map_err(S3Error::internal_error)?;
        Ok(Opened { file, size: metadata.len(), modified: Timestamp::from(modified), facts })
    }
}

impl Opened {
    fn etag(&self) -> ETag {
        ETag::Strong(self.facts.etag.clone())
    }

    fn encryption(&self) -> Option<ServerSideEncryption> {
        self.facts.encryption.clone().map(ServerSideEncryption::from)
    }
}

#[async_trait::async_trait]
impl S3 for ObjectFiles {
    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let mut opened = self.open(&input.bucket, &input.key, input.if_match.as_ref()).await?;
        let part = match input.range {
            Some(range) => range.check(opened.size)?,
            None => 0..opened.size,
        };
        opened.file.seek(SeekFrom::Start(part.start)).await.map_err(S3Error::internal_error)?;
        let content_range =
            input.range.map(|_| format!("bytes {}-{}/{}", part.start, part.end - 1, opened.size));
        let length = part.end - part.start;
        Ok(answer(GetObjectOutput {
            e_tag: Some(opened.etag()),
            last_modified: Some(opened.modified.clone()),
            server_side_encryption: opened.encryption(),
            content_length: i64::try_from(length).ok(),
            content_range,
            body: Some(StreamingBlob::wrap(pieces(opened.file, length))),
            ..GetObjectOutput::default()
        }))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        let opened = self.open(&input.bucket, &input.key, input.if_match.as_ref()).await?;
        let wanted = input.checksum_mode.is_some_and(|mode| mode.as_str() == "ENABLED");
        Ok(answer(HeadObjectOutput {
            e_tag: Some(opened.etag()),
            last_modified: Some(opened.modified.clone()),
            server_side_encryption: opened.encryption(),
            content_length: i64::try_from(opened.size).ok(),
            checksum_sha256: opened.facts.sha256.filter(|_| wanted),
            ..HeadObjectOutput::default()
        }))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        self.check_bucket(&input.bucket)?;
        let prefix = input.prefix.clone().unwrap_or_default();
        let after = input.continuation_token.or(input.start_after).unwrap_or_default();
        let count = input.max_keys.and_then(|keys| usize::try_from(keys).ok()).map_or(PAGE, |n| n.min(PAGE));
        let (keys, more) =
            self.keys(&input.bucket, &prefix, &after, count).map_err(S3Error::internal_error)?;
        let next_continuation_token = keys.last().filter(|_| more).cloned();
        let escape = input.encoding_type.as_ref().is_some_and(|kind| kind.as_str() == EncodingType::URL);
        let object = |key: String| {
            let metadata = std::fs::metadata(self.path(&input.bucket, &key)).ok();
            let modified = metadata.as_ref().and_then(|metadata| metadata.modified().ok());
            let facts = self.facts(&input.bucket, &key);
            let algorithm = ChecksumAlgorithm::from_static(ChecksumAlgorithm::SHA256);
            Object {
                e_tag: Some(ETag::Strong(facts.etag)),
                checksum_algorithm: facts.sha256.map(|_| vec![algorithm]),
                size: metadata.and_then(|metadata| i64::try_from(metadata.len()).ok()),
                last_modified: Some(Timestamp::from(modified.unwrap_or(SystemTime::UNIX_EPOCH))),
                key: Some(if escape { escaped(&key) } else { key }),
                ..Object::default()
            }
        };
        Ok(answer(ListObjectsV2Output {
            key_count: i32::try_from(keys.len()).ok(),
            contents: Some(keys.into_iter().map(object).collect()),
            is_truncated: Some(more),
            next_continuation_token,
            name: Some(input.bucket.clone()),
            encoding_type: input.encoding_type,
            prefix: input.prefix,
            ..ListObjectsV2Output::default()
        }))
    }
}

/// A response with the header that every one of Amazon's has.
fn answer<T>(output: T) -> S3Response<T> {
    let mut response = S3Response::new(output);
    if let Ok(id) = "4442587FB7D0A2F9".parse() {
        response.headers.insert("x-amz-request-id", id);
    }
    response
}

/// The key as in a form, which is how Amazon escapes it.
fn escaped(key: &str) -> String {
    utf8_percent_encode(key, NON_ALPHANUMERIC).to_string().replace("%20", "+")
}

/// The next `left` bytes of the file.
fn pieces(file: File, left: u64) -> impl Stream<Item = std::io::Result<Bytes>> + Send + Sync {
    stream::try_unfold((file, left), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let wanted = left.min(PIECE);
        let mut piece = BytesMut::with_capacity(usize::try_from(wanted).unwrap_or_default());
        let count = (&mut file).take(wanted).read_buf(&mut piece).await?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let left = left.saturating_sub(u64::try_from(count).unwrap_or(left));
        Ok(Some((piece.freeze(), (file, left))))
    })
}

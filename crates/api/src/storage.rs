//! Where media comes from and goes to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::headers::{CacheControl, ContentTypes};

/// An object store, named so that inputs and outputs can refer to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoreSpec {
    /// A DNS label.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"), extend("title" = "a DNS label: lower-case letters, digits and `-`, not at an end"))]
    pub name: String,
    /// An S3-compatible service.
    pub s3: S3Store,
    /// Default: the environment of the process (`AWS_ACCESS_KEY_ID` and so on), the AWS profile,
    /// or the workload's identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<CredentialsSpec>,
}

/// An S3-compatible service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct S3Store {
    /// URL of the service. Default: AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^https?://[^/@?#\x00-\x20]+/?$"), extend("title" = "the URL of a service, such as `https://s3.example`, without a path"))]
    pub endpoint: Option<String>,
    /// Default: us-east-1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-zA-Z0-9-]+$"), extend("title" = "a region such as `eu-central-1`"))]
    pub region: Option<String>,
    /// How a bucket is addressed. Default: Path when an endpoint is given, else Virtual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addressing: Option<Addressing>,
}

/// How a bucket is addressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Addressing {
    /// `https://endpoint/bucket/key`
    Path,
    /// `https://bucket.endpoint/key`
    Virtual,
}

/// Where a store's credentials are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialsSpec {
    /// A Secret with the keys `accessKeyId`, `secretAccessKey` and, if temporary, `sessionToken`.
    /// The local engine reads a folder of that name below `--credentials-dir`.
    pub secret_ref: SecretRef,
}

/// A Secret of the job's namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"), extend("title" = "a DNS name: lower-case letters, digits, `-` and `.`"))]
    pub name: String,
}

/// A source: exactly one of `s3`, `http` and `file`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    /// A DNS label.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"), extend("title" = "a DNS label: lower-case letters, digits and `-`, not at an end"))]
    pub name: String,
    /// An object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3Input>,
    /// A URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpInput>,
    /// A file; local engine only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileInput>,
}

/// An object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct S3Input {
    /// One of `stores`.
    #[schemars(length(min = 1, max = 63))]
    pub store: String,
    /// The bucket.
    #[schemars(length(min = 3, max = 63), regex(pattern = r"^[a-z0-9][a-z0-9.-]*[a-z0-9]$"), extend("title" = "a bucket name: lower-case letters, digits, `.` and `-`"))]
    pub bucket: String,
    /// The object's key.
    #[schemars(length(min = 1, max = 1024))]
    pub key: String,
}

/// A URL, read with ranges: exactly one of `url` and `urlSecretRef`. Private addresses are refused unless the site allows
/// them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpInput {
    /// `http` or `https`, without credentials in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048), regex(pattern = r"^https?://[^/@\x00-\x20]+(/[^\x00-\x20]*)?$"), extend("title" = "an http or https URL without credentials, such as `https://media.example/movie.mov`"))]
    pub url: Option<String>,
    /// Where the URL is kept if whoever can read the job must not have it, such as a signed URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_secret_ref: Option<SecretKeyRef>,
}

/// A key of a Secret in the job's namespace; with the local engine, a file in a folder of that name below
/// `--credentials-dir`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"), extend("title" = "a DNS name: lower-case letters, digits, `-` and `.`"))]
    pub name: String,
    /// The key.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-_a-zA-Z0-9][-._a-zA-Z0-9]*$"), extend("title" = "a key of a Secret: letters, digits, `-`, `_` and `.`"))]
    pub key: String,
}

/// A file on this machine; local engine only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileInput {
    /// Relative paths count from the working directory.
    #[schemars(length(min = 1, max = 4096))]
    pub path: String,
}

/// A destination: exactly one of `s3` and `file`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// A DNS label.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"), extend("title" = "a DNS label: lower-case letters, digits and `-`, not at an end"))]
    pub name: String,
    /// A prefix in a bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3Output>,
    /// A folder; local engine only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileOutput>,
    /// What is made. Default: hls, dash and mp4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 3), extend("x-kubernetes-list-type" = "set"))]
    pub formats: Option<Vec<Format>>,
    /// What becomes of the output when the job is deleted. Default: Retain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_delete: Option<OnDelete>,
}

/// What becomes of the output when the job is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum OnDelete {
    /// It stays.
    Retain,
    /// It is deleted with the job.
    Delete,
}

/// A prefix in a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct S3Output {
    /// One of `stores`.
    #[schemars(length(min = 1, max = 63))]
    pub store: String,
    /// The bucket.
    #[schemars(length(min = 3, max = 63), regex(pattern = r"^[a-z0-9][a-z0-9.-]*[a-z0-9]$"), extend("title" = "a bucket name: lower-case letters, digits, `.` and `-`"))]
    pub bucket: String,
    /// Everything is written below it; it belongs to this job.
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^[^/].*[^/]$|^[^/]$"), extend("title" = "a prefix such as `movies/42`, without `/` at either end"))]
    pub prefix: String,
    /// `Cache-Control` of published objects. `job.json` is always `no-cache`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<CacheControl>,
    /// `Content-Type` of published objects for which services and players use more than one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_types: Option<ContentTypes>,
}

/// A folder on this machine; local engine only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileOutput {
    /// Made when missing; it belongs to this job. Relative paths count from the working directory.
    #[schemars(length(min = 1, max = 4096))]
    pub path: String,
}

/// What is made of the renditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `master.m3u8` over CMAF segments.
    Hls,
    /// `manifest.mpd` over the same segments.
    Dash,
    /// A progressive MP4 of each rendition.
    Mp4,
}

//! Sorts the SDK's errors.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::error::{StoreError, chain, untrusted};
use crate::guard;

/// What an error means to the caller.
pub(super) fn sort<E>(uri: impl Into<String>, error: &SdkError<E>) -> StoreError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let uri = uri.into();
    if let Some(forbidden) = guard::refusal(error) {
        return StoreError::refused(uri, forbidden);
    }
    if let Some(why) = no_credentials(error).or_else(|| untrusted(error)) {
        return StoreError::misconfigured(uri, why);
    }
    let status = error.raw_response().map(|answer| answer.status().as_u16());
    match (error, status) {
        (SdkError::ServiceError(_), Some(status)) => by_code(uri, error.code(), error.message(), status),
        (SdkError::ConstructionFailure(_), _) => StoreError::misconfigured(uri, chain(error)),
        _ => StoreError::unavailable(uri, chain(error)),
    }
}

fn by_code(uri: String, code: Option<&str>, message: Option<&str>, status: u16) -> StoreError {
    let mut why = format!("status {status}");
    for words in [code, message].into_iter().flatten() {
        why = format!("{why}, {words}");
    }
    match (code.unwrap_or_default(), status) {
        ("NoSuchBucket", _) => StoreError::no_such_bucket(uri, why),
        ("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException", _) | (_, 301) => {
            StoreError::misconfigured(uri, format!("the bucket is in another region; set `region` ({why})"))
        }
        // versitygw says the last one of an access key that it does not know, with status 404.
        ("ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" | "XAdminUserNotFound", _) => {
            StoreError::denied(uri, why)
        }
        ("QuotaExceeded" | "XMinioStorageFull" | "EntityTooLarge", _) | (_, 507) => StoreError::no_space(uri, why),
        ("NoSuchUpload" | "RequestTimeout" | "SlowDown" | "ConditionalRequestConflict", _) => {
            StoreError::unavailable(uri, why)
        }
        (_, 401 | 403) => StoreError::denied(uri, why),
        (_, 404 | 410) => StoreError::not_found(uri, why),
        (_, 412) => StoreError::changed(uri, why),
        // The range came from a HEAD of the same version.
        (_, 416) => StoreError::changed(uri, why),
        (_, 400..=499) if !matches!(status, 408 | 409 | 425 | 429) => StoreError::misconfigured(uri, why),
        _ => StoreError::unavailable(uri, why),
    }
}

/// Whether a request could not even be signed.
fn no_credentials(error: &(dyn Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(cause) = next {
        match cause.downcast_ref::<CredentialsError>() {
            Some(CredentialsError::CredentialsNotLoaded(_)) => {
                let places = "a Secret or folder, the environment, the AWS profile, the workload's identity";
                return Some(format!("no credentials were found; give some by one of: {places}"));
            }
            Some(invalid @ CredentialsError::InvalidConfiguration(_)) => {
                return Some(chain(invalid));
            }
            _ => next = cause.source(),
        }
    }
    None
}

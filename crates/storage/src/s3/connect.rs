//! From a store's description to a client.

use std::path::Path;
use std::time::Duration;

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Builder, Region, RequestChecksumCalculation, ResponseChecksumValidation, SharedHttpClient,
    StalledStreamProtectionConfig,
};
use aws_sdk_s3::{Client, Config};
use aws_smithy_http_client::{
    Connector,
    proxy::ProxyConfig,
    tls::{Provider, rustls_provider::CryptoMode},
};
use transcode_api::{Addressing, S3Store as S3Spec};
use url::{Host, Url};

use super::credentials::Folder;
use crate::error::{Result, StoreError};
use crate::guard::{GuardPolicy, GuardedDns};

const CONNECT: Duration = Duration::from_secs(10);
/// To the first byte of an answer.
const ANSWER: Duration = Duration::from_secs(60);
/// The slowest link that an upload is given time for, in bytes per second.
const SLOWEST: u64 = 64 * 1024;

/// A client for the service, with its addresses guarded when a user gave them.
pub(super) fn client(uri: &str, spec: &S3Spec, credentials: Option<&Path>, guard: &GuardPolicy) -> Result<Client> {
    let region = Region::new(spec.region.clone().unwrap_or_else(|| "us-east-1".to_owned()));
    let mut config = Config::builder()
        .region(region.clone())
        .retry_config(RetryConfig::standard().with_max_attempts(5))
        .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT).read_timeout(ANSWER).build())
        // Reads have their own idle timeout, which a slow reader doesn't trip; uploads a deadline.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        // Compatible services don't know the newer checksums.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    config = match credentials {
        Some(folder) => config.credentials_provider(Folder::new(uri, folder)?),
        None => config.credentials_provider(ambient(region)),
    };
    let path_style = match spec.addressing {
        Some(addressing) => addressing == Addressing::Path,
        None => spec.endpoint.is_some(),
    };
    config = config.force_path_style(path_style);
    // The provider's own endpoints are no user's: inside its network their addresses are private ones.
    let mut resolver = None;
    if let Some(endpoint) = &spec.endpoint {
        let url = endpoint_url(uri, endpoint, path_style, guard)?;
        resolver = Some(GuardedDns(guard.at_endpoint(&url)));
        config = config.endpoint_url(url.as_str().trim_end_matches('/'));
    }
    Ok(Client::from_conf(config.http_client(http(guard.environment_proxy, resolver)).build()))
}

/// Connections, with the guard where names become addresses.
fn http(environment_proxy: bool, resolver: Option<GuardedDns>) -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().build_with_connector_fn(move |settings, _| {
        let proxy = if environment_proxy { ProxyConfig::from_env() } else { ProxyConfig::disabled() };
        let mut connector = Connector::builder().proxy_config(proxy);
        connector.set_connector_settings(settings.cloned());
        let connector = connector.tls_provider(Provider::Rustls(CryptoMode::AwsLc));
        match &resolver {
            Some(resolver) => connector.build_with_resolver(resolver.clone()),
            None => connector.build(),
        }
    })
}

fn endpoint_url(uri: &str, endpoint: &str, path_style: bool, guard: &GuardPolicy) -> Result<Url> {
    let url = Url::parse(endpoint)
        .map_err(|error| StoreError::misconfigured(uri, format!("`endpoint` is no URL: {error}")))?;
    guard.at_endpoint(&url).check_url(&url)?;
    // `bucket.127.0.0.1` is no name, and could even be read as another address.
    if !path_style && !matches!(url.host(), Some(Host::Domain(_))) {
        let why = "`addressing: Virtual` needs a host name as `endpoint`, not an address";
        return Err(StoreError::misconfigured(uri, why));
    }
    Ok(url)
}

/// What the process was given: environment, profile, web identity, container. No probing of the
/// instance's metadata, which takes seconds where there is none.
fn ambient(region: Region) -> CredentialsProviderChain {
    let config = ProviderConfig::default().with_region(Some(region));
    let web = WebIdentityTokenCredentialsProvider::builder().configure(&config).build();
    let profile = ProfileFileCredentialsProvider::builder().configure(&config).build();
    let container = EcsCredentialsProvider::builder().configure(&config).build();
    CredentialsProviderChain::first_try("environment", EnvironmentVariableCredentialsProvider::new())
        .or_else("profile", profile)
        .or_else("web identity", web)
        .or_else("container", container)
}

/// Time for sending (or having copied) `bytes` before the answer comes.
pub(super) fn upload_timeouts(bytes: u64) -> Builder {
    let answer = ANSWER + Duration::from_secs(bytes / SLOWEST);
    let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT).read_timeout(answer).build();
    Config::builder().timeout_config(timeouts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(endpoint: &str, addressing: Addressing, guard: &GuardPolicy) -> Result<Client> {
        let spec = S3Spec { endpoint: Some(endpoint.into()), region: None, addressing: Some(addressing) };
        client("s3://bucket/", &spec, None, guard)
    }

    #[test]
    fn endpoints_are_guarded() {
        let strict = GuardPolicy::default();
        build("https://s3.example:9000", Addressing::Virtual, &strict).unwrap();
        for endpoint in ["http://127.0.0.1:9000", "http://10.0.0.1", "http://[::1]:9000", "http://169.254.169.254"] {
            let error = build(endpoint, Addressing::Path, &strict).unwrap_err();
            assert!(matches!(error, StoreError::Refused { .. }), "{error}");
        }
        let trusting = GuardPolicy::trusting();
        build("http://127.0.0.1:9000", Addressing::Path, &trusting).unwrap();
        let error = build("http://169.254.169.254", Addressing::Path, &trusting).unwrap_err();
        assert!(matches!(error, StoreError::Refused { .. }), "{error}");
        let error = build("http://8.8.8", Addressing::Virtual, &trusting).unwrap_err();
        assert!(matches!(error, StoreError::Misconfigured { .. }), "{error}");
    }
}

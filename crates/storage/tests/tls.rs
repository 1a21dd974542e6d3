//! A server whose certificate nobody here vouches for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{sync::Arc, time::Duration};

use tokio::net::TcpListener;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer},
};
use transcode_storage::{GuardPolicy, HttpLimits, HttpSource, S3Store, Store, StoreError};

/// Where it listens.
async fn server() -> String {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // No client goes on after the certificate.
            let _ = acceptor.accept(stream).await;
        }
    });
    format!("https://localhost:{port}")
}

fn names_the_certificate(error: &StoreError) {
    let words = error.to_string();
    let right = matches!(error, StoreError::Misconfigured { .. });
    assert!(right && words.contains("UnknownIssuer") && words.contains("SSL_CERT_FILE"), "{error:?}");
}

#[tokio::test]
async fn no_source_is_read_from_it() {
    let url = format!("{}/film.mp4", server().await);
    let limits = HttpLimits { retry_delay: Duration::from_millis(1), ..HttpLimits::default() };
    names_the_certificate(&HttpSource::open(&url, &GuardPolicy::trusting(), &limits).await.unwrap_err());
}

#[tokio::test]
async fn no_store_is_used_on_it() {
    let keys = tempfile::tempdir().unwrap();
    for key in ["accessKeyId", "secretAccessKey"] {
        std::fs::write(keys.path().join(key), "key").unwrap();
    }
    let spec = transcode_api::StoreSpec {
        name: "test".into(),
        s3: transcode_api::S3Store { endpoint: Some(server().await), region: None, addressing: None },
        credentials: None,
    };
    let store = S3Store::new(&spec, "bucket", "", Some(keys.path()), &GuardPolicy::trusting()).unwrap();
    names_the_certificate(&store.head("film.mp4").await.unwrap_err());
}

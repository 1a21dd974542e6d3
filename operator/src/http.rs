//! What others ask this process: metrics and health. And a count of what it asks others.

use std::{
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use anyhow::Context as _;
use axum::{Router, http::StatusCode, routing::get};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::{Layer, Service};

use crate::metrics::{Metrics, Request};

/// Serves /metrics, /healthz and /readyz until `stop`.
pub async fn serve(address: SocketAddr, metrics: Metrics, stop: CancellationToken) -> anyhow::Result<()> {
    let (scraped, asked) = (metrics.clone(), metrics);
    let ready =
        move || std::future::ready(if asked.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE });
    let kind = [("content-type", "application/openmetrics-text; version=1.0.0; charset=utf-8")];
    let router = Router::new()
        .route("/metrics", get(move || std::future::ready((kind, scraped.text()))))
        .route("/healthz", get(|| std::future::ready(StatusCode::OK)))
        .route("/readyz", get(ready));
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("--http-address {address} can't be used"))?;
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await?;
    Ok(())
}

/// Counts requests to the API server.
#[derive(Clone)]
pub struct Counting {
    metrics: Metrics,
}

impl Counting {
    /// Counts here.
    pub fn new(metrics: Metrics) -> Self {
        Counting { metrics }
    }
}

impl<S> Layer<S> for Counting {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted { inner, metrics: self.metrics.clone() }
    }
}

/// A service whose requests are counted.
#[derive(Clone)]
pub struct Counted<S> {
    inner: S,
    metrics: Metrics,
}

impl<S, A, B> Service<::http::Request<A>> for Counted<S>
where
    S: Service<::http::Request<A>, Response = ::http::Response<B>>,
    S::Future: Send + 'static,
    S::Error: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: ::http::Request<A>) -> Self::Future {
        let verb = verb(request.method(), request.uri().query().unwrap_or_default());
        let (metrics, answer) = (self.metrics.clone(), self.inner.call(request));
        Box::pin(async move {
            let answer = answer.await;
            let code = answer.as_ref().map_or("none".into(), |answer| answer.status().as_u16().to_string());
            metrics.requested(&Request { verb: verb.into(), code });
            answer
        })
    }
}

fn verb(method: &::http::Method, query: &str) -> &'static str {
    match method.as_str() {
        "GET" if query.contains("watch=true") => "watch",
        "GET" => "get",
        "POST" => "create",
        "PATCH" => "patch",
        "PUT" => "update",
        "DELETE" => "delete",
        _ => "other",
    }
}

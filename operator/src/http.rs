//! What others ask this process: metrics and health. And a count of what it asks others.

use std::{
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use axum::{Router, http::StatusCode, routing::get};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::{Layer, Service};

use crate::metrics::{Metrics, Request};

/// No answer of the API server takes longer between two pieces. A watch that has nothing to show has a bookmark a minute
/// (`bookmarkFrequency` of the API server's cache).
pub const READ_TIMEOUT: Duration = Duration::from_secs(150);

/// Serves /metrics, /healthz and /readyz until `stop`.
pub async fn serve(address: SocketAddr, metrics: Metrics, stop: CancellationToken) -> anyhow::Result<()> {
    let (scraped, asked, health) = (metrics.clone(), metrics.health.clone(), metrics.health);
    let told = |why: Option<&'static str>| {
        std::future::ready(why.map_or((StatusCode::OK, "ok"), |why| (StatusCode::SERVICE_UNAVAILABLE, why)))
    };
    let ready = move || told((!asked.is_ready()).then_some("the initial lists are not complete yet"));
    let alive = move || told(health.stuck(Instant::now()));
    let kind = [("content-type", "application/openmetrics-text; version=1.0.0; charset=utf-8")];
    let router = Router::new()
        .route("/metrics", get(move || std::future::ready((kind, scraped.text()))))
        .route("/healthz", get(alive))
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
        let verb = verb(request.method(), request.uri());
        if verb == "watch" {
            self.metrics.health.watches();
        }
        let (metrics, answer) = (self.metrics.clone(), self.inner.call(request));
        Box::pin(async move {
            let answer = answer.await;
            let code = answer.as_ref().map_or("none".into(), |answer| answer.status().as_u16().to_string());
            metrics.requested(&Request { verb: verb.into(), code });
            answer
        })
    }
}

/// As Kubernetes names it: <https://kubernetes.io/docs/reference/access-authn-authz/authorization/#determine-the-request-verb>.
fn verb(method: &::http::Method, uri: &::http::Uri) -> &'static str {
    match method.as_str() {
        "GET" if uri.query().unwrap_or_default().contains("watch=true") => "watch",
        "GET" if is_collection(uri.path()) => "list",
        "GET" => "get",
        "POST" => "create",
        "PATCH" => "patch",
        "PUT" => "update",
        "DELETE" => "delete",
        _ => "other",
    }
}

/// `/api/v1/pods` and `/apis/batch/v1/namespaces/media/jobs`, with no name behind.
fn is_collection(path: &str) -> bool {
    let parts: Vec<_> = path.trim_matches('/').split('/').collect();
    let below = match parts.as_slice() {
        ["api", _, below @ ..] | ["apis", _, _, below @ ..] => below,
        _ => &[],
    };
    matches!(below, [_] | ["namespaces", _, _])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_no_get() {
        let verb = |path: &str| verb(&::http::Method::GET, &path.parse().unwrap());
        assert_eq!(verb("/api/v1/namespaces/media/pods?limit=500"), "list");
        assert_eq!(verb("/apis/batch/v1/jobs?watch=true&timeoutSeconds=290"), "watch");
        assert_eq!(verb("/apis/transcode.media/v1alpha1/transcodejobs"), "list");
        assert_eq!(verb("/apis/batch/v1/namespaces/media/jobs/film"), "get");
        assert_eq!(verb("/version"), "get");
    }
}

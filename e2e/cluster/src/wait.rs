//! Waiting is watching: until an object is as it should be, or far too late.

use std::{fmt::Debug, time::Duration};

use anyhow::{Context, Result, bail};
use futures::StreamExt;
use kube::{
    Api, Resource, ResourceExt,
    api::ListParams,
    runtime::{WatchStreamExt, watcher},
};
use serde::de::DeserializeOwned;

/// No step of a test takes so long on a machine that is only slow.
pub const PATIENCE: Duration = Duration::from_secs(420);

/// Watches an object until `holds`; `None` stands for one that is not there.
pub async fn until<K>(api: &Api<K>, name: &str, holds: impl Fn(Option<&K>) -> bool) -> Result<Option<K>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    until_with(api, name, holds).await
}

/// As [`until`], for objects of any kind.
pub async fn until_with<K>(api: &Api<K>, name: &str, holds: impl Fn(Option<&K>) -> bool) -> Result<Option<K>>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut last = None;
    let watch = async {
        let mut objects = watcher::watch_object(api.clone(), name).default_backoff().boxed();
        while let Some(object) = objects.next().await {
            // The API server may be gone for a while: the watch begins again by itself.
            let Ok(object) = object else { continue };
            last = object;
            if holds(last.as_ref()) {
                return Ok(());
            }
        }
        bail!("the watch ended")
    };
    match tokio::time::timeout(PATIENCE, watch).await {
        Ok(result) => result.map(|()| last),
        Err(_) => bail!("{name} is not as it should be after {} s: {last:#?}", PATIENCE.as_secs()),
    }
}

/// Watches until no object that a selector finds is left.
pub async fn until_none<K>(api: &Api<K>, labels: &str) -> Result<()>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    loop {
        let left = api.list(&ListParams::default().labels(labels)).await?.items;
        if left.is_empty() {
            return Ok(());
        }
        for object in left {
            until(api, &object.name_any(), |object| object.is_none()).await?;
        }
    }
}

/// As [`until`], over all objects of a kind that a selector finds.
pub async fn until_any<K>(api: &Api<K>, labels: &str, holds: impl Fn(&K) -> bool) -> Result<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let watch = async {
        let objects = watcher::watcher(api.clone(), watcher::Config::default().labels(labels));
        let mut objects = objects.default_backoff().applied_objects().boxed();
        while let Some(object) = objects.next().await {
            let Ok(object) = object else { continue };
            if holds(&object) {
                return Ok(object);
            }
        }
        bail!("the watch ended")
    };
    tokio::time::timeout(PATIENCE, watch).await.with_context(|| format!("nothing with {labels} is as it should be"))?
}

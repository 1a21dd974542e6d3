//! The ConfigMaps of a job: what it was when it was first seen, what became known of its source, and
//! the record. The first two never change. All are read as if anyone had written them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;
use sha2::{Digest, Sha256};
use transcode_api::TranscodeJob;
use transcode_contract::{FactsFile, JobFile, VERSION};
use transcode_engine::{Facts, Plan, Record};

use crate::{
    error::{Error, namespace_goes},
    names::{self, MANAGER, Names},
};

/// A job as it was when it was first seen.
#[derive(Debug, Clone)]
pub struct Seen {
    /// What runners are given.
    pub file: JobFile,
    /// The runner's image, so that a job has one from start to end.
    pub image: String,
}

/// What makes a job go on after the operator restarts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Memory {
    /// What was seen.
    pub record: Record,
    /// The ConfigMap with the plan and the facts that it was made of.
    pub facts: Option<String>,
}

/// A job's ConfigMaps.
pub struct Files<'a> {
    api: Api<ConfigMap>,
    job: &'a TranscodeJob,
    names: Names,
}

impl<'a> Files<'a> {
    /// Of a job.
    pub fn of(client: kube::Client, job: &'a TranscodeJob) -> Self {
        let api = Api::namespaced(client, &job.namespace().unwrap_or_default());
        Files { api, job, names: Names::of(job) }
    }

    /// The job as it was first seen, if it was.
    pub async fn seen(&self) -> Result<Option<Seen>, Error> {
        let Some(map) = self.get(&self.names.job_file()).await? else { return Ok(None) };
        let file = read(&map, "job.json").filter(|file: &JobFile| file.version <= VERSION);
        let image = map.data.as_ref().and_then(|data| data.get("image").cloned());
        match (file, image) {
            (Some(file), Some(image)) => Ok(Some(Seen { file, image })),
            _ => Err(Error::Unreadable { name: map.name_any() }),
        }
    }

    /// Keeps the job as it is now, for good.
    pub async fn see(&self, seen: &Seen) -> Result<(), Error> {
        let data = BTreeMap::from([
            ("job.json".into(), text(&seen.file)),
            ("image".into(), seen.image.clone()),
            ("engine".into(), env!("CARGO_PKG_VERSION").into()),
        ]);
        self.create(self.names.job_file(), data).await
    }

    /// Keeps plan and facts, for good; the name is of their content.
    pub async fn know(&self, plan: &Plan, facts: &Facts) -> Result<String, Error> {
        let data = BTreeMap::from([
            ("plan.json".to_owned(), text(plan)),
            ("facts.json".to_owned(), text(&FactsFile { version: VERSION, facts: facts.clone() })),
        ]);
        let digest = hex::encode(Sha256::digest(data.values().cloned().collect::<String>()));
        let name = self.names.facts_file(&digest[..10]);
        self.create(name.clone(), data).await?;
        Ok(name)
    }

    /// The plan that was kept under a name.
    pub async fn plan(&self, name: &str) -> Result<Option<Plan>, Error> {
        Ok(self.get(name).await?.and_then(|map| read(&map, "plan.json")))
    }

    /// The record with the version of its object. One that can't be read is as good as lost: it
    /// holds no work.
    pub async fn memory(&self) -> Result<(Memory, Option<String>), Error> {
        let Some(map) = self.get(&self.names.record()).await? else { return Ok(Default::default()) };
        Ok((read(&map, "memory.json").unwrap_or_default(), map.resource_version()))
    }

    /// Writes the record over the version that was read, and tells the new one.
    pub async fn remember(&self, memory: &Memory, version: Option<&str>) -> Result<Option<String>, Error> {
        let name = self.names.record();
        let memory = Memory { record: memory.record.condensed(), facts: memory.facts.clone() };
        let data = BTreeMap::from([("memory.json".to_owned(), text(&memory))]);
        let mut map = self.object(name.clone(), data, None);
        let written = match version {
            None => self.api.create(&PostParams::default(), &map).await?,
            Some(version) => {
                map.metadata.resource_version = Some(version.into());
                let patch = json!({
                    "apiVersion": "v1", "kind": "ConfigMap", "metadata": map.metadata, "data": map.data
                });
                self.api.patch(&name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(patch)).await?
            }
        };
        Ok(written.resource_version())
    }

    /// Whether the namespace is being deleted: nothing can be made in it any more. Asked by a dry run,
    /// which needs no permission beyond those that are there.
    pub async fn namespace_goes(&self) -> Result<bool, Error> {
        let map = self.object(self.names.job_file() + "-dry-run", BTreeMap::new(), None);
        let dry_run = PostParams { dry_run: true, ..PostParams::default() };
        match self.api.create(&dry_run, &map).await {
            Err(kube::Error::Api(status)) => Ok(namespace_goes(&status)),
            other => Ok(other.map(|_| false)?),
        }
    }

    fn object(&self, name: String, data: BTreeMap<String, String>, immutable: Option<bool>) -> ConfigMap {
        let metadata = names::owned(self.job, name, self.names.labels());
        ConfigMap { metadata, data: Some(data), immutable, ..ConfigMap::default() }
    }

    async fn create(&self, name: String, data: BTreeMap<String, String>) -> Result<(), Error> {
        let map = self.object(name.clone(), data, Some(true));
        match self.api.create(&PostParams::default(), &map).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                // An earlier pass made it; its name says what is in it.
                self.get(&name).await?.map(|_| ()).ok_or(Error::Gone { name })
            }
            other => Ok(other.map(|_| ())?),
        }
    }

    /// A ConfigMap that is this job's own.
    async fn get(&self, name: &str) -> Result<Option<ConfigMap>, Error> {
        match self.api.get_opt(name).await? {
            Some(map) if !names::is_owned(self.job, &map.metadata) => Err(Error::Foreign { name: name.into() }),
            other => Ok(other),
        }
    }
}

fn read<T: DeserializeOwned>(map: &ConfigMap, key: &str) -> Option<T> {
    serde_json::from_str(map.data.as_ref()?.get(key)?).ok()
}

fn text(value: &impl Serialize) -> String {
    // Plain data structures always serialise.
    serde_json::to_string(value).unwrap_or_default()
}

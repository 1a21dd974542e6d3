//! The ConfigMaps of a job: what it was when it was first seen, what became known of its source, and
//! the record. The first two never change. All are read as if anyone had written them, and any of them may be
//! deleted at any time: by a person, or by the garbage collector when a deletion of the job is in the foreground. The
//! first one is needed until the job's work data is deleted, so a finalizer keeps it. The others are made again.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, ResourceExt,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;
use sha2::{Digest, Sha256};
use transcode_api::TranscodeJob;
use transcode_contract::{FactsFile, JobFile, VERSION, speaks};
use transcode_engine::{Facts, Plan, Record};

use crate::{
    children,
    error::{Error, namespace_goes},
    names::{self, FINALIZER, JOB_UID, MANAGER, Names},
};

/// What every version of a job file has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// A job as it was when it was first seen.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Name of the ConfigMap.
    pub name: String,
    /// What runners are given.
    pub file: JobFile,
    /// The same as it is written: another version of the operator might write it in another way.
    written: String,
    /// The runner's image, so that a job has one from start to end.
    pub image: String,
    /// Of the file as runners read it: they refuse another one.
    pub sha256: String,
    /// Of the file and the image. The status has it too, which users can't write: a forged ConfigMap differs.
    pub digest: String,
    /// Whether the ConfigMap has the finalizer.
    pub protected: bool,
}

impl Seen {
    /// As it is kept.
    pub fn new(name: String, file: JobFile, image: &str) -> Self {
        let written = text(&file);
        let (sha256, digest, image) = (sha256(&written), digest(image, &written), image.into());
        Seen { name, file, written, image, sha256, digest, protected: false }
    }

    /// Reads what was kept, if its digest is the one that was told.
    fn read(map: &ConfigMap, told: &str) -> Result<Option<Self>, Error> {
        let value = |key: &str| map.data.as_ref()?.get(key).cloned();
        let Some((written, image)) = value("job.json").zip(value("image")) else { return Ok(None) };
        if digest(&image, &written) != told {
            return Ok(None);
        }
        match read::<Versioned>(map, "job.json") {
            Some(Versioned { version }) if !speaks(version) => return Err(Error::Contract { version, image }),
            _ => {}
        }
        Ok(read(map, "job.json").map(|file| Seen {
            name: map.name_any(),
            file,
            sha256: sha256(&written),
            written,
            image,
            digest: told.into(),
            protected: is_protected(map),
        }))
    }

    /// The same job with another runner image.
    fn with_image(&self, names: &Names, image: &str) -> Self {
        let seen = Seen::new(String::new(), JobFile::new(self.file.spec.clone()), image);
        Seen { name: names.other_job_file(&seen.digest), ..seen }
    }
}

/// Plan and facts as they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The ConfigMap.
    pub name: String,
    /// Of the facts as runners read them: they refuse others.
    pub sha256: String,
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

    /// The job as it was first seen, if it was. The status has to agree: anyone may have written a ConfigMap.
    pub async fn seen(&self) -> Result<Option<Seen>, Error> {
        let Some(told) = self.told() else { return Ok(None) };
        for name in [self.names.job_file(), self.names.other_job_file(told)] {
            // The digest says whose it is. Owners may be gone: `kubectl delete --cascade=orphan` drops them.
            let Some(map) = self.api.get_opt(&name).await? else { continue };
            if let Some(seen) = Seen::read(&map, told)? {
                return Ok(Some(seen));
            }
        }
        Ok(None)
    }

    /// The digest of the job as it was first seen, as the status tells it. Without it nothing was started.
    pub fn told(&self) -> Option<&String> {
        self.job.status.as_ref()?.resolved.as_ref()
    }

    /// Keeps the job as it is now, for good. Under the name of the digest where there is another one already: an
    /// operator of another version may have written it and died before the status said so, or anyone else.
    pub async fn see(&self, mut seen: Seen) -> Result<Seen, Error> {
        if self.told().is_some_and(|told| *told != seen.digest) {
            return Err(Error::Unreadable { name: seen.name });
        }
        self.write(&mut seen).await?;
        Ok(seen)
    }

    /// The job as it was first seen, with another runner image from here on. The status still has to vouch for it.
    pub async fn see_again(&self, seen: &Seen, image: &str) -> Result<Seen, Error> {
        let mut seen = seen.with_image(&self.names, image);
        self.write(&mut seen).await?;
        Ok(seen)
    }

    async fn write(&self, seen: &mut Seen) -> Result<(), Error> {
        let data = BTreeMap::from([("job.json".into(), seen.written.clone()), ("image".into(), seen.image.clone())]);
        let mut map = self.object(seen.name.clone(), data, Some(true));
        map.metadata.finalizers = seen.protected.then(|| vec![FINALIZER.into()]);
        let there = match self.create(&map).await {
            Err(Error::Unreadable { .. } | Error::Foreign { .. }) => {
                seen.name = self.names.other_job_file(&seen.digest);
                map.metadata.name = Some(seen.name.clone());
                self.create(&map).await?
            }
            other => other?,
        };
        seen.protected = is_protected(&there);
        Ok(())
    }

    /// Keeps the job as it was first seen from being deleted.
    pub async fn protect(&self, seen: &mut Seen) -> Result<(), Error> {
        if !seen.protected
            && let Some(map) = self.api.get_metadata_opt(&seen.name).await?
        {
            children::set_finalizer(&self.api, &map, true).await?;
            seen.protected = true;
        }
        Ok(())
    }

    /// Nothing needs the job as it was first seen any more.
    pub async fn release(&self) -> Result<(), Error> {
        let own = ListParams::default().labels(&format!("{JOB_UID}={}", self.job.uid().unwrap_or_default()));
        for map in self.api.list_metadata(&own).await?.items.iter().filter(|map| is_protected(*map)) {
            self.let_go(map).await?;
        }
        Ok(())
    }

    /// Removes the finalizer. Server-side apply would not: it removes only what server-side apply has added, and some
    /// ConfigMaps were created with the finalizer.
    async fn let_go(&self, map: &impl ResourceExt) -> Result<(), Error> {
        let others: Vec<_> = map.finalizers().iter().filter(|name| *name != FINALIZER).collect();
        let metadata = json!({"uid": map.uid(), "resourceVersion": map.resource_version(), "finalizers": others});
        let patch = Patch::Merge(json!({ "metadata": metadata }));
        match self.api.patch_metadata(&map.name_any(), &PatchParams::default(), &patch).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            other => Ok(other.map(|_| ())?),
        }
    }

    /// Keeps plan and facts, for good; the name is of their content.
    pub async fn know(&self, plan: &Plan, facts: &Facts) -> Result<Kept, Error> {
        let facts = text(&FactsFile { version: VERSION, facts: facts.clone() });
        let digest = sha256(&facts);
        let data = BTreeMap::from([("plan.json".to_owned(), text(plan)), ("facts.json".to_owned(), facts)]);
        let name = self.names.facts_file(&sha256(&data.values().cloned().collect::<String>())[..10]);
        _ = self.create(&self.object(name.clone(), data, Some(true))).await?;
        Ok(Kept { name, sha256: digest })
    }

    /// The plan that was kept under a name. One that nobody here would have made is none.
    pub async fn plan(&self, name: &str) -> Result<Option<Plan>, Error> {
        let plan = self.get(name).await?.and_then(|map| read(&map, "plan.json"));
        Ok(plan.filter(Plan::is_sane))
    }

    /// The record with the version of its object. One that can't be read is as good as lost: it
    /// holds no work.
    pub async fn memory(&self) -> Result<(Memory, Option<String>), Error> {
        let Some(map) = self.get(&self.names.record()).await? else { return Ok(Default::default()) };
        let mut memory: Memory = read(&map, "memory.json").unwrap_or_default();
        memory.record.facts.0.retain(|_, summary| summary.is_sane());
        Ok((memory, map.resource_version()))
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

    /// Creates a ConfigMap, and returns the one that exists then.
    async fn create(&self, map: &ConfigMap) -> Result<ConfigMap, Error> {
        match self.api.create(&PostParams::default(), map).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                // An earlier pass made it, the very same.
                let name = map.name_any();
                let there = self.get(&name).await?.ok_or_else(|| Error::Gone { name: name.clone() })?;
                // An older operator wrote more.
                let has = |(key, value)| there.data.as_ref().is_some_and(|data| data.get(key) == Some(value));
                if map.data.iter().flatten().all(has) { Ok(there) } else { Err(Error::Unreadable { name }) }
            }
            other => Ok(other?),
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

fn is_protected(map: &impl ResourceExt) -> bool {
    map.finalizers().iter().any(|name| name == FINALIZER)
}

fn read<T: DeserializeOwned>(map: &ConfigMap, key: &str) -> Option<T> {
    serde_json::from_str(map.data.as_ref()?.get(key)?).ok()
}

/// Of the file and the image.
fn digest(image: &str, written: &str) -> String {
    sha256(&format!("{image}\n{written}"))
}

fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

fn text(value: &impl Serialize) -> String {
    // Plain data structures always serialise.
    serde_json::to_string(value).unwrap_or_default()
}

//! Watched objects by a key, so that a pass looks up those that concern it instead of scanning all of them.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use kube::{
    Resource,
    runtime::{
        reflector::{ObjectRef, Store},
        watcher::Event,
    },
};

type Refs<K> = HashMap<String, HashSet<ObjectRef<K>>>;

/// An index of the objects in a store.
pub struct Index<K: Resource + 'static>
where
    K::DynamicType: Hash + Eq,
{
    store: Store<K>,
    key: fn(&K) -> Option<String>,
    refs: Mutex<Refs<K>>,
}

impl<K> Index<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    /// Creates the index of a store that is still empty. Objects without a key are left out.
    pub fn new(store: Store<K>, key: fn(&K) -> Option<String>) -> Self {
        Index { store, key, refs: Mutex::default() }
    }

    /// Applies a watch event that the store has already applied.
    pub fn follow(&self, event: &Event<K>) {
        match event {
            Event::Apply(object) => self.add(&mut self.refs(), object),
            Event::Delete(object) => self.remove(object),
            Event::Init | Event::InitApply(_) => {}
            Event::InitDone => {
                let mut refs = self.refs();
                refs.clear();
                self.store.state().iter().for_each(|object| self.add(&mut refs, object));
            }
        }
    }

    /// Returns the objects that currently have this key.
    pub fn get(&self, key: &str) -> Vec<Arc<K>> {
        let refs = self.refs();
        let found = refs.get(key).into_iter().flatten().filter_map(|object| self.store.get(object));
        found.filter(|object| (self.key)(object).as_deref() == Some(key)).collect()
    }

    fn add(&self, refs: &mut Refs<K>, object: &K) {
        if let Some(key) = (self.key)(object) {
            refs.entry(key).or_default().insert(ObjectRef::from_obj(object));
        }
    }

    fn remove(&self, object: &K) {
        let Some(key) = (self.key)(object) else { return };
        let mut refs = self.refs();
        if let Some(same) = refs.get_mut(&key) {
            same.remove(&ObjectRef::from_obj(object));
            if same.is_empty() {
                refs.remove(&key);
            }
        }
    }

    fn refs(&self) -> MutexGuard<'_, Refs<K>> {
        self.refs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::batch::v1::Job;
    use kube::{ResourceExt, runtime::reflector};
    use serde_json::json;

    use super::*;

    #[test]
    fn an_index_shows_what_its_store_does() {
        let (store, mut writer) = reflector::store::<Job>();
        let index = Index::new(store, |job| job.labels().get("owner").cloned());
        let job = |name: &str, owner: &str| -> Job {
            serde_json::from_value(json!({"metadata": {"name": name, "namespace": "n", "labels": {"owner": owner}}}))
                .unwrap()
        };
        let names = |owner: &str| {
            let mut names: Vec<_> = index.get(owner).iter().map(|job| job.name_any()).collect();
            names.sort();
            names.join(",")
        };
        let mut show = |event: Event<Job>| {
            writer.apply_watcher_event(&event);
            index.follow(&event);
        };
        for event in [Event::Init, Event::InitApply(job("a", "x")), Event::InitApply(job("b", "x")), Event::InitDone] {
            show(event);
        }
        show(Event::Apply(job("c", "y")));
        assert_eq!((names("x"), names("y")), ("a,b".into(), "c".into()));
        show(Event::Apply(job("b", "y")));
        show(Event::Delete(job("a", "x")));
        assert_eq!((names("x"), names("y")), (String::new(), "b,c".into()));
        // A list after a watch that was interrupted.
        for event in [Event::Init, Event::InitApply(job("c", "x")), Event::InitDone] {
            show(event);
        }
        assert_eq!((names("x"), names("y")), ("c".into(), String::new()));
        assert!(!index.refs().contains_key("y"));
    }
}

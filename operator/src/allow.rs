//! What a job may ask for: the site's allow-lists and limits. They are checked once, when a job is admitted; tightening
//! them does not affect jobs that have been admitted.

use std::fmt::Display;

use clap::{Args, ValueEnum};
use transcode_api::{AllowedNetwork, PodSettings, Priority, Scheduling, TolerationOperator};
use transcode_engine::ResolvedSpec;

use crate::pod;

/// Allow-lists and limits. A pattern is a name with at most one `*`, such as `media-*`.
#[derive(Debug, Clone, Args)]
pub struct Allow {
    /// Additional ServiceAccount that a job may use; repeatable.
    #[arg(
        long = "allow-service-account",
        value_name = "NAME",
        env = "TRANSCODE_ALLOW_SERVICE_ACCOUNTS",
        value_delimiter = ','
    )]
    pub service_accounts: Vec<String>,
    /// Secret that stores may use; repeatable. `*` allows any Secret in the job's namespace.
    #[arg(
        long = "allow-secret",
        value_name = "PATTERN",
        env = "TRANSCODE_ALLOW_SECRETS",
        value_delimiter = ',',
        default_value = "transcode-*"
    )]
    pub secrets: Vec<String>,
    /// Private network or host that the URLs and S3 endpoints of jobs may point to, such as 10.96.0.0/16:9000 or
    /// minio.storage.svc:9000; repeatable. Without a port, 80 and 443 are allowed; `:*` allows every port.
    #[arg(long = "allow-network", value_name = "NETWORK", env = "TRANSCODE_ALLOW_NETWORKS", value_delimiter = ',')]
    pub networks: Vec<AllowedNetwork>,
    /// PriorityClass that a job may use; repeatable.
    #[arg(
        long = "allow-priority-class",
        value_name = "PATTERN",
        env = "TRANSCODE_ALLOW_PRIORITY_CLASSES",
        value_delimiter = ','
    )]
    pub priority_classes: Vec<String>,
    /// Taint key that a job may tolerate; repeatable.
    #[arg(
        long = "allow-toleration",
        value_name = "PATTERN",
        env = "TRANSCODE_ALLOW_TOLERATIONS",
        value_delimiter = ','
    )]
    pub tolerations: Vec<String>,
    /// Node label that a job may select on; repeatable.
    #[arg(
        long = "allow-node-selector",
        value_name = "PATTERN",
        env = "TRANSCODE_ALLOW_NODE_SELECTORS",
        value_delimiter = ','
    )]
    pub node_selectors: Vec<String>,
    /// Highest priority that a job may request: High, Normal or Low.
    #[arg(
        long = "allow-priority",
        value_name = "PRIORITY",
        env = "TRANSCODE_ALLOW_PRIORITY",
        default_value = "Normal",
        value_parser = priority
    )]
    pub priority: Priority,
    /// Highest `maxParallel` that a job may request. Default: no limit.
    #[arg(long = "allow-parallel", value_name = "TASKS", env = "TRANSCODE_ALLOW_PARALLEL")]
    pub parallel: Option<u32>,
    /// Most CPU that a job may request for a pod, such as 8 or 500m. Default: no limit.
    #[arg(long = "allow-cpu", value_name = "AMOUNT", env = "TRANSCODE_ALLOW_CPU", value_parser = millicores)]
    pub cpu: Option<u64>,
    /// Most memory that a job may request for a pod, such as 16Gi. Default: no limit.
    #[arg(long = "allow-memory", value_name = "AMOUNT", env = "TRANSCODE_ALLOW_MEMORY", value_parser = mebibytes)]
    pub memory: Option<u64>,
    /// Most CPU hours that a job may take, by the estimate that is made once its source is known; one that takes more is
    /// refused. Default: no limit.
    #[arg(long = "allow-cpu-hours", value_name = "HOURS", env = "TRANSCODE_ALLOW_CPU_HOURS")]
    pub cpu_hours: Option<u32>,
    /// What to do with a job whose scheduling settings or resources are not allowed. Kubernetes' own priority classes
    /// (`system-*`) and tolerations of control-plane taints are always refused unless listed.
    #[arg(long = "not-allowed", value_enum, env = "TRANSCODE_NOT_ALLOWED", default_value_t = NotAllowed::Warn)]
    pub otherwise: NotAllowed,
}

/// What to do with a job that asks for more than is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum NotAllowed {
    /// Run it, and record a Warning Event.
    Warn,
    /// Fail it.
    Refuse,
}

/// Something that a job asks for and is not allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// CamelCase.
    pub reason: &'static str,
    /// The field, what is not allowed, and the chart value that would allow it.
    pub message: String,
    /// Whether the job fails, instead of a warning.
    pub refuses: bool,
}

/// Prefix of the priority classes that Kubernetes reserves
/// (<https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/#priorityclass>).
const SYSTEM_PRIORITY: &str = "system-";
/// Prefix of the taints of control-plane nodes
/// (<https://kubernetes.io/docs/reference/labels-annotations-taints/#node-role-kubernetes-io-control-plane-taint>).
const NODE_ROLE: &str = "node-role.kubernetes.io/";

impl Allow {
    /// The first Secret or ServiceAccount that a job may not use.
    pub fn names(&self, spec: &ResolvedSpec, default_account: &str) -> Option<Objection> {
        let refused = |reason, field: &str, name: &str, value: &str| {
            let message = format!("spec.{field}: {}", not_listed(name, value));
            Some(Objection { reason, message, refuses: true })
        };
        if let Some(account) = &spec.scheduling.service_account_name
            && account != default_account
            && !self.service_accounts.contains(account)
        {
            return refused(
                "ServiceAccountNotAllowed",
                "scheduling.serviceAccountName",
                &format!("`{account}`"),
                "serviceAccounts",
            );
        }
        let secret = pod::secrets(spec).into_iter().find(|secret| !listed(&self.secrets, secret.name))?;
        refused("SecretNotAllowed", secret.field, &format!("the Secret `{}`", secret.name), "secrets")
    }

    /// The first thing that one layer of a job may not ask of the scheduler. Layers are the job's own spec and profiles
    /// of its namespace; the site's defaults and ClusterTranscodeProfiles are not checked.
    pub fn scheduling(&self, asked: &Scheduling) -> Option<Objection> {
        if let Some((asked, most)) = above(asked.priority, Some(self.priority)) {
            let why = exceeds(&format!("{asked:?}"), &format!("{most:?}"), "priority");
            return Some(self.objects("priority", &why, true));
        }
        let parallel = above(asked.max_parallel, self.parallel);
        let parallel = parallel.map(|(asked, most)| self.too_much("maxParallel", &asked, &most, "maxParallel"));
        let pods = [("encode", &asked.encode), ("light", &asked.light)];
        parallel.or_else(|| pods.into_iter().find_map(|(kind, settings)| self.pod(kind, settings.as_ref()?)))
    }

    fn pod(&self, kind: &str, asked: &PodSettings) -> Option<Objection> {
        let objects = |field: &str, name: &str, value: &str, always| {
            Some(self.objects(&format!("{kind}.{field}"), &not_listed(name, value), always))
        };
        if let Some(class) = asked.priority_class_name.as_ref().filter(|class| !listed(&self.priority_classes, class)) {
            let always = class.starts_with(SYSTEM_PRIORITY);
            return objects("priorityClassName", &format!("`{class}`"), "priorityClasses", always);
        }
        for asked in asked.tolerations.iter().flatten() {
            let key = asked.key.clone().unwrap_or_default();
            if listed(&self.tolerations, &key) {
                continue;
            }
            let all = key.is_empty() && asked.operator == Some(TolerationOperator::Exists);
            let name = if all { "a toleration of every taint (`*`)".into() } else { format!("`{key}`") };
            return objects("tolerations", &name, "tolerations", all || key.starts_with(NODE_ROLE));
        }
        let mut labels = asked.node_selector.iter().flatten().map(|(label, _)| label);
        if let Some(label) = labels.find(|label| !listed(&self.node_selectors, label)) {
            return objects("nodeSelector", &format!("`{label}`"), "nodeSelectors", false);
        }
        let resources = asked.resources.clone().unwrap_or_default();
        let amount = |text: &Option<String>, read: fn(&str) -> Result<u64, String>| read(text.as_ref()?).ok();
        for (field, asked) in [("cpu", &resources.cpu), ("cpuLimit", &resources.cpu_limit)] {
            if let Some((asked, most)) = above(amount(asked, millicores), self.cpu) {
                let field = format!("{kind}.resources.{field}");
                return Some(self.too_much(&field, &format!("{asked}m"), &format!("{most}m"), "cpu"));
            }
        }
        let (asked, most) = above(amount(&resources.memory, mebibytes), self.memory)?;
        let field = format!("{kind}.resources.memory");
        Some(self.too_much(&field, &format!("{asked}Mi"), &format!("{most}Mi"), "memory"))
    }

    fn too_much(&self, field: &str, asked: &dyn Display, most: &dyn Display, value: &str) -> Objection {
        self.objects(field, &exceeds(asked, most, value), false)
    }

    fn objects(&self, field: &str, why: &str, always: bool) -> Objection {
        let message = format!("spec.scheduling.{field}: {why}");
        Objection { reason: "SchedulingNotAllowed", message, refuses: always || self.otherwise == NotAllowed::Refuse }
    }
}

/// What was asked, and the limit, where it is above.
fn above<T: PartialOrd>(asked: Option<T>, most: Option<T>) -> Option<(T, T)> {
    asked.zip(most).filter(|(asked, most)| asked > most)
}

fn exceeds(asked: &dyn Display, most: &dyn Display, value: &str) -> String {
    format!("{asked} exceeds the limit of {most}; an administrator can raise `allow.{value}` in the chart's values")
}

fn not_listed(name: &str, value: &str) -> String {
    format!("{name} is not allowed; an administrator can add it to `allow.{value}` in the chart's values")
}

fn listed(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, name))
}

/// Whether a name fits a pattern such as `media-*`.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => name.len() >= head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail),
    }
}

fn priority(text: &str) -> Result<Priority, String> {
    serde_json::from_value(text.into()).map_err(|_| "it is High, Normal or Low".into())
}

/// An amount of CPU as Kubernetes writes it: `2`, `1.5`, `500m`.
fn millicores(text: &str) -> Result<u64, String> {
    let number = match text.strip_suffix('m') {
        Some(milli) => milli.parse::<u64>().ok(),
        None => text
            .parse::<f64>()
            .ok()
            .filter(|cores| (0.0..1e6).contains(cores))
            .map(|cores| (cores * 1000.0).round() as u64),
    };
    number.ok_or_else(|| "it is an amount of CPU such as 2 or 500m".into())
}

/// An amount of memory as jobs write it: `512Mi`, `4Gi`, `1Ti`.
fn mebibytes(text: &str) -> Result<u64, String> {
    let units = [("Mi", 0), ("Gi", 10), ("Ti", 20)];
    let number = units.into_iter().find_map(|(unit, shift)| {
        text.strip_suffix(unit)?.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift))
    });
    number.ok_or_else(|| "it is an amount of memory such as 512Mi or 16Gi".into())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        allow: Allow,
    }

    fn objection(flags: &[&str], scheduling: Value) -> Option<(String, bool)> {
        let allow = Flags::try_parse_from(["operator"].iter().chain(flags)).unwrap().allow;
        allow.scheduling(&serde_json::from_value(scheduling).unwrap()).map(|o| (o.message, o.refuses))
    }

    #[test]
    fn patterns_have_one_star() {
        assert!(matches("media-*", "media-eu") && matches("*", "any") && matches("s3", "s3"));
        assert!(!matches("media-*", "other") && !matches("s3", "s3-admin") && !matches("a*a", "a"));
    }

    #[test]
    fn the_control_plane_is_nobodys() {
        let class = |name: &str| json!({"encode": {"priorityClassName": name}});
        let (words, refuses) = objection(&[], class("system-node-critical")).unwrap();
        let expected = "spec.scheduling.encode.priorityClassName: `system-node-critical` is not allowed; an administrator can add it to `allow.priorityClasses` in the chart's values";
        assert_eq!((&*words, refuses), (expected, true));
        assert_eq!(objection(&["--allow-priority-class=system-*"], class("system-node-critical")), None);
        for taint in [
            json!({"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}),
            json!({"operator": "Exists"}),
        ] {
            let asked = json!({"light": {"tolerations": [taint]}});
            assert!(objection(&["--allow-toleration=video"], asked.clone()).unwrap().1, "{asked}");
        }
    }

    #[test]
    fn what_is_not_listed_is_told_and_can_be_refused() {
        let asked = [
            json!({"encode": {"priorityClassName": "high"}}),
            json!({"encode": {"tolerations": [{"key": "gpu", "operator": "Exists"}]}}),
            json!({"light": {"nodeSelector": {"pool": "video"}}}),
            json!({"maxParallel": 101}),
            json!({"encode": {"resources": {"cpu": "8.001"}}}),
            json!({"encode": {"resources": {"cpuLimit": "8001m"}}}),
            json!({"encode": {"resources": {"memory": "17Gi"}}}),
        ];
        let ceilings = ["--allow-parallel=100", "--allow-cpu=8", "--allow-memory=16Gi"];
        let lists = ["--allow-priority-class=high", "--allow-toleration=gpu", "--allow-node-selector=p*"];
        for asked in asked {
            assert!(!objection(&ceilings, asked.clone()).unwrap().1, "{asked}");
            let strict = ceilings.iter().chain(&["--not-allowed=Refuse"]).copied().collect::<Vec<_>>();
            assert!(objection(&strict, asked.clone()).unwrap().1, "{asked}");
            assert_eq!(objection(&lists, asked.clone()), None, "{asked}");
        }
        let high = json!({"priority": "High"});
        let (words, refuses) = objection(&[], high.clone()).unwrap();
        let expected = "spec.scheduling.priority: High exceeds the limit of Normal; an administrator can raise `allow.priority` in the chart's values";
        assert_eq!((&*words, refuses), (expected, true));
        assert_eq!(objection(&["--allow-priority=High"], high), None);
        let within = json!({"maxParallel": 100, "encode": {"resources": {"cpu": "8", "memory": "16Gi"}}});
        assert_eq!(objection(&ceilings, within), None);
        let (words, _) = objection(&ceilings, json!({"light": {"resources": {"cpuLimit": "9"}}})).unwrap();
        let expected = "spec.scheduling.light.resources.cpuLimit: 9000m exceeds the limit of 8000m; an administrator can raise `allow.cpu` in the chart's values";
        assert_eq!(words, expected);
    }
}

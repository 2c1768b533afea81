//! Manifests: validated with the published schemas of Kubernetes, Flux and Argo CD; unknown keys are errors.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use pinstream::model::settings::schedule::Schedule;
use pinstream::report::exit::Exit;
use serde_json::Value;

use super::{documents, folder, text, yaml};
use crate::support::schema;

/// Schemas, with their origin in `source`.
const CONTRACTS: [&str; 3] = [
    include_str!("contract/kubernetes.json"),
    include_str!("contract/flux.json"),
    include_str!("contract/argo-cd.json"),
];

/// Validates an object.
pub(super) fn faults(object: &Value) -> Vec<String> {
    let word = |key: &str| object[key].as_str().unwrap_or_default();
    let kind = format!("{} {}", word("apiVersion"), word("kind"));
    if kind == "kustomize.config.k8s.io/v1beta1 Kustomization" {
        let keys = object.as_object().unwrap().keys();
        let known = ["apiVersion", "images", "kind", "namespace", "resources"];
        return keys.filter(|key| !known.contains(&key.as_str())).cloned().collect();
    }
    for contract in CONTRACTS {
        let contract: Value = serde_json::from_str(contract).unwrap();
        if let Some(schema) = contract["kinds"].get(&kind) {
            return schema::faults(&contract, schema, object);
        }
    }
    vec![format!("no schema has `{kind}`")]
}

#[test]
fn each_manifest_matches_its_schema() {
    let mut kinds = BTreeSet::new();
    for example in ["kubernetes", "flux", "argo-cd"] {
        for (path, objects) in yaml(example) {
            for object in objects {
                assert_eq!(faults(&object), Vec::<String>::new(), "{example}/{path}");
                kinds.insert(object["kind"].as_str().unwrap().to_owned());
            }
        }
    }
    let expected = [
        "Application",
        "CronJob",
        "Deployment",
        "GitRepository",
        "HelmRelease",
        "HelmRepository",
        "Kustomization",
        "Namespace",
        "NetworkPolicy",
        "Service",
        "ServiceAccount",
    ];
    assert!(kinds.iter().eq(&expected), "{kinds:?}");
}

#[test]
fn mistakes_in_manifests_are_found() {
    let check = |path: &str, from: &str, to: &str, expected: &str| {
        let text = text(path);
        assert!(text.contains(from), "{path}: {from}");
        let found: Vec<String> = documents(&text.replacen(from, to, 1)).iter().flat_map(faults).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(expected), "{found:?}");
    };
    let job = "kubernetes/cronjob.yaml";
    check(job, "concurrencyPolicy:", "concurencyPolicy:", "$.spec.concurencyPolicy: the schema does not name it");
    check(job, "runAsNonRoot: true", "runAsNonRoot: \"true\"", "runAsNonRoot");
    check(job, "values: [3, 4, 64]", "values: [partial, 4, 64]", "values[0]");
    check(job, "activeDeadlineSeconds: 1200", "activeDeadlineSeconds: 20m", "activeDeadlineSeconds");
    check("kubernetes/networkpolicy.yaml", "podSelector:", "podSelectors:", "podSelectors");
    check("flux/apps/cache/release.yaml", "interval: 1h", "interval: 1", "$.spec.interval");
    check("flux/clusters/production/apps.yaml", "wait: true", "wayt: true", "$.spec.wayt");
    check("argo-cd/apps/web.yaml", "selfHeal: true", "selfHeal: 1", "selfHeal");
    check("argo-cd/apps/web.yaml", "argoproj.io/v1alpha1", "argoproj.io/v1", "no schema");
}

/// Returns the job specification of a CronJob.
fn job(path: &str) -> Value {
    let [cron] = &documents(&text(path))[..] else { panic!("{path}") };
    let spec = &cron["spec"];
    assert!(Schedule::parse(spec["schedule"].as_str().unwrap(), &TimeZone::UTC).is_ok());
    assert_eq!(spec["concurrencyPolicy"], "Forbid");
    spec["jobTemplate"]["spec"].clone()
}

/// Lists exit codes by the action taken.
fn rules(job: &Value) -> Vec<(String, Vec<u64>)> {
    let rules = job["podFailurePolicy"]["rules"].as_array().unwrap().iter();
    let of_codes = rules.filter(|rule| rule["onExitCodes"].is_object()).map(|rule| {
        let codes = rule["onExitCodes"]["values"].as_array().unwrap();
        (rule["action"].as_str().unwrap().to_owned(), codes.iter().map(|code| code.as_u64().unwrap()).collect())
    });
    of_codes.collect()
}

#[test]
fn jobs_retry_exit_codes_that_may_be_temporary() {
    let codes = |exits: &[Exit]| exits.iter().map(|exit| u64::from(exit.code())).collect::<Vec<_>>();
    let whole = job("kubernetes/cronjob.yaml");
    let hopeless = codes(&[Exit::Partial, Exit::Refused, Exit::Usage]);
    assert_eq!(rules(&whole), [("FailJob".to_owned(), hopeless)]);
    let sharded = job("kubernetes/cronjob-sharded.yaml");
    let of_one = ("FailIndex".to_owned(), codes(&[Exit::Partial, Exit::Refused]));
    assert_eq!(rules(&sharded), [of_one, ("FailJob".to_owned(), codes(&[Exit::Usage]))]);
    // `FailIndex` is for indexed jobs that count failures by index (kubernetes.io, "Pod failure policy").
    assert_eq!(sharded["completionMode"], "Indexed");
    assert!(sharded["backoffLimitPerIndex"].is_u64());
    for job in [whole, sharded] {
        assert_eq!(job["template"]["spec"]["restartPolicy"], "Never");
    }
}

#[test]
fn the_sharded_job_has_as_many_shards_as_pods() {
    let job = job("kubernetes/cronjob-sharded.yaml");
    let container = &job["template"]["spec"]["containers"][0];
    let variables = container["env"].as_array().unwrap();
    let shards = variables.iter().find(|one| one["name"] == "PINSTREAM_SHARDS").unwrap();
    assert_eq!(shards["value"], job["completions"].to_string());
    assert_eq!(job["parallelism"], job["completions"]);
    let words = container["args"].as_array().unwrap();
    assert!(words.windows(2).any(|pair| pair[0] == "--shard" && pair[1] == "auto"), "{words:?}");
}

/// The level "restricted" of the Pod Security Standards, and a read-only root file system.
#[test]
fn pods_have_minimal_privileges() {
    for path in ["kubernetes/cronjob.yaml", "kubernetes/cronjob-sharded.yaml"] {
        let pod = &job(path)["template"]["spec"];
        let of_pod = &pod["securityContext"];
        assert_eq!(of_pod["runAsNonRoot"], true);
        assert!(of_pod["runAsUser"].as_u64().unwrap() > 0);
        assert_eq!(of_pod["seccompProfile"]["type"], "RuntimeDefault");
        assert_eq!(pod["automountServiceAccountToken"], false);
        let [container] = &pod["containers"].as_array().unwrap()[..] else { panic!("{path}") };
        let of_container = &container["securityContext"];
        assert_eq!(of_container["allowPrivilegeEscalation"], false);
        assert_eq!(of_container["readOnlyRootFilesystem"], true);
        assert_eq!(of_container["capabilities"]["drop"], serde_json::json!(["ALL"]));
        assert!(container["resources"]["limits"]["memory"].is_string());
        // Each volume is mounted, and ephemeral.
        let names = |list: &Value| -> Vec<String> {
            list.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names(&pod["volumes"]), names(&container["volumeMounts"]));
        assert!(pod["volumes"].as_array().unwrap().iter().all(|volume| volume["emptyDir"].is_object()));
    }
    let shared = |path: &str| job(path)["template"]["spec"]["securityContext"].clone();
    assert_eq!(shared("kubernetes/cronjob.yaml"), shared("kubernetes/cronjob-sharded.yaml"));
}

#[test]
fn referenced_files_and_directories_exist() {
    let mut named = 0;
    for example in ["kubernetes", "flux", "argo-cd"] {
        let root = folder(example);
        for (path, objects) in yaml(example) {
            let here = root.join(&path);
            for object in objects {
                for resource in object["resources"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    named += 1;
                    assert!(here.with_file_name(resource).is_file(), "{example}/{path}: {resource}");
                }
                let paths = [&object["spec"]["path"], &object["spec"]["source"]["path"]];
                for folder in paths.into_iter().filter_map(Value::as_str) {
                    named += 1;
                    assert!(root.join(folder).is_dir(), "{example}/{path}: {folder}");
                }
            }
        }
    }
    assert_eq!(named, 4 + 1 + 2 + 1 + 2);
}

//! Output formats for CI systems, checked against their published descriptions.

use std::collections::BTreeSet;

use pulldown_cmark::{Options, Parser, html};
use roxmltree::{Document, Node};
use serde_json::Value;

use super::schema;

/// Output formats that a CI system reads.
pub(crate) const FORMATS: [&str; 5] = ["markdown", "github", "sarif", "junit", "gitlab"];

/// Panics if `text` is not a complete document of `format`.
#[track_caller]
pub(crate) fn assert_valid(format: &str, text: &str) {
    match format {
        "markdown" => markdown(text),
        "github" => github(text),
        "sarif" => sarif(text),
        "junit" => junit(text),
        "gitlab" => gitlab(text),
        other => panic!("{other}"),
    }
}

/// Checks that there is one heading and no HTML.
#[track_caller]
fn markdown(text: &str) {
    let mut shown = String::new();
    html::push_html(&mut shown, Parser::new_ext(text, Options::ENABLE_TABLES));
    assert!(shown.starts_with("<h3><code>pinstream ") && shown.matches("<h3>").count() == 1, "{shown}");
}

/// Checks that all lines are `::word key=value,…::text`, except a summary at the end.
#[track_caller]
fn github(text: &str) {
    let lines: Vec<&str> = text.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let Some(command) = line.strip_prefix("::") else {
            assert_eq!(at + 1, lines.len(), "{line} in {text}");
            continue;
        };
        let (head, message) = command.split_once("::").unwrap();
        let (word, properties) = head.split_once(' ').unwrap();
        assert!(["error", "warning", "notice"].contains(&word) && !message.is_empty(), "{line}");
        for property in properties.split(',') {
            let (key, value) = property.split_once('=').unwrap();
            assert!(["file", "line", "endLine", "col", "endColumn", "title"].contains(&key), "{line}");
            assert!(!value.is_empty() && !value.contains(':'), "{line}");
        }
    }
}

/// Checks the schema, and that indexes point to existing elements, which the schema cannot express.
#[track_caller]
fn sarif(text: &str) {
    let schema: Value = serde_json::from_str(include_str!("ci/sarif.json")).unwrap();
    let log: Value = serde_json::from_str(text).unwrap();
    schema::holds(&schema, &log);
    let run = &log["runs"][0];
    let mut fingerprints = BTreeSet::new();
    for result in run["results"].as_array().unwrap() {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"], "{text}");
        assert!(fingerprints.insert(result["partialFingerprints"].to_string()), "{text}");
        let place = &result["locations"][0]["physicalLocation"]["artifactLocation"];
        assert!(run["originalUriBaseIds"][place["uriBaseId"].as_str().unwrap()].is_object(), "{text}");
        // A relative base needs a base of its own (RFC 3986, section 5.2).
        let top = url::Url::parse("https://top.example/repository/").unwrap();
        let uri = top.join(place["uri"].as_str().unwrap()).unwrap();
        assert!(uri.as_str().starts_with(top.as_str()), "{text}");
    }
}

#[track_caller]
fn gitlab(text: &str) {
    let schema: Value = serde_json::from_str(include_str!("ci/gitlab.json")).unwrap();
    let issues: Value = serde_json::from_str(text).unwrap();
    schema::holds(&schema, &issues);
    let issues = issues.as_array().unwrap();
    let fingerprints: BTreeSet<&str> = issues.iter().filter_map(|issue| issue["fingerprint"].as_str()).collect();
    assert_eq!(fingerprints.len(), issues.len(), "{text}");
}

/// An element that a report may contain: name, required attributes, optional attributes, children.
type Element = (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);

/// Elements that the xUnit plugin of Jenkins reads (`junit-10.xsd`), without those that no other reader supports.
const JUNIT: [Element; 7] = [
    ("testsuites", &[], &["name", "time", "tests", "failures", "errors"], &["testsuite"]),
    (
        "testsuite",
        &["name", "tests", "failures", "errors"],
        &["time", "skipped", "timestamp", "hostname", "id", "package", "file"],
        &["testcase", "system-out", "system-err"],
    ),
    ("testcase", &["name"], &["time", "classname"], &["skipped", "error", "failure", "system-out", "system-err"]),
    ("failure", &[], &["type", "message"], &[]),
    ("error", &[], &["type", "message"], &[]),
    ("skipped", &[], &["type", "message"], &[]),
    ("system-out", &[], &[], &[]),
];

/// Checks the elements above, and that the totals match.
#[track_caller]
fn junit(text: &str) {
    let document = Document::parse(text).unwrap();
    let root = document.root_element();
    assert_eq!(root.tag_name().name(), "testsuites");
    element(root, text);
    let suites = root.children().filter(Node::is_element);
    for group in suites.chain([root]) {
        let cases = || group.descendants().filter(|node| node.has_tag_name("testcase"));
        let with = |name: &str| cases().filter(|case| case.children().any(|child| child.has_tag_name(name))).count();
        let counts = [("tests", cases().count()), ("failures", with("failure")), ("errors", with("error"))];
        let skipped = group.attribute("skipped").map(|_| ("skipped", with("skipped")));
        for (name, count) in counts.into_iter().chain(skipped) {
            assert_eq!(group.attribute(name), Some(count.to_string().as_str()), "{name} in {text}");
        }
        let names: BTreeSet<_> = cases().map(|case| (case.attribute("classname"), case.attribute("name"))).collect();
        assert_eq!(names.len(), cases().count(), "{text}");
    }
}

#[track_caller]
fn element(node: Node<'_, '_>, text: &str) {
    let name = node.tag_name().name();
    let (_, required, optional, children) = JUNIT.iter().find(|(known, ..)| *known == name).unwrap();
    for attribute in *required {
        assert!(node.has_attribute(*attribute), "{name} has no {attribute} in {text}");
    }
    for attribute in node.attributes() {
        let attribute = attribute.name();
        assert!(required.contains(&attribute) || optional.contains(&attribute), "{name} has {attribute} in {text}");
    }
    for child in node.children().filter(Node::is_element) {
        assert!(children.contains(&child.tag_name().name()), "{child:?} in {name} in {text}");
        element(child, text);
    }
}

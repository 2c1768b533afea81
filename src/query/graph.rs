//! The graph of images, the tags that track them, and the tags that follow those.
//!
//! Every tag has one source, so the graph is a forest. Nodes are in depth-first order, siblings sorted by name. Each output
//! format is a variant of [`GraphFormat`] with a file of its own.

mod dot;
mod mermaid;
mod svg;
mod text;

use std::collections::BTreeMap;

use crate::model::image::TagId;
use crate::model::stream::{Definitions, TagSource};

use super::list::source_label;

/// Output format of a graph
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum GraphFormat {
    /// Tree
    Text,
    /// Graphviz
    Dot,
    /// Mermaid, which forges render in Markdown
    Mermaid,
    /// SVG image
    Svg,
}

/// A forest of images and tags; parents precede their children.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Graph {
    nodes: Vec<GraphNode>,
}

#[derive(Debug, PartialEq, Eq)]
struct GraphNode {
    label: String,
    is_image: bool,
    /// Index of the parent node.
    parent: Option<usize>,
    /// Number of ancestors.
    depth: usize,
}

impl Graph {
    /// Builds the graph of the `selected` tags, their ancestors and their descendants.
    pub fn of(definitions: &Definitions, selected: impl Fn(&TagId) -> bool) -> Self {
        let mut tracking: BTreeMap<String, Vec<(&TagId, String)>> = BTreeMap::new();
        let mut followers: BTreeMap<&TagId, Vec<&TagId>> = BTreeMap::new();
        for (id, tag) in &definitions.tags {
            if let TagSource::Follow(target) = &tag.source {
                followers.entry(target).or_default().push(id);
                continue;
            }
            let source = source_label(&tag.source);
            let platform = tag.source.platform().map(|platform| format!(" ({platform})")).unwrap_or_default();
            tracking.entry(source).or_default().push((id, format!("{id}{platform}")));
        }
        let mut all = Vec::with_capacity(definitions.tags.len() + tracking.len());
        let mut wanted: Vec<bool> = Vec::with_capacity(all.capacity());
        for (image, tags) in tracking {
            let root = all.len();
            all.push(GraphNode { label: image, is_image: true, parent: None, depth: 0 });
            wanted.push(false);
            let mut next: Vec<(&TagId, String, usize)> =
                tags.into_iter().rev().map(|(id, label)| (id, label, root)).collect();
            while let Some((id, label, parent)) = next.pop() {
                let at = all.len();
                all.push(GraphNode { label, is_image: false, parent: Some(parent), depth: all[parent].depth + 1 });
                // Descendants of a selected tag are included.
                wanted.push(selected(id) || wanted[parent]);
                let below = followers.get(id).into_iter().flatten().rev();
                next.extend(below.map(|follower| (*follower, follower.to_string(), at)));
            }
        }
        Self { nodes: with_ancestors(all, wanted) }
    }

    /// Renders the graph in `format`.
    pub fn write(&self, format: GraphFormat) -> String {
        match format {
            GraphFormat::Text => text::text(&self.nodes),
            GraphFormat::Dot => dot::dot(&self.nodes),
            GraphFormat::Mermaid => mermaid::mermaid(&self.nodes),
            GraphFormat::Svg => svg::svg(&self.nodes),
        }
    }
}

/// Selects the wanted nodes and their ancestors.
fn with_ancestors(all: Vec<GraphNode>, mut wanted: Vec<bool>) -> Vec<GraphNode> {
    for at in (0..all.len()).rev() {
        if let (true, Some(parent)) = (wanted[at], all[at].parent) {
            wanted[parent] = true;
        }
    }
    let mut indices = Vec::with_capacity(all.len());
    let mut nodes = Vec::new();
    for (node, is_wanted) in all.into_iter().zip(wanted) {
        indices.push(nodes.len());
        if is_wanted {
            nodes.push(GraphNode { parent: node.parent.map(|parent| indices[parent]), ..node });
        }
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::RootFiles;
    use crate::model::root::Root;

    const STREAM: &str = "[tags]\n\"3.12\" = \"docker.io/library/python:3.12\"\nalone = \"docker.io/library/python:3\"\n\
                          arm = { image = \"docker.io/library/python:3.12\", platform = \"linux/arm64\" }\nlatest = { \
                          follow = \"3.12\" }\nsame = { follow = \"3.12\" }\n";

    /// The graph that all formats are tested with.
    pub(super) fn graph(selected: &str) -> Graph {
        let web = "[tags]\nprod = { follow = \"python:latest\" }\n";
        let files: RootFiles = [("pinstream.toml", ""), ("streams/python.toml", STREAM), ("streams/web.toml", web)]
            .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
            .into();
        let definitions = Root::read(&files).unwrap().definitions;
        Graph::of(&definitions, |id| selected.is_empty() || id.to_string() == selected)
    }

    #[track_caller]
    fn check(selected: &str, expected: &[&str]) {
        let graph = graph(selected);
        let line = |node: &GraphNode| {
            let parent = node.parent.map(|parent| graph.nodes[parent].label.as_str()).unwrap_or_default();
            format!("{} {} < {parent}", node.depth, node.label)
        };
        assert_eq!(graph.nodes.iter().map(line).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn nodes_follow_their_parents() {
        check(
            "",
            &[
                "0 docker.io/library/python:3 < ",
                "1 python:alone < docker.io/library/python:3",
                "0 docker.io/library/python:3.12 < ",
                "1 python:3.12 < docker.io/library/python:3.12",
                "2 python:latest < python:3.12",
                "3 web:prod < python:latest",
                "2 python:same < python:3.12",
                "1 python:arm (linux/arm64) < docker.io/library/python:3.12",
            ],
        );
    }

    #[test]
    fn selected_tags_come_with_ancestors_and_descendants() {
        check(
            "python:latest",
            &[
                "0 docker.io/library/python:3.12 < ",
                "1 python:3.12 < docker.io/library/python:3.12",
                "2 python:latest < python:3.12",
                "3 web:prod < python:latest",
            ],
        );
        check("python:nothing", &[]);
    }
}

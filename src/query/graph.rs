//! What follows what: images, the tags that are imported from them, the tags that follow those.
//!
//! A tag comes from one place alone, so the graph is a forest, and its nodes stand in the order in which a reader meets
//! them: each below what it comes from, and otherwise by name. A format is a member of [`Format`], with one verb.

mod dot;
mod mermaid;
mod svg;
mod text;

use std::collections::BTreeMap;

use crate::model::image::TagId;
use crate::model::stream::{Definitions, TagSource};

/// In which form a graph is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GraphFormat {
    /// A tree of lines.
    Text,
    /// For Graphviz.
    Dot,
    /// For Mermaid, as forges draw it in Markdown.
    Mermaid,
    /// A picture.
    Svg,
}

/// Images and tags, each after what it comes from.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Graph {
    nodes: Vec<GraphNode>,
}

#[derive(Debug, PartialEq, Eq)]
struct GraphNode {
    label: String,
    is_image: bool,
    /// The node that it comes from, which stands before it.
    parent: Option<usize>,
    /// How many nodes it stands below.
    depth: usize,
}

impl Graph {
    /// The graph of all tags that are `asked` for, with what they come from and all that follows them.
    pub fn of(definitions: &Definitions, asked: impl Fn(&TagId) -> bool) -> Self {
        let mut imported: BTreeMap<String, Vec<(&TagId, String)>> = BTreeMap::new();
        let mut followers: BTreeMap<&TagId, Vec<&TagId>> = BTreeMap::new();
        for (id, tag) in &definitions.tags {
            let source = match &tag.source {
                TagSource::Follow(target) => {
                    followers.entry(target).or_default().push(id);
                    continue;
                }
                TagSource::Remote(far) => far.to_string(),
                TagSource::Image { image, .. } => image.to_string(),
                TagSource::Select { repository, select, .. } => format!("{repository} {select}"),
            };
            let platform = tag.source.platform().map(|platform| format!(" ({platform})")).unwrap_or_default();
            imported.entry(source).or_default().push((id, format!("{id}{platform}")));
        }
        let mut all = Vec::with_capacity(definitions.tags.len() + imported.len());
        let mut wanted: Vec<bool> = Vec::with_capacity(all.capacity());
        for (image, tags) in imported {
            let root = all.len();
            all.push(GraphNode { label: image, is_image: true, parent: None, depth: 0 });
            wanted.push(false);
            let mut next: Vec<(&TagId, String, usize)> =
                tags.into_iter().rev().map(|(id, label)| (id, label, root)).collect();
            while let Some((id, label, parent)) = next.pop() {
                let at = all.len();
                all.push(GraphNode { label, is_image: false, parent: Some(parent), depth: all[parent].depth + 1 });
                // Whoever asks for a tag asks for all that follows it.
                wanted.push(asked(id) || wanted[parent]);
                let below = followers.get(id).into_iter().flatten().rev();
                next.extend(below.map(|follower| (*follower, follower.to_string(), at)));
            }
        }
        Self { nodes: kept(all, wanted) }
    }

    /// The graph as a text of `format`.
    pub fn write(&self, format: GraphFormat) -> String {
        match format {
            GraphFormat::Text => text::text(&self.nodes),
            GraphFormat::Dot => dot::dot(&self.nodes),
            GraphFormat::Mermaid => mermaid::mermaid(&self.nodes),
            GraphFormat::Svg => svg::svg(&self.nodes),
        }
    }
}

/// The nodes that are wanted, and those that they come from.
fn kept(all: Vec<GraphNode>, mut wanted: Vec<bool>) -> Vec<GraphNode> {
    for at in (0..all.len()).rev() {
        if let (true, Some(parent)) = (wanted[at], all[at].parent) {
            wanted[parent] = true;
        }
    }
    let mut places = Vec::with_capacity(all.len());
    let mut nodes = Vec::new();
    for (node, is_wanted) in all.into_iter().zip(wanted) {
        places.push(nodes.len());
        if is_wanted {
            nodes.push(GraphNode { parent: node.parent.map(|parent| places[parent]), ..node });
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

    /// The graph that each format is tested with.
    pub(super) fn graph(asked: &str) -> Graph {
        let web = "[tags]\nprod = { follow = \"python:latest\" }\n";
        let files: RootFiles = [("pinstream.toml", ""), ("streams/python.toml", STREAM), ("streams/web.toml", web)]
            .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
            .into();
        let definitions = Root::read(&files).unwrap().definitions;
        Graph::of(&definitions, |id| asked.is_empty() || id.to_string() == asked)
    }

    #[track_caller]
    fn check(asked: &str, expected: &[&str]) {
        let graph = graph(asked);
        let line = |node: &GraphNode| {
            let parent = node.parent.map(|parent| graph.nodes[parent].label.as_str()).unwrap_or_default();
            format!("{} {} < {parent}", node.depth, node.label)
        };
        assert_eq!(graph.nodes.iter().map(line).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn each_node_stands_below_what_it_comes_from() {
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
    fn what_is_asked_for_comes_with_where_it_comes_from_and_what_follows_it() {
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

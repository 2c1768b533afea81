//! Renders the graph as a tree of lines.

use super::GraphNode;

/// Maximum depth of the tree; deeper nodes are drawn at this depth.
const DEPTH_MAX: usize = 64;

/// Renders one line per node.
pub(super) fn text(nodes: &[GraphNode]) -> String {
    // True for nodes with a later sibling.
    let mut has_next = vec![false; nodes.len()];
    let mut last: Vec<Option<usize>> = vec![None; nodes.len()];
    for (at, node) in nodes.iter().enumerate() {
        if let Some(parent) = node.parent
            && let Some(before) = last[parent].replace(at)
        {
            has_next[before] = true;
        }
    }
    let mut out = String::new();
    for (at, node) in nodes.iter().enumerate() {
        let mut above = Vec::new();
        let mut next = Some(at);
        while let Some(at) = next.filter(|_| above.len() < DEPTH_MAX) {
            if nodes[at].parent.is_some() {
                above.push(has_next[at]);
            }
            next = nodes[at].parent;
        }
        for (level, has_next) in above.iter().enumerate().rev() {
            out.push_str(match (level, has_next) {
                (0, true) => "├── ",
                (0, false) => "└── ",
                (_, true) => "│   ",
                (_, false) => "    ",
            });
        }
        out.push_str(&node.label);
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use crate::query::graph::tests::graph;
    use crate::query::graph::{Graph, GraphFormat};

    #[test]
    fn text_is_a_tree() {
        insta::assert_snapshot!(graph("").write(GraphFormat::Text), @"
        docker.io/library/python:3
        └── python:alone
        docker.io/library/python:3.12
        ├── python:3.12
        │   ├── python:latest
        │   │   └── web:prod
        │   └── python:same
        └── python:arm (linux/arm64)
        ");
        assert_eq!(Graph::default().write(GraphFormat::Text), "");
    }
}

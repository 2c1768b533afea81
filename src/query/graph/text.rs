//! The graph as a tree of lines.

use super::GraphNode;

/// How many levels are drawn; what stands deeper is drawn at the last of them.
const DEPTH_MAX: usize = 64;

/// Each node on a line of its own, below what it comes from.
pub(super) fn text(nodes: &[GraphNode]) -> String {
    // For each node, whether another one comes from the same place after it.
    let mut goes_on = vec![false; nodes.len()];
    let mut last: Vec<Option<usize>> = vec![None; nodes.len()];
    for (at, node) in nodes.iter().enumerate() {
        if let Some(parent) = node.parent
            && let Some(before) = last[parent].replace(at)
        {
            goes_on[before] = true;
        }
    }
    let mut out = String::new();
    for (at, node) in nodes.iter().enumerate() {
        let mut above = Vec::new();
        let mut next = Some(at);
        while let Some(at) = next.filter(|_| above.len() < DEPTH_MAX) {
            if nodes[at].parent.is_some() {
                above.push(goes_on[at]);
            }
            next = nodes[at].parent;
        }
        for (level, goes_on) in above.iter().enumerate().rev() {
            out.push_str(match (level, goes_on) {
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
    fn a_tree_of_lines() {
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

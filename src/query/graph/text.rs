//! Renders the graph as a tree of lines.

use super::GraphNode;

/// Maximum depth of the tree; deeper nodes are drawn at this depth.
const DEPTH_MAX: usize = 64;

/// Renders one line per node.
pub(super) fn text(nodes: &[GraphNode]) -> String {
    let mut lines = Vec::with_capacity(nodes.len());
    // From the last node to the first; true for each depth at which a sibling of the node or of its ancestor was seen.
    let mut has_next: Vec<bool> = Vec::new();
    for GraphNode { label, depth, .. } in nodes.iter().rev() {
        has_next.resize(depth + 1, false);
        let shown = depth.saturating_sub(DEPTH_MAX - 1).max(1).min(*depth)..*depth;
        let above: String = has_next[shown].iter().map(|has_next| if *has_next { "│   " } else { "    " }).collect();
        let branch = match (depth, has_next[*depth]) {
            (0, _) => "",
            (_, true) => "├── ",
            (_, false) => "└── ",
        };
        lines.push(format!("{above}{branch}{label}\n"));
        has_next[*depth] = true;
    }
    lines.reverse();
    lines.concat()
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

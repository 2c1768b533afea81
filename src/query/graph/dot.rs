//! Renders the graph for Graphviz.

use super::GraphNode;

/// Renders a graph in the DOT language.
pub(super) fn dot(nodes: &[GraphNode]) -> String {
    let mut out = "digraph pinstream {\n  rankdir = LR;\n  node [shape = box];\n".to_owned();
    for (at, node) in nodes.iter().enumerate() {
        let label = node.label.replace('\\', "\\\\").replace('"', "\\\"");
        let shape = if node.is_image { ", shape = ellipse" } else { "" };
        out.push_str(&format!("  n{at} [label = \"{label}\"{shape}];\n"));
    }
    for (at, node) in nodes.iter().enumerate() {
        out.extend(node.parent.map(|parent| format!("  n{parent} -> n{at};\n")));
    }
    out.push_str("}\n");
    out
}

#[cfg(test)]
mod tests {
    use crate::query::graph::GraphFormat;
    use crate::query::graph::tests::graph;

    #[test]
    fn dot_has_all_nodes_and_edges() {
        insta::assert_snapshot!(graph("web:prod").write(GraphFormat::Dot), @r#"
        digraph pinstream {
          rankdir = LR;
          node [shape = box];
          n0 [label = "docker.io/library/python:3.12", shape = ellipse];
          n1 [label = "python:3.12"];
          n2 [label = "python:latest"];
          n3 [label = "web:prod"];
          n0 -> n1;
          n1 -> n2;
          n2 -> n3;
        }
        "#);
    }
}

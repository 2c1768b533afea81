//! Renders the graph for Mermaid, which forges support in Markdown.

use super::GraphNode;

/// Renders a Mermaid flowchart.
pub(super) fn mermaid(nodes: &[GraphNode]) -> String {
    let mut out = "flowchart LR\n".to_owned();
    for (at, node) in nodes.iter().enumerate() {
        let label = node.label.replace('#', "#35;").replace('"', "#quot;");
        let (open, close) = if node.is_image { ("([", "])") } else { ("[", "]") };
        out.push_str(&format!("  n{at}{open}\"{label}\"{close}\n"));
    }
    for (at, node) in nodes.iter().enumerate() {
        out.extend(node.parent.map(|parent| format!("  n{parent} --> n{at}\n")));
    }
    out
}

#[cfg(test)]
mod tests {
    use crate::query::graph::GraphFormat;
    use crate::query::graph::tests::graph;

    #[test]
    fn mermaid_has_all_nodes_and_edges() {
        insta::assert_snapshot!(graph("web:prod").write(GraphFormat::Mermaid), @r#"
        flowchart LR
          n0(["docker.io/library/python:3.12"])
          n1["python:3.12"]
          n2["python:latest"]
          n3["web:prod"]
          n0 --> n1
          n1 --> n2
          n2 --> n3
        "#);
    }
}

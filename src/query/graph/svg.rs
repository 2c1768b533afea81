//! Renders the graph as SVG: a column per depth, a row per leaf.
//!
//! All coordinates are integers and all labels are escaped; the image has no scripts, links or external resources.

use std::fmt::Write as _;

use super::GraphNode;
use crate::text::escape;

/// Width of a character, and padding of a label within its box.
const CHARACTER: usize = 8;
const PADDING: usize = 12;
/// Height of a box, and distance between rows.
const BOX: usize = 26;
const ROW: usize = 38;
/// Gap between columns, and margin of the image.
const GAP: usize = 48;
const MARGIN: usize = 16;

/// Position of a node.
#[derive(Clone, Copy)]
struct NodePosition {
    x: usize,
    /// Vertical centre of the box.
    y: usize,
    width: usize,
}

/// Renders an SVG image.
pub(super) fn svg(nodes: &[GraphNode]) -> String {
    let places = places(nodes);
    let right = places.iter().map(|place| place.x + place.width).max().unwrap_or(0);
    let bottom = places.iter().map(|place| place.y + BOX / 2).max().unwrap_or(0);
    let (width, height) = (right + MARGIN, bottom + MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"monospace\" font-size=\"13\">\n<title>image streams</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<g fill=\"none\" stroke=\"#888\">\n"
    );
    for (node, place) in nodes.iter().zip(&places) {
        let Some(from) = node.parent.map(|parent| places[parent]) else { continue };
        let (x, middle) = (from.x + from.width, (from.x + from.width + place.x) / 2);
        // Writing to a `String` cannot fail.
        let _ = writeln!(out, "<path d=\"M{x} {} H{middle} V{} H{}\"/>", from.y, place.y, place.x);
    }
    out.push_str("</g>\n");
    for (node, NodePosition { x, y, width }) in nodes.iter().zip(&places) {
        let (round, fill) = if node.is_image { (BOX / 2, "#e8eef7") } else { (3, "#f6f6f6") };
        let top = y - BOX / 2;
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"{top}\" width=\"{width}\" height=\"{BOX}\" rx=\"{round}\" fill=\"{fill}\" \
             stroke=\"#444\"/><text x=\"{}\" y=\"{}\">{}</text>",
            x + PADDING,
            y + 4,
            escape::xml(&node.label)
        );
    }
    out.push_str("</svg>\n");
    out
}

fn places(nodes: &[GraphNode]) -> Vec<NodePosition> {
    let mut widths: Vec<usize> = Vec::new();
    let mut has_children = vec![false; nodes.len()];
    for node in nodes {
        widths.resize(widths.len().max(node.depth + 1), 0);
        widths[node.depth] = widths[node.depth].max(width(node));
        node.parent.into_iter().for_each(|parent| has_children[parent] = true);
    }
    let mut columns = vec![MARGIN];
    for width in &widths {
        columns.push(columns[columns.len() - 1] + width + GAP);
    }
    let mut row = 0;
    let place = |(node, has_children): (&GraphNode, bool)| {
        let y = MARGIN + BOX / 2 + row * ROW;
        // A parent shares the row of its first child.
        row += usize::from(!has_children);
        NodePosition { x: columns[node.depth], y, width: width(node) }
    };
    nodes.iter().zip(has_children).map(place).collect()
}

fn width(node: &GraphNode) -> usize {
    node.label.chars().count() * CHARACTER + 2 * PADDING
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::graph::tests::graph;
    use crate::query::graph::{Graph, GraphFormat};

    #[test]
    fn boxes_do_not_overlap() {
        let graph = graph("");
        let places = places(&graph.nodes);
        for (at, one) in places.iter().enumerate() {
            for other in &places[at + 1..] {
                let beside = one.x + one.width <= other.x || other.x + other.width <= one.x;
                assert!(beside || one.y.abs_diff(other.y) >= BOX);
            }
        }
        insta::assert_snapshot!(crate::query::graph::tests::graph("web:prod").write(GraphFormat::Svg), @r##"
        <svg xmlns="http://www.w3.org/2000/svg" width="760" height="58" viewBox="0 0 760 58" font-family="monospace" font-size="13">
        <title>image streams</title>
        <rect width="100%" height="100%" fill="#fff"/>
        <g fill="none" stroke="#888">
        <path d="M272 29 H296 V29 H320"/>
        <path d="M432 29 H456 V29 H480"/>
        <path d="M608 29 H632 V29 H656"/>
        </g>
        <rect x="16" y="16" width="256" height="26" rx="13" fill="#e8eef7" stroke="#444"/><text x="28" y="33">docker.io/library/python:3.12</text>
        <rect x="320" y="16" width="112" height="26" rx="3" fill="#f6f6f6" stroke="#444"/><text x="332" y="33">python:3.12</text>
        <rect x="480" y="16" width="128" height="26" rx="3" fill="#f6f6f6" stroke="#444"/><text x="492" y="33">python:latest</text>
        <rect x="656" y="16" width="88" height="26" rx="3" fill="#f6f6f6" stroke="#444"/><text x="668" y="33">web:prod</text>
        </svg>
        "##);
    }

    #[test]
    fn labels_are_escaped() {
        let label = "<script>\"&\"</script>".to_owned();
        let graph = Graph { nodes: vec![GraphNode { label, is_image: true, parent: None, depth: 0 }] };
        let svg = graph.write(GraphFormat::Svg);
        assert!(svg.contains(">&lt;script&gt;&quot;&amp;&quot;&lt;/script&gt;</text>"), "{svg}");
        assert!(Graph::default().write(GraphFormat::Svg).ends_with("</svg>\n"));
    }
}

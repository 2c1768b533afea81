//! `list`: all tags in a table.

use std::io::Write as _;

use crate::escape;
use crate::image::TagId;
use crate::lock::agree::{Disagreement, What, agree};
use crate::lock::diff;
use crate::report::exit::Exit;
use crate::root::Root;
use crate::stream::Source;
use crate::wire;
use crate::wire::words::StatusV1;

use super::context::{Context, patterns};
use super::{CliError, Format};

/// List all tags and what they are pinned to
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Tags: a stream, `stream:tag`, or a glob; all where none is given
    #[arg(value_name = "TAG")]
    tags: Vec<String>,
    /// In which form
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Leave out the line of headings
    #[arg(long)]
    no_headers: bool,
}

/// Runs it.
///
/// # Errors
/// Where the root cannot be read.
pub fn run(context: &Context, args: &Args) -> Result<Exit, CliError> {
    let (_, root) = context.root()?;
    let only = patterns(&args.tags)?.unwrap_or_default();
    root.has(&only)?;
    let is_asked = |id: &TagId| only.matches(id);
    let disagreements = agree(&root.definitions, &root.lock);
    let status = |id: &TagId| status(&disagreements, id);
    let mut out = context.stdout();
    if args.format == Format::Json {
        let tags = root.definitions.tags.iter().filter(|(id, _)| is_asked(id));
        let tags = tags.map(|(id, tag)| wire::PinV1::new(id, tag, &root.lock, status(id))).collect();
        write!(out, "{}", wire::ListV1::new(tags).to_json())?;
        return Ok(Exit::Success);
    }
    let mut rows: Vec<[String; 5]> = Vec::new();
    if !args.no_headers {
        rows.push(["TAG", "SOURCE", "DIGEST", "VERSION", "STATUS"].map(str::to_owned));
    }
    rows.extend(root.definitions.tags.keys().filter(|id| is_asked(id)).map(|id| row(&root, status(id), id)));
    write!(out, "{}", table(&rows))?;
    Ok(Exit::Success)
}

/// `disagreements` are in the order of their tags.
fn status(disagreements: &[Disagreement], id: &TagId) -> StatusV1 {
    let at = disagreements.binary_search_by(|one| one.tag.cmp(id));
    match at.ok().map(|at| &disagreements[at].what) {
        None => StatusV1::Pinned,
        Some(What::Missing) => StatusV1::NotPinned,
        Some(_) => StatusV1::OutOfStep,
    }
}

fn row(root: &Root, status: StatusV1, id: &TagId) -> [String; 5] {
    let tag = &root.definitions.tags[id];
    let pin = root.lock.pins.get(id);
    let source = match &tag.source {
        Source::Image { image, .. } => image.to_string(),
        Source::Chosen { repository, select, .. } => format!("{repository} {select}"),
        Source::Follow(target) => format!("-> {target}"),
        Source::Elsewhere(far) => format!("-> {far}"),
    };
    let source = match tag.source.platform() {
        Some(platform) => format!("{source} ({platform})"),
        None => source,
    };
    let side = pin.map(|pin| diff::side(&root.lock, pin));
    let version = side.and_then(|side| side.version).map(|version| escape::terminal(&version)).unwrap_or_default();
    let status = match status {
        StatusV1::Pinned => "pinned",
        StatusV1::NotPinned => "not pinned",
        StatusV1::OutOfStep => "out of step",
    };
    let digest = pin.map(|pin| pin.digest.short().to_owned()).unwrap_or_default();
    [id.to_string(), source, digest, version, status.to_owned()]
}

/// Rows in columns that are as wide as their widest cell.
pub fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width - cell.chars().count() + 3));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

//! `list`: all tags in a table.

use std::cmp::Reverse;
use std::io::Write as _;

use clap::ValueEnum;
use jiff::Timestamp;

use crate::model::image::TagId;
use crate::model::image::version::TagVersion;
use crate::model::lock::diff::{self, PinSide};
use crate::model::lock::drift::{Drift, DriftKind, find_drift};
use crate::model::root::Root;
use crate::model::stream::TagSource;
use crate::report::exit::Exit;
use crate::report::v1::list::{ListV1, PinV1};
use crate::report::v1::words::StatusV1;
use crate::text::escape;

use super::context::{CommandContext, patterns};
use super::{CliError, ListFormat};

/// List all tags and what they are pinned to
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Tags: a stream, `stream:tag`, or a glob; all where none is given
    #[arg(value_name = "TAG")]
    tags: Vec<String>,
    /// In which form
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: ListFormat,
    /// In which order: what is old, not a version, or not pinned comes last, and what is out of step first
    #[arg(long, value_name = "BY", default_value = "tag")]
    sort: ListSort,
    /// Leave out the line of headings
    #[arg(long)]
    no_headers: bool,
}

/// By what tags are sorted; those that are the same in it, by their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListSort {
    /// Stream and tag
    Tag,
    /// The image
    Image,
    /// The image's version, the highest first
    Version,
    /// When the image was made, the latest first
    Created,
    /// Whether it is pinned, what is not first
    Status,
}

/// Runs it.
///
/// # Errors
/// Where the root cannot be read.
pub fn run(context: &CommandContext, args: &ListArgs) -> Result<Exit, CliError> {
    let (_, root) = context.root()?;
    let only = patterns(&args.tags)?.unwrap_or_default();
    root.check_patterns(&only)?;
    let disagreements = find_drift(&root.definitions, &root.lock);
    let status = |id: &TagId| status(&disagreements, id);
    let mut tags: Vec<&TagId> = root.definitions.tags.keys().filter(|id| only.matches(id)).collect();
    sort(&mut tags, args.sort, &root, status);
    let mut out = context.stdout();
    if args.format == ListFormat::Json {
        let tags = tags.into_iter().map(|id| PinV1::new(id, &root.definitions.tags[id], &root.lock, status(id)));
        write!(out, "{}", ListV1::new(tags.collect()).to_json())?;
        return Ok(Exit::Success);
    }
    let mut rows: Vec<[String; 6]> = Vec::new();
    if !args.no_headers {
        rows.push(["TAG", "SOURCE", "DIGEST", "VERSION", "CREATED", "STATUS"].map(str::to_owned));
    }
    rows.extend(tags.into_iter().map(|id| row(&root, status(id), id)));
    write!(out, "{}", table(&rows))?;
    Ok(Exit::Success)
}

/// `disagreements` are in the order of their tags.
fn status(disagreements: &[Drift], id: &TagId) -> StatusV1 {
    let at = disagreements.binary_search_by(|one| one.tag.cmp(id));
    match at.ok().map(|at| &disagreements[at].kind) {
        None => StatusV1::Pinned,
        Some(DriftKind::Missing) => StatusV1::NotPinned,
        Some(_) => StatusV1::Stale,
    }
}

/// Sorts tags that are in the order of their names.
fn sort(tags: &mut [&TagId], by: ListSort, root: &Root, status: impl Fn(&TagId) -> StatusV1) {
    let pin = |id: &TagId| root.lock.pins.get(id);
    let side = |id: &TagId| pin(id).map(|pin| diff::side(&root.lock, pin));
    match by {
        ListSort::Tag => {}
        ListSort::Image => tags.sort_by_cached_key(|id| pin(id).map_or((true, None), |pin| (false, Some(&pin.image)))),
        ListSort::Version => tags.sort_by_cached_key(|id| {
            Reverse(side(id).and_then(|side| TagVersion::read(&side.version?)).map(|version| version.version))
        }),
        ListSort::Created => tags.sort_by_cached_key(|id| Reverse(side(id).and_then(|side| created(&side)))),
        ListSort::Status => tags.sort_by_cached_key(|id| match status(id) {
            StatusV1::Stale => 0,
            StatusV1::NotPinned => 1,
            StatusV1::Pinned => 2,
        }),
    }
}

/// When the image says that it was made.
fn created(side: &PinSide) -> Option<Timestamp> {
    side.created.as_ref()?.parse().ok()
}

fn row(root: &Root, status: StatusV1, id: &TagId) -> [String; 6] {
    let tag = &root.definitions.tags[id];
    let pin = root.lock.pins.get(id);
    let source = match &tag.source {
        TagSource::Image { image, .. } => image.to_string(),
        TagSource::Select { repository, select, .. } => format!("{repository} {select}"),
        TagSource::Follow(target) => format!("-> {target}"),
        TagSource::Remote(far) => format!("-> {far}"),
    };
    let source = match tag.source.platform() {
        Some(platform) => format!("{source} ({platform})"),
        None => source,
    };
    let side = pin.map(|pin| diff::side(&root.lock, pin));
    let day = side.as_ref().and_then(created).map(|time| time.strftime("%Y-%m-%d").to_string()).unwrap_or_default();
    let version = side.and_then(|side| side.version).map(|version| escape::terminal(&version)).unwrap_or_default();
    let status = match status {
        StatusV1::Pinned => "pinned",
        StatusV1::NotPinned => "not pinned",
        StatusV1::Stale => "out of step",
    };
    let digest = pin.map(|pin| pin.digest.short().to_owned()).unwrap_or_default();
    [id.to_string(), source, digest, version, day, status.to_owned()]
}

/// Rows in columns that are as wide as their widest cell, each cell made safe to be printed.
pub fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let rows: Vec<[String; N]> = rows.iter().map(|row| row.each_ref().map(|cell| escape::one_line(cell))).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in &rows {
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

/// Tells on standard error what a command left as it is: `what`, then a row for each place, by file and line.
///
/// # Errors
/// Where standard error cannot be written.
pub fn tell(what: &str, rows: &[[String; 3]]) -> Result<(), CliError> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut shown = vec![["AT", "WRITTEN", "WHY"].map(str::to_owned)];
    shown.extend(rows.iter().cloned());
    let place = |row: &[String; 3]| {
        let (path, line) = row[0].rsplit_once(':').unwrap_or((&row[0], ""));
        (path.to_owned(), line.parse::<usize>().unwrap_or_default())
    };
    shown[1..].sort_by_cached_key(place);
    Ok(write!(anstream::stderr(), "{what}:\n{}", table(&shown))?)
}

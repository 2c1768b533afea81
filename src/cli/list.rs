//! `list`: prints all tags in a table.

use std::io::Write as _;

use crate::model::root::Root;
use crate::query::list::{ListOrder, ListedTag, list, source_label};
use crate::report::v1;
use crate::report::v1::list::{ListSchema, ListV1, PinV1};
use crate::report::v1::words::StatusV1;
use crate::text::escape;

use super::support::output::ListFormat;
use super::support::table::table;
use super::{CliError, CommandContext, Exit};

/// List tags with source, digest, version and status
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pinstream list                          all tags
  pinstream list 'team-a/**' --sort created
  pinstream list --format json | jq -r '.tags[].reference'")]
pub struct ListArgs {
    /// Streams, tags (`stream:tag`) or globs; default: all tags
    #[arg(value_name = "TAG")]
    tags: Vec<String>,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: ListFormat,
    /// Sort order
    #[arg(long, value_name = "BY", default_value = "tag")]
    sort: ListOrder,
    /// Omit the header line
    #[arg(long)]
    no_headers: bool,
}

/// Runs `list`.
///
/// # Errors
/// Fails if the root cannot be read or a pattern matches no tag.
pub fn run(context: &CommandContext, args: &ListArgs) -> Result<Exit, CliError> {
    let (_, root, only) = context.selected(&args.tags)?;
    let tags = list(&root, &only, args.sort);
    let mut out = context.stdout();
    match args.format {
        ListFormat::Json => write!(out, "{}", json(&root, &tags))?,
        ListFormat::Text => {
            let header = ["TAG", "SOURCE", "DIGEST", "VERSION", "CREATED", "STATUS"].map(str::to_owned);
            let header = Some(header).filter(|_| !args.no_headers);
            let rows: Vec<_> = header.into_iter().chain(tags.iter().map(row)).collect();
            write!(out, "{}", table(&rows))?;
        }
    }
    Ok(Exit::Success)
}

fn json(root: &Root, tags: &[ListedTag]) -> String {
    let tags = tags.iter().map(|tag| PinV1::new(tag.id, tag.tag, &root.lock, tag.status));
    v1::encode(&ListV1 { schema: ListSchema::V1, tags: tags.collect() })
}

fn row(tag: &ListedTag) -> [String; 6] {
    let arrow = if tag.tag.source.followed().is_some() { "-> " } else { "" };
    let platform = tag.tag.source.platform().map(|platform| format!(" ({platform})")).unwrap_or_default();
    let status = match tag.status {
        StatusV1::Pinned => "pinned",
        StatusV1::NotPinned => "not pinned",
        StatusV1::Stale => "drifted",
    };
    [
        tag.id.to_string(),
        format!("{arrow}{}{platform}", source_label(&tag.tag.source)),
        tag.pin.map(|pin| pin.digest.short().to_owned()).unwrap_or_default(),
        tag.version.as_deref().map(escape::terminal).unwrap_or_default(),
        tag.created.map(|time| time.strftime("%Y-%m-%d").to_string()).unwrap_or_default(),
        status.to_owned(),
    ]
}

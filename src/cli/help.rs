//! `help`: what a command does, and topics that belong to none.

use std::io::Write as _;

use clap::CommandFactory as _;

use crate::report::exit::Exit;
use crate::text::diagnostics::nearest;

use super::context::CommandContext;
use super::{Cli, CliError};

/// How wide a topic is set, as the help of commands is.
const WIDTH: usize = 100;

#[doc = include_str!("../streams.md")]
pub const STREAMS: &str = include_str!("../streams.md");

#[doc = include_str!("../message.md")]
pub const MESSAGE: &str = include_str!("../message.md");

/// The topics, by name.
const TOPICS: [(&str, &str); 2] = [("message", MESSAGE), ("streams", STREAMS)];

/// Print this message, or the help of a command or topic
///
/// The topic `streams` says what became of each thing that OpenShift's image streams do, and `message` how the messages
/// of commits are written.
#[derive(Debug, clap::Args)]
pub struct HelpArgs {
    /// A command, or a topic: `message` or `streams`
    #[arg(value_name = "COMMAND|TOPIC")]
    of: Option<String>,
}

/// Runs it.
///
/// # Errors
/// Where there is no such command or topic, or standard output cannot be written.
pub fn run(context: &CommandContext, args: &HelpArgs) -> Result<Exit, CliError> {
    let mut out = context.stdout();
    let mut command = Cli::command();
    command.build();
    let Some(name) = &args.of else {
        write!(out, "{}", command.render_long_help().ansi())?;
        return Ok(Exit::Success);
    };
    if let Some((_, text)) = TOPICS.iter().find(|(topic, _)| topic == name) {
        write!(out, "{}", plain(text))?;
        return Ok(Exit::Success);
    }
    if let Some(found) = command.find_subcommand_mut(name) {
        write!(out, "{}", found.render_long_help().ansi())?;
        return Ok(Exit::Success);
    }
    let names = command.get_subcommands().map(clap::Command::get_name).chain(TOPICS.iter().map(|(topic, _)| *topic));
    let error = CliError::usage(format!("there is no command or topic `{name}`"));
    Err(match nearest(name, names) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.help("`pinstream help` lists the commands; the topics are `message` and `streams`"),
    })
}

/// A topic's Markdown as text for a terminal: each row of a table is a paragraph, the first cell before it, and what is
/// fenced is set in.
fn plain(markdown: &str) -> String {
    let mut text = String::new();
    let mut is_fenced = false;
    for line in markdown.lines() {
        if line.starts_with("```") || is_fenced {
            is_fenced ^= line.starts_with("```");
            if !line.starts_with("```") {
                text.push_str(format!("    {line}").trim_end());
                text.push('\n');
            }
            continue;
        }
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        match (line, cells.as_slice()) {
            (line, [first, ..]) if line.starts_with("| ---") || matches!(*first, "#" | "key" | "with oc") => {}
            (line, [first, rest @ ..]) if line.starts_with('|') => match rest {
                [only] => {
                    text.push_str(&format!("  {first}\n"));
                    fold(&mut text, "", "      ", only);
                }
                [what, here] => {
                    fold(&mut text, &format!("{first:>4}"), "    ", what);
                    fold(&mut text, "", "      ", here);
                }
                _ => {}
            },
            (line, _) => {
                text.push_str(line.trim_start_matches('#').trim_start());
                text.push('\n');
            }
        }
    }
    text
}

/// Writes `words` beside or below `lead`, in lines that are set in by `indent`.
fn fold(text: &mut String, lead: &str, indent: &str, words: &str) {
    let mut line = lead.to_owned();
    if lead.len() > indent.len() {
        text.push_str(lead);
        text.push('\n');
        line.clear();
    }
    if line.is_empty() {
        line.push_str(&indent[..indent.len() - 1]);
    }
    for word in words.split(' ') {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            text.push_str(line.trim_end());
            text.push('\n');
            line = indent[..indent.len() - 1].to_owned();
        }
        line.push(' ');
        line.push_str(word);
    }
    text.push_str(&line);
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::template::context;

    #[test]
    fn all_83_rows_are_there_and_each_says_what_became_of_it() {
        let rows: Vec<(usize, &str)> = STREAMS
            .lines()
            .filter_map(|line| {
                let [number, _, here] = line.trim_matches('|').split(" | ").collect::<Vec<_>>()[..] else {
                    return None;
                };
                Some((number.trim().parse().ok()?, here))
            })
            .collect();
        assert_eq!(rows.iter().map(|(number, _)| *number).collect::<Vec<_>>(), (1..=83).collect::<Vec<_>>());
        for (number, here) in rows {
            let (word, rest) = here.split_once([':', ',', ' ']).unwrap_or((here.trim(), ""));
            let is_why = rest.contains(' ') || word == "same";
            assert!(["same", "better", "left"].contains(&word) && is_why, "{number}: {here}");
        }
    }

    #[test]
    fn each_key_of_templates_is_told() {
        let rows = MESSAGE.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
        let told: Vec<&str> = rows.map(|(key, _)| key).filter(|key| !matches!(*key, "key" | "---")).collect();
        let mut known: Vec<String> = context::keys().into_iter().take(2).flat_map(|(_, keys)| keys).collect();
        let mut told_sorted: Vec<String> = told.iter().map(ToString::to_string).collect();
        told_sorted.sort();
        known.sort();
        assert_eq!(told_sorted, known);
        for key in context::keys().into_iter().flat_map(|(_, keys)| keys) {
            assert!(told.contains(&key.as_str()) || MESSAGE.contains(&format!("`{key}`")), "{key}");
        }
    }

    #[test]
    fn the_template_that_is_shown_can_be_used() {
        let block = MESSAGE.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
        let (settings, problems) = crate::model::settings::read(block.as_bytes());
        assert_eq!((settings.git.message.is_some(), problems), (true, Vec::new()));
    }

    #[test]
    fn a_topic_is_set_for_a_terminal() {
        for (_, topic) in TOPICS {
            let text = plain(topic);
            assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
            assert!(!text.contains("| "), "{text}");
        }
        insta::assert_snapshot!(plain("## Verbs\n| with oc | with pinstream |\n| --- | --- |\n| oc tag | pinstream tag |\n\
            | # | in OpenShift | here |\n| --- | --- | --- |\n| 1 | one | same: as there |\n"), @"
        Verbs
          oc tag
              pinstream tag
           1 one
              same: as there
        ");
    }
}

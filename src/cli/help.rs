//! `help`: prints the help of commands, and topics.

use std::io::Write as _;

use super::{CliError, CommandContext, Exit};

/// Maximum line width of topics, as for the help of commands.
const WIDTH: usize = 100;

#[doc = include_str!("help/streams.md")]
pub const STREAMS: &str = include_str!("help/streams.md");

#[doc = include_str!("help/message.md")]
pub const MESSAGE: &str = include_str!("help/message.md");

#[doc = include_str!("help/publish.md")]
pub const PUBLISH: &str = include_str!("help/publish.md");

#[doc = include_str!("help/security.md")]
pub const SECURITY: &str = include_str!("help/security.md");

/// Topics by name.
const TOPICS: [(&str, &str); 4] =
    [("message", MESSAGE), ("publish", PUBLISH), ("security", SECURITY), ("streams", STREAMS)];

/// Print the help of pinstream, a command or a topic
///
/// Topics: `message` (templates of commit messages and proposals), `publish` (proposals on a forge), `security` (secrets and
/// hooks) and `streams` (image streams of OpenShift compared with pinstream).
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pinstream help reconcile
  pinstream help streams")]
pub struct HelpArgs {
    /// Command or topic (`message`, `publish`, `security`, `streams`)
    #[arg(value_name = "COMMAND|TOPIC")]
    name: Option<String>,
}

/// Runs `help`; `program` is the whole command line.
///
/// # Errors
/// Fails if the command or topic does not exist or standard output cannot be written.
pub fn run(context: &CommandContext, args: &HelpArgs, mut program: clap::Command) -> Result<Exit, CliError> {
    let mut out = context.stdout();
    program.build();
    let Some(name) = &args.name else {
        write!(out, "{}", program.render_long_help().ansi())?;
        return Ok(Exit::Success);
    };
    if let Some((_, text)) = TOPICS.iter().find(|(topic, _)| topic == name) {
        write!(out, "{}", plain(text))?;
        return Ok(Exit::Success);
    }
    if let Some(found) = program.find_subcommand_mut(name) {
        write!(out, "{}", found.render_long_help().ansi())?;
        return Ok(Exit::Success);
    }
    let names = program.get_subcommands().map(clap::Command::get_name).chain(TOPICS.iter().map(|(topic, _)| *topic));
    let help = "run `pinstream help` to see all commands; topics: `message`, `publish`, `security`, `streams`";
    Err(CliError::usage(format!("no command or topic is named `{name}`")).did_you_mean(name, names, help))
}

/// Converts a topic from Markdown to text for a terminal: each table row becomes a paragraph below its first cell, and
/// code blocks are indented.
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
            (line, [first, ..]) if line.starts_with("| ---") || matches!(*first, "#" | "key" | "oc") => {}
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

/// Writes `words` after `lead`, wrapped and indented by `indent`.
fn fold(text: &mut String, lead: &str, indent: &str, words: &str) {
    // A space precedes each word.
    let margin = &indent[..indent.len() - 1];
    let mut line = if lead.is_empty() { margin } else { lead }.to_owned();
    if lead.len() > indent.len() {
        text.push_str(&format!("{lead}\n"));
        line = margin.to_owned();
    }
    for word in words.split(' ') {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            text.push_str(&format!("{}\n", line.trim_end()));
            line = margin.to_owned();
        }
        line.push_str(&format!(" {word}"));
    }
    text.push_str(&format!("{line}\n"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::template::context;

    #[test]
    fn all_83_rows_exist_and_start_with_a_verdict() {
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
            let has_reason = rest.contains(' ') || word == "same";
            assert!(["same", "better", "left"].contains(&word) && has_reason, "{number}: {here}");
        }
    }

    #[test]
    fn each_key_of_templates_is_documented() {
        let rows = MESSAGE.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
        let documented: Vec<&str> = rows.map(|(key, _)| key).filter(|key| !matches!(*key, "key" | "---")).collect();
        let mut known: Vec<String> = context::keys().into_iter().take(2).flat_map(|(_, keys)| keys).collect();
        let mut sorted: Vec<String> = documented.iter().map(ToString::to_string).collect();
        sorted.sort();
        known.sort();
        assert_eq!(sorted, known);
        for key in context::keys().into_iter().flat_map(|(_, keys)| keys) {
            assert!(documented.contains(&key.as_str()) || MESSAGE.contains(&format!("`{key}`")), "{key}");
        }
    }

    #[test]
    fn the_example_template_is_valid() {
        let block = MESSAGE.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
        let (settings, problems) = crate::model::settings::read(block.as_bytes());
        assert_eq!((settings.git.message.is_some(), problems), (true, Vec::new()));
    }

    #[test]
    fn topics_are_formatted_for_a_terminal() {
        for (_, topic) in TOPICS {
            let text = plain(topic);
            assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
            assert!(!text.contains("| "), "{text}");
        }
        insta::assert_snapshot!(plain("## Verbs\n| oc | pinstream |\n| --- | --- |\n| oc tag | pinstream tag |\n\
            | # | OpenShift | pinstream |\n| --- | --- | --- |\n| 1 | one | same: also one |\n"), @"
        Verbs
          oc tag
              pinstream tag
           1 one
              same: also one
        ");
    }
}

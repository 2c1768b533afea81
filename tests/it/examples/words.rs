//! Splits command lines in other files into words, like a shell but without expansion.

/// Splits a shell script into commands and words. A redirection ends a command.
pub(super) fn commands(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let (mut words, mut word, mut has_word) = (Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => {
                has_word = true;
                while let Some(quoted) = chars.next().filter(|quoted| *quoted != c) {
                    let is_escape = c == '"' && quoted == '\\';
                    word.extend(if is_escape { chars.next() } else { Some(quoted) });
                }
            }
            '\\' => {
                // A backslash at the end of a line continues it.
                let next = chars.next().filter(|next| *next != '\n');
                has_word |= next.is_some();
                word.extend(next);
            }
            '#' if !has_word => while chars.next_if(|next| *next != '\n').is_some() {},
            ' ' | '\t' | '\n' | ';' | '|' | '&' | '(' | ')' | '<' | '>' => {
                // The number before a redirection belongs to it.
                if has_word && !(matches!(c, '<' | '>') && word.bytes().all(|b| b.is_ascii_digit())) {
                    words.push(std::mem::take(&mut word));
                }
                (word, has_word) = (String::new(), false);
                if !matches!(c, ' ' | '\t') {
                    found.push(std::mem::take(&mut words));
                }
            }
            _ => {
                word.push(c);
                has_word = true;
            }
        }
    }
    if has_word {
        words.push(word);
    }
    found.push(words);
    found.retain(|words| !words.is_empty());
    found
}

/// Returns the arguments of pinstream in a command, directly or through `docker run`.
pub(super) fn of_pinstream(words: &[String]) -> Option<&[String]> {
    let is_image = |word: &String| word.rsplit('/').next().is_some_and(|name| name.starts_with("pinstream:"));
    let is_program = |word: &String| word == "pinstream" || word.ends_with("/bin/pinstream");
    let at = match words {
        [first, ..] if is_program(first) => 0,
        [docker, run, ..] if docker == "docker" && run == "run" => words.iter().position(is_image)?,
        _ => return None,
    };
    Some(&words[at + 1..])
}

#[test]
fn commands_are_split_like_in_a_shell() {
    let check = |text: &str, expected: &[&[&str]]| assert_eq!(commands(text), expected, "{text}");
    check("a 'b c' \"d \\\" $(e)\" # f\ng", &[&["a", "b c", "d \" $(e)"], &["g"]]);
    check("a b \\\n  c > d 2>&1 || e", &[&["a", "b", "c"], &["d"], &["1"], &["e"]]);
    check("x=$(a --b 2>&1) || c", &[&["x=$"], &["a", "--b"], &["1"], &["c"]]);
    let of = |text: &str| of_pinstream(&commands(text)[0]).map(|words| words.join(" "));
    assert_eq!(of("/usr/local/bin/pinstream check a").as_deref(), Some("check a"));
    assert_eq!(of("docker run --rm x/pinstream:1 check").as_deref(), Some("check"));
    assert_eq!(of("useradd pinstream"), None);
}

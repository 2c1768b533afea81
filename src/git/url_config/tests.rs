//! Which settings apply to a URL.

use super::*;

fn config(text: &str) -> (tempfile::TempDir, git2::Config) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config");
    std::fs::write(&path, text).unwrap();
    let config = git2::Config::open(&path).unwrap();
    (directory, config)
}

#[track_caller]
fn check(text: &str, url: &str, expected: &[&str]) {
    let (_directory, config) = config(text);
    assert_eq!(list(&config, &Url::parse(url).unwrap(), "extraheader"), expected, "{text} {url}");
}

#[test]
fn l09_a_setting_applies_to_the_urls_of_its_pattern() {
    let text = "[http \"https://github.com/\"]\n\textraheader = A: 1\n";
    check(text, "https://github.com/team/repo", &["A: 1"]);
    check(text, "https://github.com:443/team/repo", &["A: 1"]);
    for other in ["https://github.com.example/team", "http://github.com/team", "https://github.com:8443/team"] {
        check(text, other, &[]);
    }
    let text = "[http \"https://h.example/team\"]\n\textraHeader = A: 1\n";
    check(text, "https://h.example/team/repo", &["A: 1"]);
    check(text, "https://h.example/teams/repo", &[]);
    let text = "[http \"https://*.example\"]\n\textraHeader = A: 1\n";
    check(text, "https://h.example/team/repo", &["A: 1"]);
    check(text, "https://x.h.example/team/repo", &[]);
    check("[http \"https://me@h.example\"]\n\textraHeader = A: 1\n", "https://h.example/team", &[]);
}

#[test]
fn l09_lists_grow_until_an_empty_value_or_a_less_precise_pattern() {
    let url = "https://h.example/team/repo";
    check("[http]\n\textraHeader = A: 1\n\textraHeader = B: 2\n", url, &["A: 1", "B: 2"]);
    check("[http]\n\textraHeader = A: 1\n\textraHeader =\n\textraHeader = B: 2\n", url, &["B: 2"]);
    let both = "[http \"https://h.example\"]\n\textraHeader = A: 1\n[http]\n\textraHeader = B: 2\n";
    check(both, url, &["A: 1"]);
}

#[test]
fn l09_the_longest_instead_of_rewrites_an_address() {
    let text = "[url \"https://mirror.example/\"]\n\tinsteadOf = https://h.example/\n\
                [url \"ssh://git@h.example/\"]\n\tinsteadOf = https://h.example/team/\n\tinsteadOf = gh:\n";
    let (_directory, config) = config(text);
    for (address, expected) in [
        ("https://h.example/other/repo", "https://mirror.example/other/repo"),
        ("https://h.example/team/repo", "ssh://git@h.example/repo"),
        ("gh:repo", "ssh://git@h.example/repo"),
        ("https://x.example/repo", "https://x.example/repo"),
    ] {
        assert_eq!(instead_of(&config, address), expected);
    }
}

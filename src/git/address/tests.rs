//! Addresses and branch names that are taken, and a table of hostile ones that are not.

use super::{RemoteAddress, SshTarget};
use crate::git::branch::BranchName;

#[test]
fn addresses_that_people_use_are_taken() {
    let table = [
        ("https://github.com/acme/deploy.git", "https://github.com/acme/deploy.git"),
        ("https://someone@git.example:8443/a/b~c_d+e", "https://git.example:8443/a/b~c_d+e"),
        ("https://ci:s3cret%21@git.example/a", "https://git.example/a"),
        ("https://dev.azure.com/org/My%20Project/_git/repo", "https://dev.azure.com/org/My%20Project/_git/repo"),
        ("http://localhost:3000/a.git", "http://localhost:3000/a.git"),
        ("http://127.0.0.2/a", "http://127.0.0.2/a"),
        ("http://[::1]:80/a", "http://[::1]:80/a"),
        ("git://127.0.0.1:9418/a", "git://127.0.0.1:9418/a"),
        ("ssh://git@git.example:2222/a/b.git", "ssh://git@git.example:2222/a/b.git"),
        ("ssh://git.example/~someone/b", "ssh://git.example/~someone/b"),
        ("git@github.com:acme/deploy.git", "git@github.com:acme/deploy.git"),
        ("/", "/"),
        ("file:///", "/"),
    ];
    for (text, expected) in table {
        let address = RemoteAddress::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(address.url(), expected);
    }
    let address = RemoteAddress::parse("https://ci:s3cret%21@git.example/a").unwrap();
    assert_eq!(address.password().unwrap().reveal(), "s3cret!");
    assert_eq!(address.without_secrets("no s3cret! here"), "no *** here");
}

#[test]
fn l10_a_server_over_ssh_is_passed_on_as_git_does() {
    for (text, destination, port, path) in [
        ("git@work:team/repo.git", "git@work", None, "team/repo.git"),
        ("ssh://git@work/team/repo", "git@work", None, "/team/repo"),
        ("ssh://work:2222/~me/a%2bb", "work", Some(2222), "~me/a+b"),
        ("ssh://me@[::1]:22/a", "me@::1", Some(22), "/a"),
    ] {
        let (destination, path) = (destination.to_owned(), path.to_owned());
        let target = RemoteAddress::parse(text).unwrap().ssh_target();
        assert_eq!(target, Some(SshTarget { destination, port, path }), "{text}");
    }
    assert_eq!(RemoteAddress::parse("https://git.example/a").unwrap().ssh_target(), None);
}

/// Put in place of a host, a user and a path, each makes an address that is refused.
const HOSTS: [&str; 26] = [
    "",
    "-oProxyCommand=x",
    "-x",
    "a-",
    "a..b",
    ".a",
    "a.",
    "..",
    "a/..",
    "a b",
    "a\tb",
    "a\nb",
    "a%00b",
    "a_b",
    "a;b",
    "a|b",
    "a`id`",
    "$(id)",
    "a'b",
    "a\"b",
    "a\\b",
    "a<b",
    "é.example",
    "[::1",
    "::1",
    "a\u{202e}b",
];
const USERS: [&str; 22] = [
    "-oProxyCommand=x",
    "-x",
    "--",
    "a b",
    "a;b",
    "a|b",
    "a`id`",
    "$(id)",
    "a'b",
    "a\"b",
    "a\\b",
    "a\nb",
    "a\0b",
    "a%0ab",
    "a@b",
    ".a",
    "+a",
    "é",
    "a/b",
    "a#b",
    "a?b",
    "a\u{200b}b",
];
const PATHS: [&str; 26] = [
    "/../a",
    "/a/../b",
    "/a/..",
    "/./a",
    "/%2e%2e/a",
    "/a/%2E%2E",
    "/a/%2e",
    "/a b",
    "/a\nb",
    "/a\tb",
    "/a\0b",
    "/a%00b",
    "/a%0ab",
    "/a%zz",
    "/a%2",
    "/a\\b",
    "/a%5cb",
    "/a'b",
    "/a\"b",
    "/a`id`",
    "/$(id)",
    "/a;b",
    "/a|b",
    "/a?x=1",
    "/a#b",
    "/-a",
];
const PORTS: [&str; 8] = ["", "0", "65536", "99999", "-1", "+22", "22a", "000022"];
const WHOLE: [&str; 44] = [
    "",
    " ",
    "-",
    "--upload-pack=id",
    "-uid",
    "--",
    "-oProxyCommand=id",
    "ext::sh -c id",
    "ext::id",
    "fd::17",
    "transport::a",
    "git+ssh://git.example/a",
    "ssh+git://git.example/a",
    "ftp://git.example/a",
    "ftps://git.example/a",
    "rsync://git.example/a",
    "javascript://git.example/a",
    "data:text/plain,a",
    "http://git.example/a",
    "http://10.0.0.1/a",
    "http://127.0.0.1.evil/a",
    "http://localhost.evil/a",
    "http://128.0.0.1/a",
    "git://git.example/a",
    "HTTPS://git.example/a",
    "https:/git.example/a",
    "https:git.example/a",
    "https://git.example",
    "https://git.example/",
    "https:///a",
    "https://",
    "ssh://git:secret@git.example/a",
    "git.example:a",
    "file://a/b",
    "file://localhost/a",
    "file:/etc",
    "file:a",
    "file:///a%00b",
    "file:///etc/../..?x",
    "/nowhere/at/all",
    "nowhere",
    "./nowhere",
    "/etc/passwd",
    "~/a",
];

fn hostile_addresses() -> Vec<String> {
    let mut list: Vec<String> = WHOLE.iter().map(|text| (*text).to_owned()).collect();
    for scheme in ["https", "ssh"] {
        list.extend(HOSTS.iter().map(|host| format!("{scheme}://{host}/a")));
        list.extend(USERS.iter().map(|user| format!("{scheme}://{user}@git.example/a")));
        list.extend(PATHS.iter().map(|path| format!("{scheme}://git.example{path}")));
        list.extend(PORTS.iter().map(|port| format!("{scheme}://git.example:{port}/a")));
    }
    list.extend(HOSTS.iter().map(|host| format!("git@{host}:a")));
    list.extend(USERS.iter().filter(|user| !user.contains('/')).map(|user| format!("{user}@git.example:a")));
    list.extend(PATHS.iter().map(|path| format!("git@git.example:{path}")));
    list.extend(["git@git.example:-a", "git@git.example:", "git@git.example:/"].map(str::to_owned));
    list.push(format!("https://git.example/{}", "a".repeat(3000)));
    list
}

const BRANCHES: [&str; 60] = [
    "",
    " ",
    "-",
    "-x",
    "--upload-pack=id",
    "--",
    "@",
    "HEAD",
    ".",
    "..",
    "a..b",
    ".a",
    "a/.b",
    "a.",
    "a.lock",
    "a.lock/b",
    "a/",
    "/a",
    "a//b",
    "a b",
    "a\tb",
    "a\nb",
    "a\rb",
    "a\0b",
    "a\u{7f}b",
    "a~1",
    "a^",
    "a^{tree}",
    "a:b",
    ":a",
    "a?",
    "a*",
    "*",
    "a[b]",
    "a\\b",
    "@{-1}",
    "a@{1}",
    "refs/heads/main",
    "refs/pinstream/state",
    "a\u{202e}b",
    "a\u{200b}b",
    "a\u{feff}",
    "a\u{a0}b",
    "a\u{2028}b",
    "a\u{ad}b",
    "+a:b",
    "a:refs/heads/main",
    "main:evil",
    "^main",
    "~",
    "a/../b",
    "../a",
    "a/..",
    "./a",
    "a/./b",
    "a\u{1b}[31m",
    "\u{202e}",
    "a/-\n",
    "a/b.lock",
    "a\u{e0041}",
];

#[test]
fn t2_no_hostile_address_or_branch_is_taken() {
    let addresses = hostile_addresses();
    assert!(addresses.len() + BRANCHES.len() >= 200, "{}", addresses.len());
    let taken: Vec<_> = addresses.iter().filter(|text| RemoteAddress::parse(text).is_ok()).collect();
    assert_eq!(taken, [] as [&String; 0]);
    let taken: Vec<_> = BRANCHES.iter().filter(|text| BranchName::parse(text).is_ok()).collect();
    assert_eq!(taken, [] as [&&str; 0]);
}

#[test]
fn a_refusal_shows_no_password_and_no_control_character() {
    for text in ["https://ci:s3cret@git.example", "ssh://ci:s3cret@git.example/a", "ci:s3cret@git.example\u{1b}[2J"] {
        let said = RemoteAddress::parse(text).err().unwrap().to_string();
        assert!(!said.contains("s3cret") && !said.contains('\u{1b}'), "{said}");
    }
}

#[test]
fn branches_that_people_use_are_taken() {
    for name in ["main", "release/1.2", "feature/JIRA-1_x", "dependabot/npm@5", "ünïcode", "a-", "x@y", "a+b,c=d"] {
        assert_eq!(BranchName::parse(name).unwrap().reference(), format!("refs/heads/{name}"));
    }
}

//! The notification examples: each script of `examples/notify`, run by a pass, received by a server.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::canary::{CANARY, IN_ADDRESS};
use crate::support::encoding::{base64, from_base64};
use crate::support::lane::{needs, slow};
use crate::support::registry::http::{Answer, Request, Server};
use crate::support::registry::{DockerRegistry, Image};
use crate::support::remote::BareRepo;
use crate::support::remote::http::HttpBackend;
use crate::support::sandbox::Sandbox;
use crate::support::smtp::Smtp;

/// A version that attempts every injection: mentions, markup, HTML, a CI command, a line break and a quote.
const HOSTILE: &str =
    "`<!channel> <@U1|x> @acme @room </code><b>*b*</b> [x](//e) &amp; --> \"\r\n.\r\n::error::x \u{202e}";

const SOURCE: &str = "org.opencontainers.image.source";

/// A remote with the example, a registry with two of its tags, and servers that receive the notifications.
struct Audience {
    sandbox: Sandbox,
    registry: DockerRegistry,
    repo: BareRepo,
    remote: HttpBackend,
    web: Service,
    mail: Smtp,
}

/// Receiver of HTTP notifications.
struct Service {
    server: Server,
    asked: Arc<Mutex<Vec<Request>>>,
    status: Arc<AtomicU16>,
}

impl Service {
    fn start() -> Self {
        let (asked, status) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicU16::new(200)));
        let (heard, answered) = (Arc::clone(&asked), Arc::clone(&status));
        let handler = move |request: &Request| {
            heard.lock().unwrap().push(request.clone());
            Answer::new(answered.load(Ordering::SeqCst)).body("{}\n")
        };
        Self { server: Server::start(None, Arc::new(handler)), asked, status }
    }

    /// Requests since the last call, without the parts that differ between machines.
    fn take(&self) -> Vec<Request> {
        let mut asked = std::mem::take(&mut *self.asked.lock().unwrap());
        for request in &mut asked {
            request.headers.retain(|(name, _)| !["host", "user-agent", "content-length"].contains(&name.as_str()));
        }
        asked
    }
}

impl Audience {
    /// Starts all receivers; both tags are pinned and have changed since.
    fn new() -> Self {
        let (registry, repo, web, mail) = (DockerRegistry::start(), BareRepo::new(), Service::start(), Smtp::start());
        let remote = HttpBackend::start(repo.base());
        let mut sandbox = Sandbox::new();
        let url = format!("http://{}", web.server.host());
        for (name, value) in [
            ("SLACK_WEBHOOK_URL", format!("{url}/services/T0/B0/{IN_ADDRESS}")),
            ("MATRIX_URL", url.clone()),
            ("MATRIX_ROOM", "#ops/x:example.org".to_owned()),
            ("MATRIX_TOKEN", CANARY.to_owned()),
            ("SMTP_URL", format!("{}/ci.example.org", mail.url())),
            ("SMTP_USER", "bot".to_owned()),
            ("SMTP_PASSWORD", smtp_password()),
            ("MAIL_FROM", "pinstream@example.org".to_owned()),
            ("MAIL_TO", "ops@example.org".to_owned()),
            ("GITHUB_API_URL", url),
            ("GITHUB_REPOSITORY", "acme/deploy".to_owned()),
            ("GITHUB_TOKEN", CANARY.to_owned()),
            ("ISSUE_NUMBER", "7".to_owned()),
        ] {
            sandbox.env(name, value);
        }
        let audience = Self { sandbox, registry, repo, remote, web, mail };
        audience.commit_example();
        let acme = |image: Image| image.label(SOURCE, "https://github.com/acme/web");
        let old = Image::new(1).version("1.0.0").platforms(&["linux/amd64", "linux/arm64"]).revision("0a0a0a");
        audience.push(&acme(old).runs("User", json!("app")), &Image::new(2).version("7").revision("2c2c2c"));
        assert_eq!(audience.pass(), Some(0));
        audience.web.take();
        let new = Image::new(3).version("1.1.0").platforms(&["linux/amd64"]).revision("1b1b1b");
        let hostile = Image::new(4).version(HOSTILE).revision(HOSTILE).label(SOURCE, HOSTILE);
        audience.push(&acme(new), &hostile);
        audience
    }

    /// Commits the example as it is, except for the name of the registry.
    fn commit_example(&self) {
        let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/notify");
        let host = self.registry.host();
        let mut stream =
            "commit refs/heads/main\ncommitter A Person <person@example.com> 1750000000 +0000\ndata 1\nx\n".to_owned();
        for folder in ["", "notify/", "streams/"] {
            for entry in std::fs::read_dir(home.join(folder)).unwrap().map(Result::unwrap) {
                let metadata = entry.metadata().unwrap();
                if metadata.is_dir() {
                    continue;
                }
                let mode = if metadata.permissions().mode() & 0o111 == 0 { "100644" } else { "100755" };
                let name = entry.file_name().into_string().unwrap();
                let mut text = std::fs::read_to_string(entry.path()).unwrap();
                match folder {
                    "" => text += &format!("\n[registry.\"{host}\"]\nplain-http = true\n"),
                    "streams/" => text = text.replace("ghcr.io", &host),
                    _ => {}
                }
                stream += &format!("M {mode} inline {folder}{name}\ndata {}\n{text}\n", text.len());
            }
        }
        self.repo.git_with(&["fast-import", "--quiet"], stream.as_bytes());
    }

    fn push(&self, main: &Image, stable: &Image) {
        self.registry.push("acme/web", "main", main);
        self.registry.push("acme/web", "stable", stable);
    }

    fn pass(&self) -> Option<i32> {
        self.sandbox.run(&["reconcile", "--remote", &self.remote.url()]).code
    }

    /// Requests of a pass whose path contains `part`; there must be exactly one.
    #[track_caller]
    fn received(&self, part: &str) -> Request {
        let found: Vec<Request> = self.web.take().into_iter().filter(|request| request.target.contains(part)).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        found.into_iter().next().unwrap()
    }
}

/// A URL that has to be quoted in curl's configuration.
fn smtp_password() -> String {
    format!("quo\"ted\\{CANARY}")
}

/// Formats a request as text.
fn shown(request: &Request) -> String {
    let mut text = format!("{} {}\n", request.method, request.target);
    for (name, value) in &request.headers {
        text += &format!("{name}: {value}\n");
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    text = text.replace(CANARY, "[SECRET]").replace(IN_ADDRESS, "[SECRET]");
    text + &serde_json::to_string_pretty(&body).unwrap()
}

#[test]
fn slack_receives_a_message() {
    slow!();
    needs!("docker-registry", "jq", "curl");
    let audience = Audience::new();
    assert_eq!(audience.pass(), Some(0));
    assert_snapshot!(shown(&audience.received("/services/")), @r#"
    POST /services/T0/B0/[SECRET]
    accept: */*
    content-type: application/json
    {
      "text": "`web:next` `1.0.0` → `1.1.0` (minor) <https://github.com/acme/web/compare/0a0a0a...1b1b1b|compare>\n    :warning: `now runs as root`\n    :warning: `no longer runs on linux/arm64`\n`web:prod` `7` → `'&lt;!channel&gt; &lt;@U1|x&gt; @acme @room &lt;/code&gt;&lt;b&gt;*b*&lt;/b&gt; [x](//e) &amp;amp; --&gt; \"  .  ::err` (layers)",
      "unfurl_links": false
    }
    "#);
}

#[test]
fn a_matrix_room_receives_a_message() {
    slow!();
    needs!("docker-registry", "jq", "curl");
    let audience = Audience::new();
    assert_eq!(audience.pass(), Some(0));
    let request = audience.received("/_matrix/");
    let (path, id) = request.target.rsplit_once('/').unwrap();
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    let request = Request { target: format!("{path}/[ID]"), ..request.clone() };
    assert_snapshot!(shown(&request), @r#"
    PUT /_matrix/client/v3/rooms/%23ops%2Fx%3Aexample.org/send/m.room.message/[ID]
    accept: */*
    authorization: Bearer [SECRET]
    content-type: application/json
    {
      "body": "web:next 1.0.0 → 1.1.0 (minor) https://github.com/acme/web/compare/0a0a0a...1b1b1b\n  ! now runs as root\n  ! no longer runs on linux/arm64\nweb:prod 7 → `<!channel> <@U1|x> @acme @room </code><b>*b*</b> [x](//e) &amp; --> \"  .  ::err (layers)",
      "format": "org.matrix.custom.html",
      "formatted_body": "<code>web:next</code> <code>1.0.0</code> → <code>1.1.0</code> (minor) <a href=\"https://github.com/acme/web/compare/0a0a0a...1b1b1b\">compare</a><br>⚠ <code>now runs as root</code><br>⚠ <code>no longer runs on linux/arm64</code><br><code>web:prod</code> <code>7</code> → <code>`&lt;!channel&gt; &lt;@U1|x&gt; @acme @room &lt;/code&gt;&lt;b&gt;*b*&lt;/b&gt; [x](//e) &amp;amp; --&gt; &quot;  .  ::err</code> (layers)",
      "m.mentions": {},
      "msgtype": "m.notice"
    }
    "#);
}

#[test]
fn an_issue_receives_a_comment() {
    slow!();
    needs!("docker-registry", "jq", "curl");
    let audience = Audience::new();
    assert_eq!(audience.pass(), Some(0));
    let request = audience.received("/issues/");
    let body = String::from_utf8(request.body.clone()).unwrap();
    let id = id_in(&body, "<!-- pinstream ");
    let request = Request { body: body.replace(&id, "[ID]").into_bytes(), ..request };
    assert_snapshot!(shown(&request), @r#"
    POST /repos/acme/deploy/issues/7/comments
    authorization: Bearer [SECRET]
    accept: application/vnd.github+json
    x-github-api-version: 2022-11-28
    content-type: application/json
    {
      "body": "- `web:next` `1.0.0` → `1.1.0` (minor) [compare](https://github.com/acme/web/compare/0a0a0a...1b1b1b)\n  - ⚠ `now runs as root`\n  - ⚠ `no longer runs on linux/arm64`\n- `web:prod` `7` → `'<!channel> <@U1|x> @acme @room </code><b>*b*</b> [x](//e) &amp; --> \"  .  ::err` (layers)\n\n<!-- pinstream [ID] -->"
    }
    "#);
}

/// Finds the event id that follows `before` in `text`.
#[track_caller]
fn id_in(text: &str, before: &str) -> String {
    let id: String = text.split_once(before).unwrap().1.chars().take_while(char::is_ascii_hexdigit).collect();
    assert_eq!(id.len(), 32, "{text}");
    id
}

/// Sender and text of the latest mail.
fn mail(audience: &Audience) -> (String, String) {
    let heard = audience.mail.heard().pop().unwrap();
    let (head, body) = heard.split_once("\n\n").unwrap();
    let (body, end) = body.split_once("\n.\n").unwrap();
    assert!(body.lines().all(|line| line.len() <= 76), "{body}");
    let text = String::from_utf8(from_base64(&body.replace('\n', ""))).unwrap();
    // The only line that differs between runs.
    let lines = head.lines().map(|line| if line.starts_with("Date: ") { "Date: [DATE]" } else { line });
    (format!("{}\n\n[TEXT]\n.\n{end}", lines.collect::<Vec<_>>().join("\n")), text)
}

#[test]
fn a_mail_is_sent() {
    slow!();
    needs!("docker-registry", "jq", "curl");
    let audience = Audience::new();
    assert_eq!(audience.pass(), Some(0));
    let (sent, text) = mail(&audience);
    let id = id_in(&sent, "Message-ID: <");
    let login = base64(format!("\0bot\0{}", smtp_password()));
    assert_snapshot!(sent.replace(&id, "[ID]").replace(&login, "[LOGIN]"), @r"
    EHLO ci.example.org
    AUTH PLAIN
    [LOGIN]
    MAIL FROM:<pinstream@example.org>
    RCPT TO:<ops@example.org>
    DATA
    From: pinstream@example.org
    To: ops@example.org
    Subject: pinstream: web:next and 1 more
    Date: [DATE]
    Message-ID: <[ID]@example.org>
    Auto-Submitted: auto-generated
    MIME-Version: 1.0
    Content-Type: text/plain; charset=utf-8
    Content-Transfer-Encoding: base64

    [TEXT]
    .
    QUIT
    ");
    assert_snapshot!(text, @r#"
    web:next  1.0.0 → 1.1.0  (minor)
      https://github.com/acme/web/compare/0a0a0a...1b1b1b
      ! now runs as root
      ! no longer runs on linux/arm64
    web:prod  7 → `<!channel> <@U1|x> @acme @room </code><b>*b*</b> [x](//e) &amp; --> "  .  ::err  (layers)
    "#);
}

#[test]
fn failed_notifications_are_repeated_with_the_same_ids() {
    slow!();
    needs!("docker-registry", "jq", "curl");
    let audience = Audience::new();
    audience.web.status.store(500, Ordering::SeqCst);
    audience.mail.be_full(true);
    assert_eq!(audience.pass(), Some(6));
    let (first, (first_mail, _)) = (audience.web.take(), mail(&audience));
    // No tag changed in between: the hook runs for the pending changes.
    assert_eq!(audience.pass(), Some(6));
    let (second, (second_mail, _)) = (audience.web.take(), mail(&audience));
    audience.web.status.store(200, Ordering::SeqCst);
    audience.mail.be_full(false);
    assert_eq!(audience.pass(), Some(0));
    let (third, (third_mail, _)) = (audience.web.take(), mail(&audience));
    let text = |requests: &[Request]| requests.iter().map(shown).collect::<Vec<_>>();
    assert_eq!(first.len(), 3);
    assert_eq!((text(&first), &first_mail), (text(&second), &second_mail));
    assert_eq!((text(&first), &first_mail), (text(&third), &third_mail));
    let ids = [
        id_in(&first_mail, "Message-ID: <"),
        id_in(&text(&first)[1], "/send/m.room.message/"),
        id_in(&text(&first)[2], "<!-- pinstream "),
    ];
    // Each hook has its own event.
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 3);
    // Nothing is pending any more.
    assert_eq!(audience.pass(), Some(0));
    assert_eq!((audience.web.take().len(), mail(&audience).0), (0, third_mail));
}

#[test]
fn only_the_failed_notification_is_repeated() {
    slow!();
    needs!("docker-registry", "jq", "curl");
    let audience = Audience::new();
    audience.mail.be_full(true);
    assert_eq!(audience.pass(), Some(6));
    assert_eq!(audience.web.take().len(), 3);
    audience.mail.be_full(false);
    assert_eq!(audience.pass(), Some(0));
    assert_eq!(audience.web.take().len(), 0);
}

//! Single machines: systemd units, checked as text and with systemd if it is installed, and a crontab.

use std::process::Command;

use jiff::tz::TimeZone;
use pinstream::model::settings::schedule::Schedule;
use pinstream::report::exit::Exit;

use super::text;

/// Parses a unit into section, key and value; fails on other lines (systemd.syntax(7)).
fn unit(text: &str) -> Result<Vec<(String, String, String)>, String> {
    let (mut found, mut section) = (Vec::new(), String::new());
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', ';'])) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            name.clone_into(&mut section);
            continue;
        }
        let (key, value) = line.split_once('=').filter(|_| !section.is_empty()).ok_or(line)?;
        if !key.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(line.to_owned());
        }
        found.push((section.clone(), key.to_owned(), value.to_owned()));
    }
    Ok(found)
}

/// Returns the value of a key that occurs once.
fn value<'u>(unit: &'u [(String, String, String)], section: &str, key: &str) -> &'u str {
    let mut values = unit.iter().filter(|(of, name, _)| of == section && name == key);
    let value = values.next().unwrap_or_else(|| panic!("there is no {key} in [{section}]"));
    assert!(values.next().is_none(), "{key} stands twice");
    &value.2
}

#[test]
fn the_units_handle_all_exit_codes() {
    let service = unit(&text("systemd/pinstream.service")).unwrap();
    assert_eq!(value(&service, "Service", "Type"), "oneshot");
    assert_eq!(value(&service, "Service", "DynamicUser"), "yes");
    assert_eq!(value(&service, "Service", "Restart"), "on-failure");
    let hopeless = [Exit::Partial, Exit::Refused, Exit::Usage].map(|exit| exit.code().to_string());
    assert_eq!(value(&service, "Service", "RestartPreventExitStatus"), hopeless.join(" "));
    // It would hide `/proc/sys/kernel/random/boot_id`, which detects dead hook runners.
    assert!(!service.iter().any(|(_, name, _)| name == "ProcSubset"));
    let timer = unit(&text("systemd/pinstream.timer")).unwrap();
    assert_eq!(value(&timer, "Timer", "OnCalendar"), "*:0/15");
    assert_eq!(value(&timer, "Install", "WantedBy"), "timers.target");
    assert!(unit("[A]\nb c\n").is_err() && unit("a=b\n").is_err() && unit("[A]\n- b=c").is_err());
}

/// Runs `systemd-analyze` on the units with a modified service; none if it is not installed.
fn systemd(verb: &[&str], change: impl Fn(String) -> String) -> Option<(bool, String)> {
    let folder = tempfile::tempdir().unwrap();
    let (service, timer) = (folder.path().join("pinstream.service"), folder.path().join("pinstream.timer"));
    let text_of_service = text("systemd/pinstream.service");
    let program = "/usr/local/bin/pinstream";
    assert!(text_of_service.contains(program));
    let here = text_of_service.replace(program, env!("CARGO_BIN_EXE_pinstream"));
    std::fs::write(&service, change(here)).unwrap();
    std::fs::write(&timer, text("systemd/pinstream.timer")).unwrap();
    let mut command = Command::new("systemd-analyze");
    command.args(verb).arg(&service);
    if verb == ["verify"] {
        command.arg(&timer);
    }
    let ended = command.output().ok()?;
    let said = [ended.stdout, ended.stderr].map(|part| String::from_utf8(part).unwrap()).concat();
    // Ignore other units of the machine.
    let ours = said.lines().filter(|line| line.contains("pinstream")).collect::<Vec<_>>().join("\n");
    Some((ended.status.success(), ours))
}

#[test]
fn systemd_accepts_the_units() {
    let Some((_, said)) = systemd(&["verify"], |text| text) else { return };
    assert_eq!(said, "");
    let broken = |text: String| text.replace("ProtectClock=yes", "ProtectClok=yes");
    let (_, said) = systemd(&["verify"], broken).unwrap();
    assert!(said.contains("ProtectClok"), "{said}");
}

#[test]
fn systemd_rates_the_service_as_well_sandboxed() {
    // Ten times the displayed value, `1.2 OK`.
    let verb = ["security", "--offline=true", "--threshold=15", "--no-pager"];
    let Some((is_below, said)) = systemd(&verb, |text| text) else { return };
    assert!(is_below, "{said}");
    let (is_below, _) = systemd(&verb, |text| text.replace("DynamicUser=yes\n", "")).unwrap();
    assert!(!is_below);
}

/// Parses a crontab into schedules and commands.
pub(super) fn entries(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut found = Vec::new();
    for line in lines {
        // `NAME=value` sets a variable (crontab(5)).
        let name = line.split('=').next().unwrap().trim_end();
        if name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && line.contains('=') {
            continue;
        }
        let mut fields = line.splitn(6, ' ');
        let schedule = fields.by_ref().take(5).collect::<Vec<_>>().join(" ");
        found.push((schedule, fields.next().unwrap_or_default().to_owned()));
    }
    found
}

#[test]
fn the_crontab_has_valid_schedules() {
    let entries = entries(&text("crontab"));
    assert_eq!(entries.len(), 1);
    for (schedule, command) in entries {
        assert!(Schedule::parse(&schedule, &TimeZone::UTC).is_ok(), "{schedule}");
        // cron passes text after an unescaped `%` as standard input.
        assert!(!command.replace("\\%", "").contains('%') && command.contains("pinstream"), "{command}");
    }
    assert!(Schedule::parse("*/15 * * * out=$(pinstream", &TimeZone::UTC).is_err());
}

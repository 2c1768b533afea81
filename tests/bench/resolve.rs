//! Resolving many tags of a registry that is near: Debian's `docker-registry`, beside a bare loop of HEADs.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::figures::{Figures, sample_beside};
use super::program::{asked, peak_memory, pinstream, time};
use super::support::registry::{DockerRegistry, Image};
use super::yardstick::heads;

/// Number of concurrent requests.
const REQUESTS: usize = 64;
const TAGS: usize = 100;

/// 1 000 and 10 000 tags that are pinned and have not moved.
pub(crate) fn resolve(figures: &mut Figures) {
    let docker = DockerRegistry::start();
    push(&docker, 100);
    for repositories in [10, 100] {
        let count = repositories * TAGS;
        let folder = tempfile::tempdir().unwrap();
        write_root(folder.path(), &docker.host(), repositories, TAGS);
        let first = time(pinstream(folder.path(), &["update"]));
        let tags: Vec<String> = (0..count).map(|at| format!("team/app-{}:{}", at / TAGS, at % TAGS)).collect();
        let (loops, passes) = sample_beside(
            &format!("resolve/{count}"),
            || heads(&docker.host(), &tags, REQUESTS),
            || time(pinstream(folder.path(), &["plan", "--exit-code"])),
        );
        let plan = || pinstream(folder.path(), &["plan"]);
        let note = format!("{} against {}", passes.spread(), loops.spread());
        let name = format!("resolving {count} tags / bare HEADs");
        figures.at_most(&name, passes.median() / loops.median(), "x", 1.15, note);
        figures.at_most("  peak memory", peak_memory(plan()), "MiB", 48.0, String::new());
        let asked = asked(plan());
        figures.at_most("  requests", asked.requests() as f64, "", count as f64, asked.to_string());
        figures.note("  first import (`update`)", first.as_secs_f64(), "s", "an image a repository".to_owned());
    }
}

/// Fills the registry: an image a repository, which all its tags name.
fn push(docker: &DockerRegistry, repositories: usize) {
    std::thread::scope(|scope| {
        for worker in 0..8 {
            scope.spawn(move || {
                for number in (worker..repositories).step_by(8) {
                    let (repository, image) =
                        (format!("team/app-{number}"), Image::new(number as u64).version("1.2.3"));
                    docker.push(&repository, "0", &image);
                    for tag in 1..TAGS {
                        docker.retag(&repository, &tag.to_string(), &image);
                    }
                }
            });
        }
    });
}

/// A root with a stream for each repository of `host`.
pub(crate) fn write_root(folder: &Path, host: &str, repositories: usize, tags: usize) {
    fs::create_dir(folder.join("streams")).unwrap();
    let settings = format!("[registry.\"{host}\"]\nplain-http = true\nrequests = {REQUESTS}\n");
    fs::write(folder.join("pinstream.toml"), settings).unwrap();
    for number in 0..repositories {
        let mut text = "[tags]\n".to_owned();
        for tag in 0..tags {
            writeln!(text, "\"{tag}\" = \"{host}/team/app-{number}:{tag}\"").unwrap();
        }
        fs::write(folder.join(format!("streams/app-{number}.toml")), text).unwrap();
    }
}

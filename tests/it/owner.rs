//! Identity of processes: whether an owner is still running.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use pinstream::model::state::Owner;
use pinstream::system::owner::{is_gone, this_process};
use pinstream::system::process;

/// A process that is killed at the end of the test.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Self {
        Self(Command::new("sleep").arg("600").spawn().unwrap())
    }

    fn owner(&self) -> Owner {
        let number = i32::try_from(self.0.id()).unwrap();
        let started = process::stat(number).unwrap().started;
        Owner { process: format!("{number}:{started}"), ..this_process() }
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_current_process_is_running() {
    assert!(!is_gone(&this_process()));
    assert_eq!(this_process(), this_process());
}

#[test]
fn a_process_is_gone_once_it_is_reaped() {
    let mut sleeper = Sleeper::start();
    let owner = sleeper.owner();
    assert!(!is_gone(&owner));
    sleeper.0.kill().unwrap();
    sleeper.0.wait().unwrap();
    assert!(is_gone(&owner));
}

#[test]
fn a_zombie_is_gone() {
    let mut sleeper = Sleeper::start();
    let owner = sleeper.owner();
    sleeper.0.kill().unwrap();
    let begin = Instant::now();
    while !is_gone(&owner) {
        assert!(begin.elapsed() < Duration::from_secs(10), "the dead process is still taken for a living one");
    }
    let number = i32::try_from(sleeper.0.id()).unwrap();
    assert_eq!(process::stat(number).unwrap().state, 'Z');
}

#[test]
fn a_reused_process_id_is_another_process() {
    let sleeper = Sleeper::start();
    let mut owner = sleeper.owner();
    assert!(!is_gone(&owner));
    owner.process.push('0');
    assert!(is_gone(&owner));
}

#[test]
fn a_process_of_another_machine_is_not_gone() {
    let mut owner = this_process();
    owner.process = "2000000000:1".to_owned();
    assert!(is_gone(&owner));
    owner.machine.push('x');
    assert!(!is_gone(&owner));
}

#[test]
fn an_invalid_process_id_is_not_gone() {
    for process in ["", ":", "1", "x:1", "1:x", "-1:5", "0:5", "99999999999:1"] {
        assert!(!is_gone(&Owner { process: process.to_owned(), ..this_process() }), "{process}");
    }
}

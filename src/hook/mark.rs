//! Whose a run is: the mark that its processes carry in their environment, and its folder in its name.
//!
//! It outlives the process that made it. So when a pass was killed, the next one on the same machine tells what that
//! one's hooks left behind from all else: their processes, which are ended, and their folders, which are removed.

use sha2::{Digest as _, Sha256};

use crate::model::state::Owner;

/// The variable that marks every process of a run.
pub(super) const VARIABLE: &str = "PINSTREAM_RUN";
/// What the name of a run's folder begins with; the mark follows.
pub(super) const FOLDER: &str = "pinstream-hook-";

/// A mark that no other run has.
pub(super) fn fresh(owner: &Owner) -> String {
    format!("{}{:016x}", of(owner), fastrand::u64(..))
}

/// What every mark of `owner` begins with, and none of another's.
pub(super) fn of(owner: &Owner) -> String {
    format!("{}-{}-", machine(owner), owner.process.replace(':', "."))
}

/// The owner of a mark, where it is one of the machine that `own` is on.
pub(super) fn owner(mark: &str, own: &Owner) -> Option<Owner> {
    let (process, _) = mark.strip_prefix(&machine(own))?.strip_prefix('-')?.rsplit_once('-')?;
    Some(Owner { machine: own.machine.clone(), process: process.replace('.', ":") })
}

fn machine(owner: &Owner) -> String {
    Sha256::digest(owner.machine.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(machine: &str, process: &str) -> Owner {
        Owner { machine: machine.to_owned(), process: process.to_owned() }
    }

    #[test]
    fn a_mark_names_its_owner_to_its_own_machine_alone() {
        let (one, other) = (process("a", "42:7"), process("a", "42:77"));
        let mark = fresh(&one);
        assert!(mark.starts_with(&of(&one)) && !mark.starts_with(&of(&other)), "{mark}");
        assert!(mark.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'-' | b'.')), "{mark}");
        assert_ne!(fresh(&one), mark);
        assert_eq!(owner(&mark, &other), Some(one));
        assert_eq!(owner(&mark, &process("b", "42:7")), None);
        for foreign in ["", "x", "AbC123", "0-1.2-3"] {
            assert_eq!(owner(foreign, &other), None, "{foreign}");
        }
    }
}

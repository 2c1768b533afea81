//! The id of a hook's run: a variable of its processes and a part of its directory's name.
//!
//! It names its owner and outlives it. After a pass was killed, the next one on the same machine therefore recognises the
//! processes and directories that its hooks left.

use crate::model::image::Digest;
use crate::model::state::Owner;

/// The variable with the id, in every process of a run.
pub(super) const VARIABLE: &str = "PINSTREAM_RUN";
/// The start of a directory's name; the id follows.
pub(super) const DIRECTORY: &str = "pinstream-hook-";

/// Creates an id that no other run has.
pub(super) fn create(owner: &Owner) -> String {
    format!("{}{:016x}", prefix(owner), fastrand::u64(..))
}

/// Returns the start of every id of `owner`, and of no other's.
pub(super) fn prefix(owner: &Owner) -> String {
    format!("{}-{}-", machine(owner), owner.process.replace(':', "."))
}

/// Returns the owner of an id; none if it is of another machine than `own`.
pub(super) fn owner(id: &str, own: &Owner) -> Option<Owner> {
    let (process, _) = id.strip_prefix(&machine(own))?.strip_prefix('-')?.rsplit_once('-')?;
    Some(Owner { machine: own.machine.clone(), process: process.replace('.', ":") })
}

fn machine(owner: &Owner) -> String {
    Digest::sha256(owner.machine.as_bytes()).hex()[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(machine: &str, process: &str) -> Owner {
        Owner { machine: machine.to_owned(), process: process.to_owned() }
    }

    #[test]
    fn an_id_names_its_owner_on_the_same_machine_only() {
        let (one, other) = (process("a", "42:7"), process("a", "42:77"));
        let id = create(&one);
        assert!(id.starts_with(&prefix(&one)) && !id.starts_with(&prefix(&other)), "{id}");
        assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'-' | b'.')), "{id}");
        assert_ne!(create(&one), id);
        assert_eq!(owner(&id, &other), Some(one));
        assert_eq!(owner(&id, &process("b", "42:7")), None);
        for foreign in ["", "x", "AbC123", "0-1.2-3"] {
            assert_eq!(owner(foreign, &other), None, "{foreign}");
        }
    }
}

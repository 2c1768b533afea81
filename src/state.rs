//! What is remembered beside the branch, in `refs/pinstream/state` of the same remote: the lock as each hook last saw
//! it, who is running a hook, and when scheduled imports were last looked at.
//!
//! It is read and written whole, by compare-and-swap, for one branch and root. Losing it costs nothing but a repeated
//! import: a root without state adopts the tip.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::image::TagId;
use crate::lock::Lock;

/// The state of one root on one branch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The lock as each hook last saw it, by the hook's name.
    pub seen: BTreeMap<String, Lock>,
    /// Who is running a hook now, by the hook's name.
    pub claims: BTreeMap<String, Claim>,
    /// What `--due` goes by.
    pub schedule: Option<ScheduleState>,
}

/// That somebody is running a hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Who.
    pub owner: Owner,
    /// After when it no longer holds, whatever became of its owner.
    pub until: Timestamp,
}

/// A process, as others can tell it from themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The running kernel and process-id space it is in: within one, process ids can be compared.
    pub machine: String,
    /// Its process id and the time it started, in the kernel's ticks: a pair that does not come back.
    pub process: String,
}

/// When scheduled imports were last looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleState {
    /// All schedules that fired up to then were served.
    pub last: Timestamp,
    /// Tags that failed since, and are due whatever their schedule says.
    #[serde(default)]
    pub retry: Vec<TagId>,
}

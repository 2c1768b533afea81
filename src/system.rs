//! The machine: clock, disks, environment, process table, threads and helper programs. Only these files access them.

pub mod clock;
pub mod disk;
pub mod environment;
pub mod library_panic;
pub mod owner;
pub mod private_directory;
pub mod process;
pub mod program;
pub mod thread;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex, even if a thread panicked while it had the lock.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Panics of libraries about damaged input, where an error is expected.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// True while a panic of this thread is caught.
    static IS_CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Calls `act`; none if it panics, which is not printed. What `act` changes must not be used after a panic.
pub fn catch<T>(act: impl FnOnce() -> T) -> Option<T> {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !IS_CAUGHT.get() {
                print(panic);
            }
        }));
    });
    let outer = IS_CAUGHT.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(act));
    IS_CAUGHT.set(outer);
    result.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_caught_on_its_thread_only() {
        assert_eq!(catch(|| 1), Some(1));
        assert_eq!(catch(|| assert!(std::env::args().count() == 0)), None);
        assert!(!IS_CAUGHT.get());
    }
}

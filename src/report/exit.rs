//! Exit codes: one number for how a run is to be judged.

/// How a run is to be judged, as the process says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything asked for was verified and is in place.
    Success = 0,
    /// Definitions are wrong, or Git failed.
    Error = 1,
    /// The lock and what it should hold differ.
    Drift = 2,
    /// Some tags could not be imported; they kept their pins.
    Partial = 3,
    /// Policy or integrity refused something.
    Refused = 4,
    /// The branch kept moving.
    Contention = 5,
    /// A hook failed; it stays pending.
    HookFailed = 6,
    /// The command line is wrong: nothing was done.
    Usage = 64,
}

impl Exit {
    /// From best to worst.
    const ORDER: [Self; 8] = [
        Self::Success,
        Self::Drift,
        Self::HookFailed,
        Self::Partial,
        Self::Contention,
        Self::Error,
        Self::Refused,
        Self::Usage,
    ];

    /// The number.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The worse of two.
    pub fn worst(self, other: Self) -> Self {
        let rank = |exit| Self::ORDER.iter().position(|known| *known == exit);
        if rank(other) > rank(self) { other } else { self }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_wins() {
        // Contract: 4, 1, 5, 3, 6, 2.
        let codes = Exit::ORDER.map(Exit::code);
        assert_eq!(codes, [0, 2, 6, 3, 5, 1, 4, 64]);
        for (at, worse) in Exit::ORDER.into_iter().enumerate() {
            for better in Exit::ORDER.into_iter().take(at + 1) {
                assert_eq!((worse.worst(better), better.worst(worse)), (worse, worse));
            }
        }
    }
}

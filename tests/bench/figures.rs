//! Figures and their limits, as a table.

use std::io::Write as _;
use std::time::Duration;

/// Number of samples of each figure.
pub(crate) const SAMPLES: usize = 10;

/// All figures.
#[derive(Default)]
pub(crate) struct Figures(Vec<Figure>);

struct Figure {
    name: String,
    measured: f64,
    unit: &'static str,
    /// The most it may be.
    most: Option<f64>,
    note: String,
}

impl Figures {
    /// Notes a figure that is to be at most `most`.
    pub(crate) fn at_most(&mut self, name: &str, measured: f64, unit: &'static str, most: f64, note: String) {
        self.0.push(Figure { name: name.to_owned(), measured, unit, most: Some(most), note });
    }

    /// Notes a figure.
    pub(crate) fn note(&mut self, name: &str, measured: f64, unit: &'static str, note: String) {
        self.0.push(Figure { name: name.to_owned(), measured, unit, most: None, note });
    }

    /// Writes the table; whether every figure is what it is to be.
    pub(crate) fn print(&self) -> bool {
        let mut out = std::io::stdout().lock();
        writeln!(out, "\n{:<46} {:>12} {:>12}       notes", "figure", "measured", "at most").unwrap();
        for Figure { name, measured, unit, most, note } in &self.0 {
            let value = |value: f64| if unit.is_empty() { format!("{value:.0}") } else { format!("{value:.2} {unit}") };
            let limit = most.map_or_else(String::new, value);
            let verdict = match most {
                None => "",
                Some(most) if measured <= most => "ok",
                Some(_) => "MISSED",
            };
            writeln!(out, "{name:<46} {:>12} {limit:>12} {verdict:<6} {note}", value(*measured)).unwrap();
        }
        self.0.iter().all(|figure| figure.most.is_none_or(|most| figure.measured <= most))
    }
}

/// Times of the same thing.
pub(crate) struct Times(Vec<Duration>);

impl Times {
    /// The middle one, in seconds.
    pub(crate) fn median(&self) -> f64 {
        self.sorted()[self.0.len() / 2].as_secs_f64()
    }

    /// The middle one in milliseconds, with the least and the most.
    pub(crate) fn spread(&self) -> String {
        let ms = |time: &Duration| time.as_secs_f64() * 1e3;
        let sorted = self.sorted();
        format!("{:.1} ms ({:.1}–{:.1})", self.median() * 1e3, ms(&sorted[0]), ms(&sorted[sorted.len() - 1]))
    }

    fn sorted(&self) -> Vec<Duration> {
        let mut sorted = self.0.clone();
        sorted.sort();
        sorted
    }
}

/// Takes samples of `one`, which measures its own time, after one run that fills the caches of the machine.
pub(crate) fn sample(name: &str, mut one: impl FnMut() -> Duration) -> Times {
    one();
    let times = Times((0..SAMPLES).map(|_| one()).collect());
    let mut out = std::io::stdout().lock();
    writeln!(out, "{name:<46} {}", times.spread()).unwrap();
    times
}

/// Takes samples of two things in turn.
pub(crate) fn sample_beside(
    name: &str,
    mut theirs: impl FnMut() -> Duration,
    mut ours: impl FnMut() -> Duration,
) -> (Times, Times) {
    let mut times = Vec::new();
    let both = || {
        times.push(theirs());
        ours()
    };
    let ours = sample(name, both);
    times.remove(0);
    (Times(times), ours)
}

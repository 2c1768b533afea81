//! Table of measurements and their limits.

use std::io::Write as _;
use std::time::Duration;

use criterion::{Criterion, SamplingMode};

/// Number of samples.
pub(crate) const SAMPLES: usize = 10;

/// All measurements.
#[derive(Default)]
pub(crate) struct Figures(Vec<Figure>);

struct Figure {
    name: String,
    measured: f64,
    unit: &'static str,
    /// Upper limit.
    most: Option<f64>,
    note: String,
}

impl Figures {
    /// Records a figure with its upper limit.
    pub(crate) fn at_most(&mut self, name: &str, measured: f64, unit: &'static str, most: f64, note: String) {
        self.0.push(Figure { name: name.to_owned(), measured, unit, most: Some(most), note });
    }

    /// Records a figure.
    pub(crate) fn note(&mut self, name: &str, measured: f64, unit: &'static str, note: String) {
        self.0.push(Figure { name: name.to_owned(), measured, unit, most: None, note });
    }

    /// Prints the table, and reports whether every figure is within its limit.
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

/// Times of repeated runs.
pub(crate) struct Times(Vec<Duration>);

impl Times {
    /// Median in seconds.
    pub(crate) fn median(&self) -> f64 {
        self.sorted()[self.0.len() / 2].as_secs_f64()
    }

    /// Median, minimum and maximum in milliseconds.
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

/// Takes samples of `one`, which measures itself.
pub(crate) fn sample(criterion: &mut Criterion, name: &str, mut one: impl FnMut() -> Duration) -> Times {
    let mut times = Vec::new();
    // The first run warms the caches and shows how long one takes.
    let first = one();
    let mut group = criterion.benchmark_group("pass");
    group.sample_size(SAMPLES).sampling_mode(SamplingMode::Flat).warm_up_time(Duration::from_nanos(1));
    group.measurement_time(first.mul_f64(SAMPLES as f64 * 0.9));
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|count| {
            (0..count)
                .map(|_| {
                    let time = one();
                    times.push(time);
                    time
                })
                .sum()
        });
    });
    group.finish();
    Times(times)
}

/// Takes samples of two programs in turn; criterion records `ours`.
pub(crate) fn sample_beside(
    criterion: &mut Criterion,
    name: &str,
    mut theirs: impl FnMut() -> Duration,
    mut ours: impl FnMut() -> Duration,
) -> (Times, Times) {
    let mut times = Vec::new();
    let both = || {
        times.push(theirs());
        ours()
    };
    let ours = sample(criterion, name, both);
    times.remove(0);
    (Times(times), ours)
}

//! The rows of the table: measured in turn, and printed. What is measured is not here.

use std::time::Instant;
use std::{env, fmt, thread};

/// What a figure counts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unit {
    /// Seconds; less is better.
    Time,
    /// Exchanges each second; more is better.
    Exchanges,
    /// Bytes each second; more is better.
    Throughput,
    /// Less is better.
    Count,
    /// Less is better.
    Kib,
    /// Less is better.
    Bytes,
    /// A part of what would be fair; more is better.
    Share,
}

/// Measures once.
pub(crate) type Measure<'a> = &'a mut dyn FnMut() -> f64;

/// What was asked for, and the rows so far.
pub(crate) struct Table {
    quick: bool,
    runs: usize,
    wanted: Option<String>,
    rows: Vec<Row>,
}

impl Table {
    pub(crate) fn from_arguments() -> Self {
        let quick = env::args().any(|argument| argument == "--test");
        let runs = match env::var("RUNS") {
            _ if quick => 1,
            Ok(runs) => runs.parse().ok().filter(|runs| *runs > 0).expect("RUNS is a number"),
            Err(_) => 11,
        };
        let wanted = env::args().skip(1).find(|argument| !argument.starts_with('-'));
        Table { quick, runs, wanted, rows: Vec::new() }
    }

    /// `full`, or 1 if each row is only tried.
    pub(crate) fn size(&self, full: usize) -> usize {
        if self.quick { 1 } else { full }
    }

    pub(crate) fn wants(&self, name: &str) -> bool {
        self.wanted.as_ref().is_none_or(|wanted| name.contains(wanted))
    }

    /// A row that compares with a reference.
    pub(crate) fn compare(
        &mut self,
        name: &str,
        unit: Unit,
        peer: Measure<'_>,
        reference: (&'static str, Measure<'_>),
    ) {
        self.compare_in(self.runs, name, unit, peer, reference);
    }

    /// The same in more runs, for what takes a millisecond: a disturbance takes longer, and meets few of them.
    pub(crate) fn compare_often(
        &mut self,
        name: &str,
        unit: Unit,
        peer: Measure<'_>,
        reference: (&'static str, Measure<'_>),
    ) {
        let runs = if self.quick { 1 } else { 10 * self.runs };
        self.compare_in(runs, name, unit, peer, reference);
    }

    /// A row without a reference. The control compares the figure with itself.
    pub(crate) fn absolute(&mut self, name: &str, unit: Unit, peer: Measure<'_>) {
        if !self.wants(name) {
            return;
        }
        let (figures, again): (Vec<_>, Vec<_>) = (0..self.runs).map(|_| (peer(), peer())).unzip();
        self.rows.push(Row {
            name: name.to_owned(),
            unit,
            ratio: None,
            control: Spread::new(ratios(&again, &figures)),
            peer: Spread::new(figures).median,
            reference: None,
            runs: self.runs,
        });
    }

    fn compare_in(
        &mut self,
        runs: usize,
        name: &str,
        unit: Unit,
        peer: Measure<'_>,
        (reference_name, reference): (&'static str, Measure<'_>),
    ) {
        if !self.wants(name) {
            return;
        }
        let mut figures = [Vec::new(), Vec::new(), Vec::new()];
        for run in 0..runs {
            // What runs first may find the machine in another state. These are all orders of the three.
            let mut order = [0, 1, 2];
            order.rotate_left(run % 3);
            if run % 2 == 1 {
                order.swap(1, 2);
            }
            for which in order {
                figures[which].push(if which == 0 { peer() } else { reference() });
            }
        }
        let [peer, reference, again] = figures;
        self.rows.push(Row {
            name: name.to_owned(),
            unit,
            ratio: Some(Spread::new(ratios(&peer, &reference))),
            control: Spread::new(ratios(&again, &reference)),
            peer: Spread::new(peer).median,
            reference: Some((reference_name, Spread::new(reference).median)),
            runs,
        });
    }
}

/// The mean seconds of one of `times` calls.
pub(crate) fn seconds(times: usize, mut run: impl FnMut()) -> f64 {
    let start = Instant::now();
    (0..times).for_each(|_| run());
    start.elapsed().as_secs_f64() / as_f64(times)
}

#[allow(clippy::cast_precision_loss)] // some millions
pub(crate) fn as_f64(number: usize) -> f64 {
    number as f64
}

fn ratios(of: &[f64], to: &[f64]) -> Vec<f64> {
    of.iter().zip(to).map(|(of, to)| of / to).collect()
}

/// The median, and between which figures the middle half lies.
struct Spread {
    low: f64,
    median: f64,
    high: f64,
}

impl Spread {
    fn new(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let at = |quarter: usize| figures[(figures.len() - 1) * quarter / 4];
        Spread { low: at(1), median: at(2), high: at(3) }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} ({:.2}–{:.2})", self.median, self.low, self.high)
    }
}

struct Row {
    name: String,
    unit: Unit,
    ratio: Option<Spread>,
    control: Spread,
    peer: f64,
    reference: Option<(&'static str, f64)>,
    runs: usize,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.quick {
            writeln!(f, "\nOne short run of each row: these figures are not a measurement.")?;
        }
        let cores = thread::available_parallelism().map_or(1, usize::from);
        writeln!(
            f,
            "\nMedians, in brackets the middle half of the runs. A/A: the reference to itself. Cores: {cores}.\n"
        )?;
        writeln!(f, "| figure | peer | reference | ratio | A/A | runs |")?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        for row in &self.rows {
            let Row { name, unit, control, runs, .. } = row;
            let peer = unit.format(row.peer);
            let reference = row.reference.map_or("–".into(), |(reference, figure)| {
                format!("{}, {reference}", unit.format(figure))
            });
            let ratio = row.ratio.as_ref().map_or("–".into(), Spread::to_string);
            writeln!(f, "| {name} | {peer} | {reference} | {ratio} | {control} | {runs} |")?;
        }
        Ok(())
    }
}

impl Unit {
    fn format(self, figure: f64) -> String {
        match self {
            Unit::Time if figure < 1e-3 => format!("{:.1} µs", figure * 1e6),
            Unit::Time => format!("{:.1} ms", figure * 1e3),
            Unit::Exchanges => format!("{:.1} k/s", figure / 1e3),
            Unit::Throughput => format!("{:.2} GB/s", figure / 1e9),
            Unit::Count | Unit::Share => format!("{figure:.2}"),
            Unit::Kib => format!("{figure:.1} KiB"),
            Unit::Bytes => format!("{figure:.0} B"),
        }
    }
}

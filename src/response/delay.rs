//! How long a step of a response waits: a fixed time, or a time drawn from a distribution by a seed.

use std::f64::consts::TAU;
use std::time::Duration;

use super::random::{Random, fresh_seed};

/// How long a response waits: a fixed [`Duration`], or a time drawn from a distribution.
///
/// A time depends only on the seed, the number of the exchange and the position within its response: with the same seed, the
/// third exchange of a server waits as long as it did last time. Without a chosen seed, each run has a fresh one. It is shown in
/// the [journal](crate::Peer::journal), in the errors of its exchanges, and when a test panics while its peer is alive.
///
/// ```
/// use fake_peer::{Delay, Peer, Response};
/// use std::time::Duration;
///
/// let peer = Peer::answer(
///     Response::from("late, ")
///         .pause(Delay::uniform(Duration::ZERO, Duration::from_millis(3)).seed(17))
///         .send("and later"),
/// );
/// # use std::io::{Read, Write};
/// # let mut client = std::net::TcpStream::connect(peer.addr())?;
/// # client.write_all(b"hello")?;
/// # let mut answer = String::new();
/// # client.read_to_string(&mut answer)?;
/// # assert_eq!(answer, "late, and later");
/// # let exchange = peer.take(Duration::from_secs(10)).unwrap();
/// assert_eq!(exchange.seeds(), [17]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Delay {
    distribution: Distribution,
    seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Distribution {
    Fixed(Duration),
    Uniform { shortest: Duration, longest: Duration },
    LogNormal { median: Duration, sigma: f64 },
}

impl Delay {
    /// Any time from `shortest` to `longest`, all equally likely.
    ///
    /// # Panics
    ///
    /// If `shortest` is longer than `longest`.
    pub fn uniform(shortest: Duration, longest: Duration) -> Self {
        assert!(shortest <= longest, "no delay is at least {shortest:?} and at most {longest:?}");
        Self::drawn(Distribution::Uniform { shortest, longest })
    }

    /// Mostly near `median`, sometimes much longer, like the times of real networks and servers: the logarithm of the delay has a
    /// normal distribution with standard deviation `sigma`. With 0.5, one delay in a hundred is longer than three times the
    /// median; with 1.0, longer than ten times.
    ///
    /// # Panics
    ///
    /// If `sigma` is negative or not a finite number.
    pub fn log_normal(median: Duration, sigma: f64) -> Self {
        assert!(sigma.is_finite() && sigma >= 0.0, "{sigma} is no standard deviation");
        Self::drawn(Distribution::LogNormal { median, sigma })
    }

    /// Draws from this seed, for example one that a failing test has printed.
    ///
    /// Defaults to a fresh one for each delay.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    fn drawn(distribution: Distribution) -> Self {
        Delay { distribution, seed: fresh_seed() }
    }

    /// The seed; `None` for a fixed delay.
    pub(crate) fn drawn_from(self) -> Option<u64> {
        (!matches!(self.distribution, Distribution::Fixed(_))).then_some(self.seed)
    }

    /// The delay at one place: `exchange` is the number of the exchange, `position` one within its response.
    pub(crate) fn at(self, exchange: u64, position: u64) -> Duration {
        // Each place has its own numbers, whatever was drawn elsewhere.
        let place = Random::new(exchange.rotate_left(32) ^ position).next_u64();
        let mut random = Random::new(self.seed ^ place);
        match self.distribution {
            Distribution::Fixed(duration) => duration,
            Distribution::Uniform { shortest, longest } => {
                shortest + longest.saturating_sub(shortest).mul_f64(random.next_f64())
            }
            Distribution::LogNormal { median, sigma } => {
                // Box and Muller (1958); 1 - x keeps the logarithm from 0.
                let radius = (-2.0 * (1.0 - random.next_f64()).ln()).sqrt();
                let normal = radius * (TAU * random.next_f64()).cos();
                // Neither may be out of range by itself.
                let factor = (sigma * normal).exp().min(f64::MAX);
                Duration::try_from_secs_f64(median.as_secs_f64() * factor).unwrap_or(Duration::MAX)
            }
        }
    }
}

impl From<Duration> for Delay {
    fn from(duration: Duration) -> Self {
        Delay { distribution: Distribution::Fixed(duration), seed: 0 }
    }
}

/// `250ms`, `1.5s`, `2m`.
pub(crate) fn parse_time(text: &str) -> Option<Duration> {
    let at = text.find(|char: char| !(char.is_ascii_digit() || char == '.'))?;
    let (number, unit) = text.split_at(at);
    let seconds = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn drawn(delay: Delay) -> Vec<Duration> {
        (0..10_000).map(|exchange| delay.at(exchange, 0)).collect()
    }

    #[test]
    fn a_seed_draws_the_same_delays_again_and_another_seed_draws_others() {
        let delay = Delay::uniform(MS, 9 * MS);
        assert_eq!(drawn(delay.seed(1)), drawn(delay.seed(1)));
        assert_ne!(drawn(delay.seed(1)), drawn(delay.seed(2)));
        assert_ne!(delay.seed(1).at(1, 0), delay.seed(1).at(1, 1), "another place");
    }

    #[test]
    fn uniform_delays_fill_their_range_evenly() {
        let delays = drawn(Delay::uniform(MS, 9 * MS).seed(3));
        assert!(delays.iter().all(|delay| (MS..=9 * MS).contains(delay)));
        for quarter in 0..4 {
            let range = MS + 2 * MS * quarter..MS + 2 * MS * (quarter + 1);
            let share = delays.iter().filter(|&&delay| range.contains(&delay)).count();
            assert!((2300..2700).contains(&share), "{share} of 10,000 in quarter {quarter}");
        }
    }

    #[test]
    fn log_normal_delays_have_their_median_and_a_long_tail() {
        let mut delays = drawn(Delay::log_normal(10 * MS, 0.5).seed(3));
        delays.sort();
        let (median, tail) = (delays[5_000], delays[9_900]);
        assert!((9 * MS..11 * MS).contains(&median), "{median:?}");
        // e^(0.5 × 2.326) = 3.2
        assert!((28 * MS..37 * MS).contains(&tail), "{tail:?}");
        assert_eq!(Delay::log_normal(10 * MS, 0.0).at(1, 1), 10 * MS);
    }
}

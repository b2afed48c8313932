//! What came of an attempt that was made several times.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use crate::attempt::{Attempt, Server};
use crate::client::{Client, Seen};
use crate::wish::Wish;

/// How often each attempt is made.
pub const ROUNDS: usize = 10;

/// How long a request may be on its way to the code that answers it.
const ARRIVAL: Duration = Duration::from_millis(200);

/// What the client saw and how often, the most frequent first.
pub struct Outcomes(Vec<(usize, String)>);

impl Outcomes {
    /// The rounds spend their time waiting: all run at once, each with a server of its own.
    pub fn of(wish: Wish, attempt: &Attempt) -> Self {
        let rounds: Vec<_> = thread::scope(|scope| {
            let rounds: Vec<_> =
                (0..ROUNDS).map(|_| scope.spawn(|| round(wish, attempt))).collect();
            rounds.into_iter().map(|round| round.join().expect("a client does not panic")).collect()
        });
        let mut outcomes: Vec<(usize, String)> = Vec::new();
        for seen in rounds {
            let text = seen.to_string();
            match outcomes.iter_mut().find(|(_, known)| *known == text) {
                Some((count, _)) => *count += 1,
                None => outcomes.push((1, text)),
            }
        }
        outcomes.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
        Outcomes(outcomes)
    }

    /// Whether there is an outcome that both have.
    pub fn overlap(&self, other: &Outcomes) -> bool {
        self.0.iter().any(|(_, text)| other.0.iter().any(|(_, known)| known == text))
    }

    /// For [`Outcomes::parse`]. No outcome has a tab: bytes are shown with escapes.
    pub fn to_line(&self) -> String {
        let fields = self.0.iter().map(|(count, text)| format!("{count}\t{text}"));
        fields.collect::<Vec<_>>().join("\t")
    }

    pub fn parse(line: &str) -> Option<Self> {
        let fields: Vec<_> = line.split('\t').collect();
        let outcomes = fields.chunks(2).map(|pair| match pair {
            [count, text] => Some((count.parse().ok()?, (*text).to_owned())),
            _ => None,
        });
        Some(Outcomes(outcomes.collect::<Option<_>>()?))
    }
}

impl fmt::Display for Outcomes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [(_, text)] = &self.0[..] {
            return f.write_str(text);
        }
        let counted = self.0.iter().map(|(count, text)| format!("{count} of {ROUNDS}: {text}"));
        f.write_str(&counted.collect::<Vec<_>>().join("; "))
    }
}

fn round(wish: Wish, attempt: &Attempt) -> Seen {
    let mut server = attempt.start();
    let mut client = Client::connect(server.addr());
    if wish == Wish::Forget {
        server.forget();
    }
    client.ask(wish.surplus());
    if wish == Wish::Drop {
        thread::sleep(ARRIVAL);
        return thread::scope(|scope| {
            scope.spawn(|| end(server));
            client.read_to_end()
        });
    }
    let seen = client.read_to_end();
    drop(client);
    end(server);
    seen
}

/// Drops a server, which may panic for requests that it did not expect.
fn end(server: Box<dyn Server>) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(server)));
}

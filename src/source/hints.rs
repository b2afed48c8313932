//! What the core needs to know about a source besides its responses, in one value that every wrapper forwards.

use crate::framing::rule::Framing;
use crate::journal::client::Client;
use crate::response::steps::Response;

/// What [`ResponseSource::hints`](crate::ResponseSource::hints) returns. The default is right for every source. The sources of
/// this crate return more, which saves threads and locks. A source that wraps another one returns the hints of that source.
#[derive(Default)]
pub struct Hints<'s> {
    pub(crate) answers: Answers,
    /// Called for each connection when it is accepted; `None` if the server's framing always counts.
    pub(crate) first_framing: Option<&'s mut dyn FirstFraming>,
    /// Why it can never answer. The test that wrote it panics with this when a server is made of it.
    pub(crate) mistake: Option<String>,
}

/// How soon a source answers.
#[derive(Debug, Clone, Default)]
pub(crate) enum Answers {
    /// Always with this response: the source need not be called.
    Fixed(Box<Response>),
    /// At once, without waiting for another connection or another thread.
    Prompt,
    /// It may wait.
    #[default]
    MayWait,
}

/// A source that decides where the first request of a connection ends.
pub(crate) trait FirstFraming {
    /// The framing of the first request of a connection that was just accepted; `None` for the server's framing.
    fn first_framing(&mut self, client: &Client) -> Option<Framing>;
}

impl Hints<'_> {
    pub(crate) fn prompt() -> Self {
        Hints { answers: Answers::Prompt, ..Hints::default() }
    }

    pub(crate) fn fixed(response: Response) -> Self {
        Hints { answers: Answers::Fixed(Box::new(response)), ..Hints::default() }
    }

    /// The hints of a source that changes the answers of this one.
    pub(crate) fn with_changed_answers(mut self) -> Self {
        // What changes them is a closure.
        {
            self.answers = Answers::MayWait;
        }
        self
    }

    pub(crate) fn is_prompt(&self) -> bool {
        !matches!(self.answers, Answers::MayWait)
    }
}

impl std::fmt::Debug for Hints<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hints").field("answers", &self.answers).finish_non_exhaustive()
    }
}

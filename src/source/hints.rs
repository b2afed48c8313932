//! What the core needs to know of a source beside its responses, in one value that every wrapper forwards.

use crate::framing::rule::Framing;
use crate::journal::client::Client;
use crate::response::steps::Response;

/// What [`ResponseSource::hints`](crate::ResponseSource::hints) returns. The default fits every source; the sources of this
/// crate say more, which saves threads and locks. A source that wraps another one returns the hints of that.
#[derive(Default)]
pub struct Hints<'s> {
    pub(crate) answers: Answers,
    /// Asked for each connection, when it is accepted; `None` if the server's framing is always right.
    pub(crate) first_framing: Option<&'s mut dyn FirstFraming>,
}

/// How answers come about.
#[derive(Debug, Clone, Default)]
pub(crate) enum Answers {
    /// This one, whatever is asked: the source need not be asked.
    Fixed(Response),
    /// At once, without waiting for anything that another connection or another thread has to do.
    Prompt,
    /// Perhaps after a wait.
    #[default]
    MayWait,
}

/// A source that knows where the first request of a connection ends.
pub(crate) trait FirstFraming {
    /// Where the first request of a connection ends that has just been accepted; `None` if the server's framing is right.
    fn first_framing(&mut self, client: &Client) -> Option<Framing>;
}

impl Hints<'_> {
    pub(crate) fn prompt() -> Self {
        Hints { answers: Answers::Prompt, first_framing: None }
    }

    pub(crate) fn fixed(response: Response) -> Self {
        Hints { answers: Answers::Fixed(response), first_framing: None }
    }

    /// These hints for a source that changes the answers on their way.
    pub(crate) fn with_changed_answers(mut self) -> Self {
        if let Answers::Fixed(_) = self.answers {
            self.answers = Answers::Prompt;
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

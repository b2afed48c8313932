//! A conversation as it is written: its steps, its blocks, and the rules for what may stand where. Playing it is in `cursor`.

use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Mutex};

use super::Conversation;
use super::expect::Expect;
use crate::framing::letter_case::LetterCase;
use crate::framing::rule::Framing;
use crate::framing::texts::Text;
use crate::journal::request::Request;
use crate::os::lock::lock;
use crate::response::ending::Ending;
use crate::response::steps::Response;

/// Steps in their order. Shared by all connections that play it.
pub(super) type Block = Arc<Vec<Item>>;

#[derive(Debug, Clone)]
pub(super) enum Item {
    /// Ends the conversation if it is cut, or ends otherwise than with the default.
    Say(Response),
    /// Says what a closure answers to the last request. Where it was written stands for it in messages.
    SayWith(Closure, &'static Location<'static>),
    Expect(Expect),
    OneOf(Framing, Arc<[(Expect, Block)]>),
    Repeat(Rounds, Block),
    Rest(Framing, Closure),
    End(Ending),
}

/// How many rounds of a block are left.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rounds {
    Some(u64),
    ForEver,
}

/// Answers one request, or the rest of a connection.
#[derive(Clone)]
pub(super) struct Closure(Arc<Mutex<Answer>>);

type Answer = dyn FnMut(&Request) -> Response + Send;

impl Closure {
    pub(super) fn new(mut answer: impl FnMut(&Request) -> Response + Send + 'static) -> Self {
        Closure(Arc::new(Mutex::new(move |request: &Request| answer(request))))
    }

    pub(super) fn answer(&self, request: &Request) -> Response {
        lock(&self.0)(request)
    }

    /// The same answers, each of them changed.
    pub(super) fn changed(
        &self,
        change_response: impl Fn(Response) -> Response + Send + 'static,
    ) -> Self {
        let original = self.clone();
        Closure::new(move |request| change_response(original.answer(request)))
    }
}

impl fmt::Debug for Closure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Closure(..)")
    }
}

impl Item {
    /// Where the next request ends, if this waits for one.
    pub(super) fn framing(&self) -> Option<&Framing> {
        match self {
            Item::Expect(expect) => Some(expect.framing()),
            Item::OneOf(framing, _) | Item::Rest(framing, _) => Some(framing),
            Item::Say(_) | Item::SayWith(..) | Item::Repeat(..) | Item::End(_) => None,
        }
    }

    /// Whether nothing can come after it.
    fn ends(&self) -> bool {
        match self {
            Item::Say(response) => ends(response),
            // What a closure will say is not known yet.
            Item::SayWith(..) | Item::Expect(_) => false,
            Item::OneOf(_, branches) => branches.iter().all(|(_, block)| block_ends(block)),
            Item::Repeat(Rounds::Some(_), block) => block_ends(block),
            Item::Repeat(Rounds::ForEver, _) | Item::Rest(..) | Item::End(_) => true,
        }
    }

    fn has_closure(&self) -> bool {
        match self {
            Item::Say(_) | Item::End(_) => false,
            Item::Expect(expect) => expect.has_closure(),
            Item::OneOf(_, branches) => {
                branches.iter().any(|(expect, block)| expect.has_closure() || has_closure(block))
            }
            Item::Repeat(_, block) => has_closure(block),
            Item::SayWith(..) | Item::Rest(..) => true,
        }
    }
}

/// Whether a response ends its conversation.
pub(super) fn ends(response: &Response) -> bool {
    response.is_cut() || !matches!(response.ending, Ending::Close)
}

pub(super) fn has_closure(block: &[Item]) -> bool {
    block.iter().any(Item::has_closure)
}

fn block_ends(block: &[Item]) -> bool {
    block.last().is_some_and(Item::ends)
}

/// Whether the client says something in it, and not only the peer.
fn listens(block: &[Item]) -> bool {
    block.iter().any(|item| match item {
        Item::Repeat(_, block) => listens(block),
        item => item.framing().is_some(),
    })
}

/// Whether the peer sends something in it.
fn sends(block: &[Item]) -> bool {
    block.iter().any(|item| match item {
        Item::Repeat(_, block) => sends(block),
        Item::Say(response) => response.has_bytes(),
        Item::SayWith(..) => true,
        _ => false,
    })
}

/// Where the closure was written that is called before the client has said anything, if there is one.
pub(super) fn asked_too_early(block: &[Item]) -> Option<&'static Location<'static>> {
    for item in block {
        match item {
            Item::SayWith(_, place) => return Some(place),
            Item::Repeat(_, inner) => {
                let place = asked_too_early(inner);
                if place.is_some() || listens(inner) {
                    return place;
                }
            }
            Item::Say(_) | Item::End(_) => {}
            Item::Expect(_) | Item::OneOf(..) | Item::Rest(..) => return None,
        }
    }
    None
}

/// Why it can't be called.
pub(super) fn too_early(place: &Location<'_>) -> String {
    format!(
        "nothing has been expected before the `say_with` at {place}, so there is no request for it to answer"
    )
}

/// Adding steps, with the reason if one can't be added.
impl Conversation {
    pub(super) fn try_say(&mut self, response: Response) -> Result<(), String> {
        can_be_said(&response)?;
        if response.has_no_step() && !ends(&response) {
            return self.may_go_on();
        }
        self.may_go_on()?;
        let block = Arc::make_mut(&mut self.block);
        if let Some(Item::Say(last)) = block.last_mut()
            && last.can_be_joined_with(&response)
        {
            *last = std::mem::take(last).join(response);
            return Ok(());
        }
        block.push(Item::Say(response));
        Ok(())
    }

    pub(super) fn try_expect(&mut self, expected: Expect) -> Result<(), String> {
        expected.check()?;
        self.push(Item::Expect(expected))
    }

    pub(super) fn try_end(&mut self, ending: Ending) -> Result<(), String> {
        ends_a_connection(&ending)?;
        self.push(Item::End(ending))
    }

    pub(super) fn try_one_of(
        &mut self,
        branches: Vec<(Expect, Conversation)>,
    ) -> Result<(), String> {
        let framing = framing_of_all(&branches)?;
        let branches = branches.into_iter().map(|(expect, branch)| (expect, branch.block));
        self.push(Item::OneOf(framing, branches.collect()))
    }

    pub(super) fn try_repeat(&mut self, rounds: Rounds, round: Conversation) -> Result<(), String> {
        match rounds {
            // Pauses alone would keep the loop busy, if they are short.
            Rounds::Some(_) if !listens(&round.block) && !sends(&round.block) => {
                return Err("there is nothing to repeat".into());
            }
            Rounds::ForEver if !listens(&round.block) => {
                return Err("nothing is expected in what goes on for ever: it would never end, or never begin".into());
            }
            Rounds::Some(0) => return self.may_go_on(),
            Rounds::Some(_) | Rounds::ForEver => {}
        }
        self.push(Item::Repeat(rounds, round.block))
    }

    pub(super) fn push(&mut self, item: Item) -> Result<(), String> {
        self.may_go_on()?;
        Arc::make_mut(&mut self.block).push(item);
        Ok(())
    }

    fn may_go_on(&self) -> Result<(), String> {
        if block_ends(&self.block) {
            return Err("the conversation has ended before this: it ends with an ending, a cut, `rest` or `forever`".into());
        }
        Ok(())
    }
}

/// What is said in the middle of a conversation can't say how the connection goes on.
pub(super) fn can_be_said(response: &Response) -> Result<(), String> {
    if let Ending::KeepOpen | Ending::KeepAlive | Ending::Then(_) = response.ending {
        return Err("a conversation reads the next turn by itself: leave out what keeps the connection open".into());
    }
    if response.after.is_some() {
        return Err("what comes before a response is expected: leave out its `after`".into());
    }
    Ok(())
}

/// An ending after which there is no other turn.
pub(super) fn ends_a_connection(ending: &Ending) -> Result<(), String> {
    match ending {
        Ending::KeepOpen | Ending::KeepAlive | Ending::Then(_) => {
            Err("this ending keeps the connection open, so it ends no conversation".into())
        }
        _ => Ok(()),
    }
}

/// The framing of a turn with several possibilities: that of those which are no texts, if there are any.
fn framing_of_all(branches: &[(Expect, Conversation)]) -> Result<Framing, String> {
    if branches.is_empty() {
        return Err("there is none to choose from".into());
    }
    branches.iter().try_for_each(|(expect, _)| expect.check())?;
    if let Some(index) = branches.iter().position(|(expect, _)| expect.is_any())
        && let Some((never, _)) = branches.get(index + 1)
    {
        return Err(format!(
            "{never} is never chosen after {}, which is any: that one comes last",
            branches[index].0
        ));
    }
    let texts = branches.iter().filter_map(|(expect, _)| expect.text());
    let Some((rule, _)) = branches.iter().find(|(expect, _)| expect.text().is_none()) else {
        return framing_of_texts(&texts.collect::<Vec<_>>());
    };
    let framing = rule.framing();
    for (other, _) in branches {
        match other.text() {
            Some(text) if !framing.is_one_request(&text.bytes) => {
                return Err(format!(
                    "{other} stands beside {rule}, so it has to be exactly one request by its framing, {}",
                    Named(framing)
                ));
            }
            None if !other.framing().is_same(framing) => {
                return Err(format!(
                    "{rule} and {other} end by different framings, {} and {}: of several requests, one of which comes, all are lines, \
                     or have the same framing, or are texts",
                    Named(framing),
                    Named(other.framing())
                ));
            }
            _ => {}
        }
    }
    Ok(framing.clone())
}

fn framing_of_texts(texts: &[&Text]) -> Result<Framing, String> {
    for (index, text) in texts.iter().enumerate() {
        let is_begun = |(other, begins): (usize, &&Text)| {
            let case = if text.case == begins.case { text.case } else { LetterCase::Ignored };
            other != index && case.begins(&begins.bytes, &text.bytes)
        };
        if texts.iter().enumerate().any(is_begun) {
            return Err(format!(
                "another of the texts begins \"{}\", or is the same: which of them was said is not known when it has arrived",
                text.bytes.escape_ascii()
            ));
        }
    }
    Ok(Framing::texts(texts.iter().map(|&text| text.clone())))
}

/// A framing as a message names it: a closure by the place where it was made.
struct Named<'f>(&'f Framing);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.made_at() {
            Some(place) => write!(f, "the closure made at {place} (its clones are the same)"),
            None => write!(f, "`{}`", self.0),
        }
    }
}

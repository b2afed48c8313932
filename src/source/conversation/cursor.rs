//! Plays a conversation on one connection: what the client has said so far, what the peer says now, and what it then waits for.

use std::sync::Arc;

use super::expect::Expect;
use super::expected::Expected;
use super::mismatch::mismatch;
use super::script::{Block, Item, Rounds, can_be_said, ends, too_early};
use crate::framing::rule::Framing;
use crate::journal::request::Request;
use crate::response::ending::Ending;
use crate::response::steps::{Response, Scripted};

/// More than so many steps of one kind are not one response, so that a block that is repeated needs little memory.
const SAID_AT_ONCE: usize = 1024;

/// The place of one connection in its conversation.
#[derive(Debug, Clone)]
pub(super) struct Cursor {
    /// The block that is played, after those that it is in. None when the conversation is over.
    frames: Vec<Frame>,
    /// How many turns of the client were as expected.
    turns: u64,
    /// Whether the peer has more to say before the client's next turn.
    is_speaking: bool,
    /// What it says then first, and the request that it is about: only while it has more to say.
    held: Option<Response>,
    heard: Option<Request>,
}

#[derive(Debug, Clone)]
struct Frame {
    block: Block,
    next: usize,
    rounds: Rounds,
    /// Whether the client has said something in this round.
    has_heard: bool,
}

impl Frame {
    fn new(block: &Block, rounds: Rounds) -> Self {
        Frame { block: Arc::clone(block), next: 0, rounds, has_heard: false }
    }

    /// Begins the next round; false if there is none.
    fn repeat(&mut self) -> bool {
        if let Rounds::Some(left) = &mut self.rounds {
            *left -= 1;
            if *left == 0 {
                return false;
            }
        }
        self.next = 0;
        self.has_heard = false;
        true
    }
}

/// How a request fits.
pub(super) enum Heard {
    /// The response to it.
    Answer(Response),
    /// It does not, for this reason.
    Mismatch(Arc<str>),
    /// That can't be known: only its first bytes were kept.
    Truncated,
    /// A closure's answer to it can't be said, for this reason.
    Unsayable(String),
}

impl Cursor {
    pub(super) fn new(block: &Block) -> Self {
        let mut cursor = Cursor {
            frames: vec![Frame::new(block, Rounds::Some(1))],
            turns: 0,
            is_speaking: false,
            held: None,
            heard: None,
        };
        cursor.is_speaking = cursor.expected().is_none();
        cursor
    }

    /// Where the first request ends: at once, if the peer speaks first.
    pub(super) fn first_framing(block: &Block) -> Framing {
        let cursor = Cursor::new(block);
        cursor.expected().and_then(Item::framing).cloned().unwrap_or_else(Framing::nothing)
    }

    /// Whether the peer speaks now, whatever the client does.
    pub(super) fn is_speaking(&self) -> bool {
        self.is_speaking
    }

    pub(super) fn is_over(&self) -> bool {
        self.frames.is_empty()
    }

    /// Whether the client may leave here: everything was said, or another round may begin.
    pub(super) fn may_leave(&self) -> bool {
        let is_between = |frame: &Frame| match frame.rounds {
            Rounds::ForEver => !frame.has_heard,
            Rounds::Some(_) => false,
        };
        self.is_over()
            || matches!(self.expected(), Some(Item::Rest(..)))
            || self.frames.iter().any(is_between)
    }

    pub(super) fn turns(&self) -> u64 {
        self.turns
    }

    /// What the client should say next, if it is its turn.
    pub(super) fn expected_next(&self) -> Option<String> {
        self.expected().map(|item| Expected(item).to_string())
    }

    /// What is wrong if the client has ended its side within its turn.
    pub(super) fn cut_short(&self) -> String {
        let turn = self.turns + 1;
        let expected = self.expected_next().unwrap_or_else(|| "nothing".into());
        format!(
            "the client ended its side within turn {turn} of the conversation, in which it should have said {expected}"
        )
    }

    /// What is waited for. The first step of a block stands for the block.
    fn expected(&self) -> Option<&Item> {
        if self.is_speaking {
            return None;
        }
        let frame = self.frames.last()?;
        let mut item = frame.block.get(frame.next)?;
        while let Item::Repeat(_, block) = item {
            item = block.first()?;
        }
        item.framing().is_some().then_some(item)
    }

    /// The client has said this.
    pub(super) fn hear(&mut self, request: &Request) -> Heard {
        self.enter_blocks();
        let Some(item) = self.frames.last().and_then(|frame| frame.block.get(frame.next)) else {
            return self.speak(Some(request));
        };
        let (accepted, lacks_bytes) = match item {
            Item::Expect(expect) => {
                (expect.accepts(request).then_some(None), expect.lacks_bytes(request))
            }
            Item::OneOf(_, branches) => {
                let accepts = |(expect, _): &&(Expect, Block)| expect.accepts(request);
                let branch = branches.iter().find(accepts).map(|(_, block)| Some(block.clone()));
                (branch, branches.iter().any(|(expect, _)| expect.lacks_bytes(request)))
            }
            Item::Rest(_, closure) => {
                let response = closure.answer(request);
                return Heard::Answer(self.go_on_with(response));
            }
            Item::Say(_) | Item::SayWith(..) | Item::Repeat(..) | Item::End(_) => {
                (Some(None), false)
            }
        };
        if lacks_bytes {
            return Heard::Truncated;
        }
        let Some(branch) = accepted else {
            let turn = format!("turn {} of the conversation", self.turns + 1);
            let text = if let Item::Expect(expect) = item { expect.text() } else { None };
            return Heard::Mismatch(mismatch(&turn, &Expected(item), text, request).into());
        };
        self.turns += 1;
        for frame in &mut self.frames {
            frame.has_heard = true;
        }
        if let Some(frame) = self.frames.last_mut() {
            frame.next += 1;
        }
        if let Some(block) = branch {
            self.frames.push(Frame::new(&block, Rounds::Some(1)));
        }
        self.speak(Some(request))
    }

    /// The response of a closure, which says itself how the connection goes on.
    fn go_on_with(&mut self, response: Response) -> Response {
        self.turns += 1;
        if !matches!(response.ending, Ending::KeepOpen | Ending::KeepAlive | Ending::Then(_)) {
            self.frames.clear();
        }
        response
    }

    /// Goes into the blocks that begin here.
    fn enter_blocks(&mut self) {
        while let Some(frame) = self.frames.last_mut()
            && let Some(Item::Repeat(rounds, block)) = frame.block.get(frame.next)
        {
            let inner = Frame::new(block, *rounds);
            frame.next += 1;
            self.frames.push(inner);
        }
    }

    /// What the peer says next of what it has to say now.
    pub(super) fn speak_on(&mut self) -> Heard {
        let heard = self.heard.take();
        self.speak(heard.as_ref())
    }

    /// What the peer says now, up to the client's next turn. Closures are given what the client has said last.
    fn speak(&mut self, heard: Option<&Request>) -> Heard {
        let mut said = self.held.take();
        if let Some(response) = said.take_if(|response| ends(response)) {
            return Heard::Answer(self.end(response));
        }
        let mut count = 0;
        loop {
            self.enter_blocks();
            let Some(frame) = self.frames.last_mut() else {
                return Heard::Answer(self.end(said.unwrap_or_default()));
            };
            let Some(item) = frame.block.get(frame.next) else {
                if !frame.repeat() {
                    self.frames.pop();
                }
                continue;
            };
            let response = match item {
                Item::Say(response) => response.clone(),
                Item::SayWith(closure, place) => {
                    let Some(heard) = heard else { return Heard::Unsayable(too_early(place)) };
                    let response = closure.answer(heard);
                    if let Err(reason) = can_be_said(&response) {
                        return Heard::Unsayable(format!("the `say_with` at {place}: {reason}"));
                    }
                    response
                }
                Item::End(ending) => {
                    let ending = ending.clone();
                    return Heard::Answer(self.end(said.unwrap_or_default().ending(ending)));
                }
                item => {
                    // The blocks that begin here were entered, so this waits for a request.
                    let framing = item.framing().cloned().unwrap_or_default();
                    self.is_speaking = false;
                    return Heard::Answer(turn(said.unwrap_or_default(), framing));
                }
            };
            frame.next += 1;
            let joined = match said.take() {
                None => response,
                Some(before) if count < SAID_AT_ONCE && before.can_be_joined_with(&response) => {
                    before.join(response)
                }
                Some(before) => {
                    self.is_speaking = true;
                    self.held = Some(response);
                    self.heard = heard.cloned();
                    return Heard::Answer(turn(before, Framing::nothing()));
                }
            };
            count += 1;
            if ends(&joined) {
                return Heard::Answer(self.end(joined));
            }
            said = Some(joined);
        }
    }

    fn end(&mut self, mut response: Response) -> Response {
        self.frames.clear();
        self.is_speaking = false;
        if !ends(&response) {
            response.scripted = Scripted::LastTurn;
        }
        response
    }
}

/// A response after which the conversation goes on.
fn turn(response: Response, framing: Framing) -> Response {
    let mut response = response.then(framing);
    response.scripted = Scripted::Turn;
    response
}

//! A conversation as a source: each connection plays it from its start, and at the end each must have played it to its end.

use std::io;

use super::Conversation;
use super::cursor::{Cursor, Heard};
use super::mismatch::too_little_kept;
use super::script::{asked_too_early, has_closure, too_early};
use crate::framing::rule::Framing;
use crate::journal::client::Client;
use crate::journal::request::Request;
use crate::response::steps::{Response, Scripted};
use crate::source::hints::{Answers, FirstFraming, Hints};
use crate::source::response_source::ResponseSource;

/// A connection that has not played its conversation to the end.
#[derive(Debug, Clone)]
pub(super) struct Playing {
    cursor: Cursor,
    /// Whether the client has sent a byte.
    has_spoken: bool,
}

impl Playing {
    /// Why it should not be where it is.
    fn what_is_missing(&self, connection: u64) -> Option<io::Error> {
        if !self.has_spoken || self.cursor.may_leave() {
            return None;
        }
        let place = match self.cursor.turns() {
            0 => "before turn 1".into(),
            turns => format!("after turn {turns}"),
        };
        let next = match self.cursor.expected_next() {
            Some(next) => format!("its client should have said {next} next"),
            None => "the peer had more to say".into(),
        };
        let text = format!("connection {connection} stopped {place} of the conversation: {next}");
        Some(io::Error::other(text))
    }
}

impl ResponseSource for Conversation {
    fn respond(&mut self, request: &Request) -> io::Result<Response> {
        let connection = request.client().connection();
        let new = || Playing { cursor: Cursor::new(&self.block), has_spoken: false };
        let playing = self.playing.entry(connection).or_insert_with(new);
        playing.has_spoken |= !request.is_empty();
        let cursor = &mut playing.cursor;
        let heard = if cursor.is_speaking() {
            if !request.is_empty() {
                let text = "the peer speaks first in this conversation: a source that wraps it has to forward its `hints`";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
            }
            cursor.speak_on()
        } else if !request.is_complete() {
            // The core reports it, unless clients may do that.
            let mut response = Response::new().ending(self.on_mismatch.clone());
            response.scripted = Scripted::CutShort(cursor.cut_short().into());
            return Ok(response);
        } else {
            cursor.hear(request)
        };
        match heard {
            Heard::Answer(response) => {
                if cursor.is_over() {
                    self.playing.remove(&connection);
                    self.played += 1;
                }
                Ok(response)
            }
            Heard::Mismatch(reason) => {
                self.playing.remove(&connection);
                self.failed += 1;
                let mut response = Response::new().ending(self.on_mismatch.clone());
                response.scripted = Scripted::Mismatch(reason);
                Ok(response)
            }
            Heard::Unsayable(reason) => {
                self.playing.remove(&connection);
                self.failed += 1;
                Err(io::Error::new(io::ErrorKind::InvalidInput, reason))
            }
            Heard::Truncated => {
                self.playing.remove(&connection);
                self.failed += 1;
                Err(io::Error::other(too_little_kept(request)))
            }
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        let missing = self.playing.iter().filter_map(|(&connection, playing)| {
            Some((connection, playing.what_is_missing(connection)?))
        });
        if let Some((_, error)) = missing.min_by_key(|(connection, _)| *connection) {
            return Err(error);
        }
        let may_leave = |playing: &Playing| playing.has_spoken && playing.cursor.may_leave();
        // A connection that has failed was reported.
        if self.played > 0 || self.failed > 0 || self.playing.values().any(may_leave) {
            return Ok(());
        }
        Err(io::Error::other("no connection has played the conversation to its end"))
    }

    fn hints(&mut self) -> Hints<'_> {
        let answers = if has_closure(&self.block) { Answers::MayWait } else { Answers::Prompt };
        let mistake = asked_too_early(&self.block).map(too_early);
        Hints { answers, first_framing: Some(self), mistake }
    }
}

impl FirstFraming for Conversation {
    fn first_framing(&mut self, _: &Client) -> Option<Framing> {
        Some(Cursor::first_framing(&self.block))
    }
}

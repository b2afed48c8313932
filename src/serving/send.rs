//! Carries out the steps of a response: the one place that sends. The ending comes after it, in `close`.

use std::io;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Instant;

use super::connection::{Connection, unnumbered};
use super::context::Context;
use super::event::Event;
use super::failure::Failure;
use super::ledger::Outcome;
use super::rest::Rest;
use super::sending::Sending;
use super::service::Role;
use super::states::{State, Step, stop};
use super::stuck::nothing_acknowledged;
use crate::os::arrived::LARGE_BUFFER;
use crate::os::deadline::later;
use crate::os::set::Interest;
use crate::os::stream::Notice;
use crate::os::wire::Next;
use crate::response::ending::Ending;
use crate::response::parts::{Part, Stopped, fill};

/// Why sending stops.
enum Halt {
    Rest(Rest),
    Cut,
    Failed(Failure),
}

impl Connection {
    /// Carries out all steps up to the cut.
    pub(super) fn send(&mut self, mut sending: Box<Sending>, context: &mut Context<'_>) -> Step {
        if !sending.has_extended && context.finishing.is_some() {
            sending.has_extended = true;
            context.service.extend_finish(sending.pauses_left());
        }
        if sending.ciphertext_before.is_none()
            && let Some(failure) = self.prepare_ciphertext(&mut sending)
        {
            return self.conclude(*sending, Some(failure), context);
        }
        loop {
            let halt = match self.send_part(&mut sending, context) {
                Ok(true) => continue,
                Ok(false) => return self.conclude(*sending, None, context),
                Err(halt) => halt,
            };
            return match halt {
                Halt::Rest(rest) => stop(State::Sending(sending), rest),
                Halt::Cut => self.conclude(*sending, None, context),
                Halt::Failed(failure) => self.conclude(*sending, Some(failure), context),
            };
        }
    }

    /// Lets no more ciphertext leave than the response says.
    fn prepare_ciphertext(&mut self, sending: &mut Sending) -> Option<Failure> {
        let refused = |text: &str| {
            let error = io::Error::new(io::ErrorKind::InvalidInput, text);
            Some(Failure::Respond(error))
        };
        if sending.begins_tls() && self.stream.has_layer() {
            return refused("the response begins TLS, and the connection has TLS already");
        }
        let cut = sending.cut_ciphertext();
        if cut.is_some() && !self.stream.has_layer() {
            return refused("the response is cut in its ciphertext, and the connection has no TLS");
        }
        sending.ciphertext_before = Some(self.stream.ciphertext_sent());
        self.stream.cut_ciphertext_after(cut);
        None
    }

    /// Carries out a step, or some of it; false after the last one.
    fn send_part(
        &mut self,
        sending: &mut Sending,
        context: &mut Context<'_>,
    ) -> Result<bool, Halt> {
        let index = sending.index;
        let Some(part) = sending.parts.get(index) else { return Ok(false) };
        match part {
            Part::Bytes(bytes) => {
                sending.has_begun = true;
                let bytes = Arc::clone(bytes);
                let is_last = sending.last == Some(index);
                self.send_bytes(sending, &bytes, is_last, context)?;
                sending.next_part();
            }
            Part::Reader { .. } => {
                sending.has_begun = true;
                return self.send_chunk(sending, context);
            }
            // What waits before the first byte is not after it, though there be none.
            _ if sending.has_begun && sending.is_cut() => return Err(Halt::Cut),
            Part::Pause(delay) => {
                // Counted from the other end, so that no pause shares its place with a piece.
                let pause = delay.at(sending.exchange, u64::MAX - index as u64);
                let due = *sending.due.get_or_insert_with(|| later(Instant::now(), pause));
                if due > Instant::now() {
                    return Err(Halt::Rest(Rest::time(Some(due))));
                }
                sending.due = None;
                sending.next_part();
            }
            Part::Act(act) => {
                let acted = match sending.at {
                    0 => self.stream.act(*act),
                    _ => Ok(()),
                };
                // It was done; what it has to send may not have left.
                sending.at = 1;
                match acted.and_then(|()| self.stream.flush()) {
                    Ok(Some(())) => sending.next_part(),
                    Ok(None) => return Err(self.await_room(sending, context)),
                    Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                        return Err(Halt::Failed(Failure::Respond(error)));
                    }
                    Err(error) => return Err(Halt::Failed(Failure::Send(error))),
                }
            }
            Part::Gate(gate) => {
                let gate = gate.clone();
                let since = *sending.at_gate_since.get_or_insert_with(Instant::now);
                if !gate.pass_or_wake(|| context.waker()) {
                    let timeout = context.service.settings.timeout;
                    let until = timeout.and_then(|timeout| since.checked_add(timeout));
                    if until.is_none_or(|until| until > Instant::now()) {
                        return Err(Halt::Rest(Rest::time(until)));
                    }
                    let waited = timeout.unwrap_or_default();
                    let text = format!("the gate was not opened within {waited:?}");
                    let error = io::Error::new(io::ErrorKind::TimedOut, text);
                    return Err(Halt::Failed(Failure::Respond(error)));
                }
                sending.at_gate_since = None;
                sending.next_part();
            }
        }
        Ok(true)
    }

    /// Large reads and writes: as fast as `sendfile` here, and half as much again as `io::copy`.
    ///
    /// A response that is cut before its first byte has its reader asked once, too: it may have something to do beside.
    fn send_chunk(
        &mut self,
        sending: &mut Sending,
        context: &mut Context<'_>,
    ) -> Result<bool, Halt> {
        let index = sending.index;
        if let Some(stopped) = &sending.chunk.stopped {
            let is_last = sending.last == Some(index) && matches!(stopped, Stopped::AtEnd);
            let chunk = mem::take(&mut sending.chunk.buffer);
            let sent = self.send_bytes(sending, &chunk[..sending.chunk.sendable], is_last, context);
            sending.chunk.buffer = chunk;
            sent?;
            let chunk = &mut sending.chunk;
            match chunk.stopped.take() {
                Some(Stopped::AtEnd) => {
                    sending.next_part();
                    return Ok(true);
                }
                Some(Stopped::Failed(error)) => {
                    let error = match &sending.parts[index] {
                        Part::Reader { origin, .. } => origin.name(error),
                        _ => error,
                    };
                    return Err(Halt::Failed(Failure::Respond(error)));
                }
                Some(Stopped::Full | Stopped::WithRoom) | None => {}
            }
            chunk.buffer.copy_within(chunk.sendable..chunk.filled, 0);
            chunk.filled -= chunk.sendable;
            sending.at = 0;
        }
        let request = sending.pending.as_ref().map(|pending| &pending.request);
        let Part::Reader { reader, origin, length } = &mut sending.parts[index] else {
            return Ok(true);
        };
        let may_block = origin.may_block();
        if may_block {
            if !context.may_run_user_code() {
                return Err(Halt::Rest(Rest::UserThread));
            }
            context.about_to_block();
        }
        // A file and a pattern are at hand: then one byte more is read than is sent, so that the last ones are known to be.
        let is_at_hand = length.is_some();
        let chunk = &mut sending.chunk;
        if chunk.buffer.is_empty() {
            let size =
                length.and_then(|length| usize::try_from(length).ok()).unwrap_or(LARGE_BUFFER);
            chunk.buffer = vec![0; size.min(LARGE_BUFFER) + usize::from(is_at_hand)];
        }
        let mut fill = || fill(&mut **reader, &mut chunk.buffer, chunk.filled, is_at_hand);
        let fill = || {
            if may_block {
                context.run_user_code("reader of the response", request, fill)
            } else {
                fill()
            }
        };
        let (filled, stopped) = match panic::catch_unwind(AssertUnwindSafe(fill)) {
            Ok(filled) => filled,
            Err(payload) => {
                let failure = Failure::Panic("a reader of the response", payload);
                return Err(Halt::Failed(failure));
            }
        };
        let chunk = &mut sending.chunk;
        chunk.read += (filled - chunk.filled) as u64;
        let stopped = match stopped {
            Stopped::AtEnd => {
                origin.shrunk(chunk.read, *length).map_or(Stopped::AtEnd, Stopped::Failed)
            }
            stopped => stopped,
        };
        sending.chunk.filled = filled;
        sending.chunk.sendable =
            filled - usize::from(is_at_hand && matches!(stopped, Stopped::Full));
        sending.chunk.stopped = Some(stopped);
        Ok(true)
    }

    /// Sends these bytes of the response from `sending.at` on, as many of them as the cut allows.
    fn send_bytes(
        &mut self,
        sending: &mut Sending,
        bytes: &[u8],
        is_last: bool,
        context: &mut Context<'_>,
    ) -> Result<(), Halt> {
        while sending.at < bytes.len() {
            if sending.is_cut() || self.stream.is_ciphertext_cut() {
                return Err(Halt::Cut);
            }
            if sending.sent >= sending.piece_end
                && let Some(due) = sending.keep_pace()
            {
                return Err(Halt::Rest(Rest::time(Some(due))));
            }
            if context.is_budget_used() || !context.observer_has_room() {
                return Err(Halt::Rest(context.again()));
            }
            let piece = &bytes[sending.at..];
            let limit = (sending.piece_end - sending.sent)
                .min(sending.cut.map_or(u64::MAX, |cut| cut - sending.sent));
            let piece = &piece
                [..usize::try_from(limit).map_or(piece.len(), |limit| limit.min(piece.len()))];
            let sent_then = sending.sent + piece.len() as u64;
            let is_end = (is_last && sending.at + piece.len() == bytes.len())
                || sending.cut.is_some_and(|cut| cut == sent_then);
            let written = if is_end {
                self.write_last(sending, piece, context)
            } else {
                self.stream.write(piece, Next::Other)
            };
            match written {
                // The loop ends there.
                Ok(None) if self.stream.is_ciphertext_cut() => {}
                Ok(None) => return Err(self.await_room(sending, context)),
                Ok(Some(0)) => {
                    let error = io::ErrorKind::WriteZero.into();
                    return Err(Halt::Failed(Failure::Send(error)));
                }
                Ok(Some(taken)) => {
                    if sending.exchange_entered.is_none() {
                        self.note_sent(sending, &piece[..taken], context);
                    }
                    context.use_budget(taken);
                }
                Err(error) => return Err(Halt::Failed(Failure::Send(error))),
            }
        }
        if sending.is_cut() { Err(Halt::Cut) } else { Ok(()) }
    }

    fn note_sent(&self, sending: &mut Sending, bytes: &[u8], context: &Context<'_>) {
        sending.at += bytes.len();
        sending.first_bytes.keep(bytes);
        sending.sent += bytes.len() as u64;
        sending.stuck.clear();
        if let Some(persistence) = &mut sending.persistence {
            persistence.feed(bytes);
        }
        context.tell(|| {
            let (client, bytes) = (unnumbered(&self.client), bytes.to_vec());
            Box::new(move |observe| observe(&Event::Sent { client: &client, bytes: &bytes }))
        });
    }

    /// Writes the last bytes of a response. If the kernel takes them all, the exchange is in the ledger before the client can have
    /// them: the lock is held around both.
    fn write_last(
        &mut self,
        sending: &mut Sending,
        bytes: &[u8],
        context: &Context<'_>,
    ) -> io::Result<Option<usize>> {
        let next = sending.next(bytes.len());
        Self::count_served(sending, context);
        let mut page = context.service.ledger.lock();
        let written = self.stream.write(bytes, next)?;
        if written != Some(bytes.len()) {
            return Ok(written);
        }
        if next == Next::End {
            // Where this fails so does the next attempt, which is the close's: the client is gone.
            let _ = self.stream.shutdown_sending(Notice::CloseNotify);
        }
        self.note_sent(sending, bytes, context);
        if let Some(pending) = sending.pending.take() {
            let (exchange, fault) = self.sent_exchange(sending, pending, context);
            self.mark_sent(sending);
            if context.service.role == Role::Peer {
                page.enter(&exchange);
                context.service.tell_outcome(&exchange, fault.as_ref());
                page.publish(Outcome::of(&exchange, fault));
                page.leave();
                sending.exchange_entered = Some((exchange, None));
            } else {
                sending.exchange_entered = Some((exchange, fault));
            }
        }
        Ok(written)
    }

    /// Counts the exchange once, before its last byte can be with the client.
    pub(super) fn count_served(sending: &mut Sending, context: &Context<'_>) {
        if !mem::replace(&mut sending.is_counted, true) {
            context.service.count_served();
        }
    }

    /// The client takes nothing at the moment. It may be unable to read before it has been read from, but a naive server reads nothing
    /// while it sends: what is unread then is what its close destroys the response with.
    fn await_room(&mut self, sending: &mut Sending, context: &mut Context<'_>) -> Halt {
        let now = Instant::now();
        let mut last_active = sending.stuck.note(self.stream.ciphertext_sent());
        let limit = sending.goes_on().then_some(context.service.settings.buffer_limit);
        let mut has_room = false;
        let mut look_again = None;
        while !matches!(sending.ending, Ending::CloseAtOnce) {
            match limit {
                None => {
                    self.take_trailing();
                    has_room = true;
                }
                // The client waits until it has taken more of its response.
                Some(limit) => has_room = self.stream.arrived.unread().len() < limit,
            }
            if self.stream.has_ended() || !has_room || context.is_budget_used() {
                break;
            }
            if let Ending::Reset = sending.ending {
                look_again =
                    self.stream.would_lose_reset(now.saturating_duration_since(last_active));
                if look_again.is_some() {
                    has_room = false;
                    break;
                }
            }
            match self.read(context) {
                Ok(None | Some(0)) => break,
                Ok(Some(_)) => {
                    last_active = now;
                    // What it sends shows that it is alive, unless the server is to finish.
                    if context.finishing.is_none() {
                        sending.stuck.begin_again(now);
                    }
                }
                Err(error) => return Halt::Failed(Failure::Send(error)),
            }
        }
        let timeout = context.service.settings.timeout;
        let until = sending.stuck.until(timeout);
        if until.is_some_and(|until| until <= now) {
            return Halt::Failed(Failure::Send(nothing_acknowledged(timeout)));
        }
        let reads = !self.stream.has_ended() && has_room;
        let interest = Some(if reads { Interest::ReadAndWrite } else { Interest::Write });
        let until = until.into_iter().chain(look_again.map(|pause| now + pause)).min();
        Halt::Rest(Rest::Wait { interest, until })
    }
}

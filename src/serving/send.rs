//! Carries out the steps of a response: the one place that sends. The ending comes after it, in `close`.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::connection::{After, Connection, Rest, State, Step, stop, unnumbered};
use super::event::Event;
use super::failure::Failure;
use super::ledger::Outcome;
use super::respond::Pending;
use super::service::Role;
use super::task::Context;
use crate::http1::persistence::Persistence;
use crate::http1::response::Asked;
use crate::journal::exchange::Exchange;
use crate::os::lock::lock;
use crate::os::path_error::on_path;
use crate::os::set::Interest;
use crate::os::stream::{LARGE_BUFFER, Next};
use crate::response::delay::Delay;
use crate::response::ending::Ending;
use crate::response::gate::Gate;
use crate::response::pace::Pace;
use crate::response::steps::{Response, Step as ResponseStep};

/// How many bytes a response sends; `None` if that is known only after sending it.
pub(crate) fn length(response: &Response) -> io::Result<Option<u64>> {
    // A reader would be used up by a look at it.
    if response.has_reader() {
        return Ok(None);
    }
    match Parts::prepare(response.clone(), true) {
        Prepared::Ready(parts) => Ok(parts.offered),
        Prepared::MayBlock(_) => Ok(None),
        Prepared::Failed(error) => Err(error),
    }
}

/// A response whose files are open.
pub(super) struct Parts {
    steps: Vec<Part>,
    pace: Pace,
    cut: Option<u64>,
    ending: Ending,
    /// How many bytes there are to send, where that is known beforehand; what a cut leaves out is not among them.
    pub(super) offered: Option<u64>,
    /// What its delays are drawn from.
    seeds: Vec<u64>,
}

pub(super) enum Prepared {
    Ready(Parts),
    /// Opening one of its files may block.
    MayBlock(Response),
    Failed(io::Error),
}

enum Part {
    Bytes(Arc<[u8]>),
    Reader { reader: Box<dyn Read + Send>, origin: Origin, length: Option<u64> },
    Pause(Delay),
    Gate(Gate),
}

/// Whose reader it is.
enum Origin {
    File(PathBuf),
    /// A FIFO or a device: it may wait for anything.
    Device(PathBuf),
    Pattern,
    /// It may wait for anything.
    User,
}

impl Parts {
    /// Whether opening a file of this response may block.
    pub(super) fn may_block(response: &Response) -> bool {
        response.steps.iter().any(opens_a_device)
    }

    pub(super) fn prepare(response: Response, may_block: bool) -> Prepared {
        if !may_block && Self::may_block(&response) {
            return Prepared::MayBlock(response);
        }
        let parts = response.steps.into_iter().map(Part::prepare).collect::<io::Result<Vec<_>>>();
        let parts = match parts {
            Ok(parts) => parts,
            Err(error) => return Prepared::Failed(error),
        };
        let length = parts
            .iter()
            .try_fold(0_u64, |length, part| Some(length.saturating_add(part.length()?)));
        let offered = length.map(|length| response.cut.map_or(length, |cut| cut.min(length)));
        let delays = parts.iter().filter_map(Part::delay).chain(response.pace.delay());
        let seeds = delays.filter_map(Delay::drawn_from).collect();
        let (pace, cut, ending) = (response.pace, response.cut, response.ending);
        Prepared::Ready(Parts { steps: parts, pace, cut, ending, offered, seeds })
    }
}

/// Whether a step has a file that is no regular one. A file that changes between this look and the opening is opened without waiting.
fn opens_a_device(step: &ResponseStep) -> bool {
    let ResponseStep::SendFile(path) = step else { return false };
    fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

impl Part {
    fn prepare(step: ResponseStep) -> io::Result<Self> {
        Ok(match step {
            ResponseStep::Send(bytes) => Part::Bytes(bytes),
            ResponseStep::SendFile(path) => {
                let file = File::open(&path).map_err(on_path("open response file", &path))?;
                let metadata = file.metadata().map_err(on_path("open response file", &path))?;
                if metadata.is_dir() {
                    let is_a_directory = io::ErrorKind::IsADirectory.into();
                    return Err(on_path("open response file", &path)(is_a_directory));
                }
                // A pipe or a device does not know its length, and some files of /proc say 0.
                let length =
                    Some(metadata.len()).filter(|&length| metadata.is_file() && length > 0);
                let origin =
                    if metadata.is_file() { Origin::File(path) } else { Origin::Device(path) };
                Part::Reader { reader: Box::new(file), origin, length }
            }
            ResponseStep::SendFrom(reader) => {
                let reader = lock(&reader).take();
                let reader = reader.ok_or_else(|| {
                    io::Error::new(
                        io::ErrorKind::InvalidInput,
                        "the reader given to `send_from` has been sent before",
                    )
                })?;
                Part::Reader { reader, origin: Origin::User, length: None }
            }
            ResponseStep::Repeat { pattern, total } => {
                let reader = Box::new(Repeated { pattern, at: 0 }.take(total));
                Part::Reader { reader, origin: Origin::Pattern, length: Some(total) }
            }
            ResponseStep::Pause(delay) => Part::Pause(delay),
            ResponseStep::Gate(gate) => Part::Gate(gate),
        })
    }

    fn length(&self) -> Option<u64> {
        match self {
            Part::Bytes(bytes) => Some(bytes.len() as u64),
            Part::Reader { length, .. } => *length,
            Part::Pause(_) | Part::Gate(_) => Some(0),
        }
    }

    fn delay(&self) -> Option<Delay> {
        if let Part::Pause(delay) = self { Some(*delay) } else { None }
    }

    fn is_something(&self) -> bool {
        match self {
            Part::Bytes(bytes) => !bytes.is_empty(),
            Part::Reader { length, .. } => *length != Some(0),
            Part::Pause(_) | Part::Gate(_) => true,
        }
    }
}

/// A response on its way out.
pub(super) struct Sending {
    pending: Option<Pending>,
    exchange: u64,
    parts: Vec<Part>,
    /// The part that is being sent, and how far it came.
    index: usize,
    at: usize,
    /// The last part that does something.
    last: Option<usize>,
    chunk: Chunk,
    pace: Pace,
    cut: Option<u64>,
    ending: Ending,
    offered: Option<u64>,
    seeds: Vec<u64>,
    sent: u64,
    /// Whether the first part with bytes was reached.
    has_begun: bool,
    /// Where the piece ends that is being sent, and when the next one is due.
    piece_end: u64,
    due: Option<Instant>,
    /// When the first byte left.
    start: Option<Instant>,
    /// Since when the client has taken nothing.
    stuck_since: Option<Instant>,
    /// When it reached the gate that it waits at.
    at_gate_since: Option<Instant>,
    persistence: Option<Persistence>,
    /// The exchange, once the last byte has left.
    exchange_entered: Option<Exchange>,
    /// Whether its pauses are counted in the time that the server has to finish.
    has_extended: bool,
}

/// Bytes of a reader.
#[derive(Default)]
struct Chunk {
    buffer: Vec<u8>,
    /// How many are filled, and how many of those may be sent.
    filled: usize,
    sendable: usize,
    stopped: Option<Stopped>,
}

/// Why a buffer is not filled any further.
enum Stopped {
    AtEnd,
    Full,
    WithRoom,
    Failed(io::Error),
}

/// Why sending stops.
enum Halt {
    Rest(Rest),
    Cut,
    Failed(Failure),
}

impl Sending {
    /// Pauses of a response that begins when the server finishes already get no extra time.
    pub(super) fn new(parts: Parts, pending: Pending, exchange: u64, is_finishing: bool) -> Self {
        let Parts { steps: parts, pace, cut, ending, offered, seeds } = parts;
        let last = parts.iter().rposition(Part::is_something);
        let persistence = matches!(ending, Ending::KeepAlive).then(|| {
            let request = &pending.request;
            Persistence::after(request.plain_head(), Asked::by(request.method()))
        });
        Sending {
            pending: Some(pending),
            exchange,
            parts,
            index: 0,
            at: 0,
            last,
            chunk: Chunk::default(),
            pace,
            cut,
            ending,
            offered,
            seeds,
            sent: 0,
            has_begun: false,
            piece_end: 0,
            due: None,
            start: None,
            stuck_since: None,
            at_gate_since: None,
            persistence,
            exchange_entered: None,
            has_extended: is_finishing,
        }
    }

    fn is_cut(&self) -> bool {
        self.cut.is_some_and(|cut| self.sent >= cut)
    }

    fn goes_on(&self) -> bool {
        matches!(self.ending, Ending::KeepOpen | Ending::Then(_) | Ending::KeepAlive)
    }

    fn next(&self) -> Next {
        match self.ending {
            Ending::Close | Ending::HalfClose => Next::End,
            _ => Next::Other,
        }
    }

    fn next_part(&mut self) {
        self.index += 1;
        self.at = 0;
        self.chunk = Chunk::default();
    }

    /// How much longer its pauses take, apart from the client.
    fn pauses_left(&self) -> Duration {
        const COUNTED: u64 = 4096;
        let mut pauses =
            self.due.map_or(Duration::ZERO, |due| due.saturating_duration_since(Instant::now()));
        for (index, part) in self.parts.iter().enumerate().skip(self.index + 1) {
            if let Part::Pause(delay) = part {
                pauses = pauses.saturating_add(delay.at(self.exchange, u64::MAX - index as u64));
            }
        }
        let bytes = self.offered.unwrap_or(self.sent).saturating_sub(self.sent);
        if let Some(rate) = self.pace.bytes_per_second {
            let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(rate.get());
            let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
            pauses = pauses.saturating_add(Duration::from_nanos(nanos));
        }
        if let Some(size) = self.pace.piece_size(self.sent) {
            let pieces = bytes.div_ceil(size);
            let of_pieces: Duration = (0..pieces.min(COUNTED))
                .map(|piece| self.pace.pause(self.exchange, self.piece_end + piece * size))
                .sum();
            pauses = pauses.saturating_add(
                of_pieces
                    .saturating_mul(u32::try_from(pieces.div_ceil(COUNTED)).unwrap_or(u32::MAX)),
            );
        }
        pauses
    }

    /// When the next write is due, if not now.
    fn keep_pace(&mut self) -> Option<Instant> {
        if self.pace.pieces.is_none() && self.pace.bytes_per_second.is_none() {
            self.piece_end = u64::MAX;
            return None;
        }
        let now = Instant::now();
        let start = *self.start.get_or_insert(now);
        let due = *self.due.get_or_insert_with(|| {
            if self.sent == 0 {
                return now;
            }
            let pause = self.pace.pause(self.exchange, self.sent);
            let by_rate = self.pace.bytes_per_second.map_or(Duration::ZERO, |rate| {
                let nanos = u128::from(self.sent) * 1_000_000_000 / u128::from(rate.get());
                Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
            });
            (now + pause).max(start.checked_add(by_rate).unwrap_or(now))
        });
        if due > now {
            return Some(due);
        }
        self.due = None;
        let largest = self.pace.largest_write(self.sent);
        self.piece_end = self.sent.saturating_add(largest as u64);
        None
    }
}

impl Connection {
    /// Carries out all steps up to the cut.
    pub(super) fn send(&mut self, mut sending: Box<Sending>, context: &mut Context<'_>) -> Step {
        if !sending.has_extended && context.service.finishing_since().is_some() {
            sending.has_extended = true;
            context.service.extend_finish(sending.pauses_left());
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
                let due = *sending.due.get_or_insert_with(|| later(pause));
                if due > Instant::now() {
                    return Err(Halt::Rest(Rest::time(Some(due))));
                }
                sending.due = None;
                sending.next_part();
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
            if sending.is_cut() {
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
        sending.sent += bytes.len() as u64;
        sending.stuck_since = None;
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
        let next = sending.next();
        let mut page = context.service.ledger.lock();
        let written = self.stream.write(bytes, next)?;
        if written != Some(bytes.len()) {
            return Ok(written);
        }
        if next == Next::End {
            // Where this fails so does the next attempt, which is the close's: the client is gone.
            let _ = self.stream.shutdown_sending();
        }
        self.note_sent(sending, bytes, context);
        if let Some(pending) = sending.pending.take() {
            let exchange = self.exchange_of(sending, pending, None).0;
            self.mark_sent(sending);
            if context.service.role == Role::Peer {
                page.enter(&exchange);
                context.service.tell_outcome(&exchange, None);
                page.publish(Outcome::Served(exchange.clone()));
                page.leave();
            }
            sending.exchange_entered = Some(exchange);
        }
        Ok(written)
    }

    /// The client takes nothing at the moment. It may be unable to read before it has been read from.
    fn await_room(&mut self, sending: &mut Sending, context: &mut Context<'_>) -> Halt {
        let now = Instant::now();
        let since = *sending.stuck_since.get_or_insert(now);
        let limit = sending.goes_on().then_some(context.service.settings.buffer_limit);
        let mut has_room;
        loop {
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
            match self.read(context) {
                Ok(None | Some(0)) => break,
                // What it sends shows that it is alive, unless the server is to finish.
                Ok(Some(_)) if context.service.finishing_since().is_none() => {
                    sending.stuck_since = Some(now);
                }
                Ok(Some(_)) => {}
                Err(error) => return Halt::Failed(Failure::Send(error)),
            }
        }
        let timeout = context.service.settings.timeout;
        let since = sending.stuck_since.unwrap_or(since);
        let until = timeout.and_then(|timeout| since.checked_add(timeout));
        if until.is_some_and(|until| until <= now) {
            let text =
                format!("the client acknowledged nothing for {:?}", timeout.unwrap_or_default());
            return Halt::Failed(Failure::Send(io::Error::new(io::ErrorKind::TimedOut, text)));
        }
        let reads = !self.stream.has_ended() && has_room;
        let interest = Some(if reads { Interest::ReadAndWrite } else { Interest::Write });
        Halt::Rest(Rest::Wait { interest, until })
    }

    /// The exchange, with its failure if there is one.
    fn exchange_of(
        &mut self,
        sending: &mut Sending,
        pending: Pending,
        failure: Option<Failure>,
    ) -> (Exchange, Option<super::failure::Fault>) {
        // What a reader or a changing file held in the end.
        let offered = if failure.is_none() { Some(sending.sent) } else { sending.offered };
        let mut parts = self.parts(pending, sending.sent, offered);
        if !sending.seeds.is_empty() {
            parts.rare.get_or_insert_default().seeds = mem::take(&mut sending.seeds);
        }
        let fault = failure.map(|failure| failure.fault(&mut parts));
        (Exchange::new(parts), fault)
    }

    /// The response is over: the journal shows that the connection answers no request any more.
    fn mark_sent(&self, sending: &Sending) {
        self.live.answering.store(0, Ordering::Relaxed);
        let flag = if sending.goes_on() { &self.live.is_kept } else { &self.live.is_ending };
        flag.store(true, Ordering::Relaxed);
    }

    /// The response was sent, or failed.
    fn conclude(
        &mut self,
        mut sending: Sending,
        failure: Option<Failure>,
        context: &Context<'_>,
    ) -> Step {
        let is_gone = failure.as_ref().is_some_and(Failure::is_client_gone);
        // A client that leaves early may have had all that it wanted: curl does so after the head of a HEAD.
        let has_left_early = is_gone && sending.sent > 0;
        let failure = failure.filter(|_| !has_left_early);
        let has_failed = failure.is_some();
        if let Some(pending) = sending.pending.take() {
            let offered = sending.offered;
            let (exchange, fault) = if has_left_early {
                let mut parts = self.parts(pending, sending.sent, offered);
                if !sending.seeds.is_empty() {
                    parts.rare.get_or_insert_default().seeds = mem::take(&mut sending.seeds);
                }
                (Exchange::new(parts), None)
            } else {
                self.exchange_of(&mut sending, pending, failure)
            };
            let fault = fault.filter(|_| !context.service.is_abandoned());
            self.mark_sent(&sending);
            self.last_exchange = Some(exchange.clone());
            self.record(exchange, fault, context);
        } else if let Some(exchange) = sending.exchange_entered.take() {
            self.last_exchange = Some(exchange.clone());
            if context.service.role == Role::Foreground {
                self.outcome = Some((exchange, None));
            }
        }
        let after = if is_gone {
            After::Gone
        } else if has_failed {
            After::End(Ending::Close)
        } else {
            let persists = sending.persistence.take().map(|persistence| persistence.persists());
            match (sending.ending, persists) {
                (Ending::KeepOpen, _) | (_, Some(true)) => After::Request,
                (_, Some(false)) => After::End(Ending::Close),
                (Ending::Then(framing), None) => {
                    self.framing = framing;
                    After::Request
                }
                (ending, None) => After::End(ending),
            }
        };
        if let After::End(_) = after {
            self.live.is_kept.store(false, Ordering::Relaxed);
            self.live.is_ending.store(true, Ordering::Relaxed);
        }
        self.go_on(after, context)
    }

    /// The server ends before the response does.
    pub(super) fn abort_sending(
        &mut self,
        mut sending: Sending,
        cause: io::Error,
        context: &Context<'_>,
    ) {
        let Some(pending) = sending.pending.take() else { return };
        let failure = match sending.parts.get(sending.index) {
            Some(Part::Gate(_)) => Failure::Respond(io::Error::new(
                io::ErrorKind::TimedOut,
                "the gate was not opened before the server ended",
            )),
            _ => Failure::Send(cause),
        };
        let (exchange, fault) = self.exchange_of(&mut sending, pending, Some(failure));
        let fault = fault.filter(|_| !context.service.is_abandoned());
        self.record(exchange, fault, context);
    }
}

fn later(pause: Duration) -> Instant {
    let now = Instant::now();
    // Too long for the clock: a century will do.
    now.checked_add(pause).unwrap_or(now + Duration::from_secs(3_155_760_000))
}

/// Reads after the first `filled` bytes of a buffer: once, or until it is full if all of it `is_at_hand`.
fn fill(
    reader: &mut dyn Read,
    buffer: &mut [u8],
    mut filled: usize,
    is_at_hand: bool,
) -> (usize, Stopped) {
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => return (filled, Stopped::AtEnd),
            Ok(length) => filled += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return (filled, Stopped::Failed(error)),
        }
        if !is_at_hand {
            return (filled, Stopped::WithRoom);
        }
    }
    (filled, Stopped::Full)
}

impl Origin {
    fn may_block(&self) -> bool {
        matches!(self, Origin::Device(_) | Origin::User)
    }

    fn name(&self, error: io::Error) -> io::Error {
        match self {
            Origin::File(path) | Origin::Device(path) => on_path("read response file", path)(error),
            Origin::Pattern | Origin::User => error,
        }
    }
}

/// A pattern without end.
struct Repeated {
    pattern: Arc<[u8]>,
    at: usize,
}

impl Read for Repeated {
    fn read(&mut self, mut buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len();
        while !buffer.is_empty() {
            let rest = &self.pattern[self.at..];
            let length = rest.len().min(buffer.len());
            let (now, later) = buffer.split_at_mut(length);
            now.copy_from_slice(&rest[..length]);
            buffer = later;
            self.at = (self.at + length) % self.pattern.len();
        }
        Ok(wanted)
    }
}

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").field("sent", &self.sent).finish_non_exhaustive()
    }
}

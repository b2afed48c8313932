//! A framing rule applied to one request: it looks at bytes as they arrive, and finds where the request ends.

use std::panic::Location;
use std::sync::Arc;

use super::delimiter::Delimiter;
use super::first_flight::{self, FirstFlight};
use super::length_prefix::LengthPrefix;
use super::length_reader::{LengthReader, Reading};
use super::no_end::NoEnd;
use super::texts::{Text, Texts};
use crate::http1::head;
use crate::http1::problem::Problem;
use crate::http1::request::HttpFramer;
use crate::http1::verdict::{TooMuch, Verdict, count_down};

/// Takes the bytes of a request so far, and returns its length once it is known.
type LengthOf = dyn Fn(&[u8]) -> Option<usize> + Send + Sync;

/// A rule that a user wrote.
#[derive(Clone)]
pub(super) struct CustomRule {
    pub(super) rule: Arc<LengthOf>,
    pub(super) made_at: &'static Location<'static>,
}

#[derive(Clone)]
pub(super) enum Rule {
    Auto,
    Http,
    Head,
    ReadOnce {
        max: usize,
    },
    Until {
        delimiter: Arc<[u8]>,
    },
    Lines,
    Exactly {
        length: u64,
    },
    LengthPrefixed(LengthPrefix),
    TlsRecord,
    ClientHello,
    Eof,
    Nothing,
    /// One of these texts. Those of conversations.
    Texts(Arc<[Text]>),
    Custom(CustomRule),
}

/// A rule applied to one request.
pub(crate) struct Framer {
    state: RuleState,
    limit: usize,
}

enum RuleState {
    /// Not known yet whether this is HTTP. The bytes so far; none before the first piece.
    Auto(Vec<u8>),
    Http(HttpFramer),
    ReadOnce {
        max: usize,
    },
    Until(Delimiter),
    Exactly {
        left: u64,
    },
    /// Becomes `Exactly` when the length is known.
    LengthPrefixed(LengthReader),
    /// Not known yet whether this is TLS: no byte has arrived. Becomes `FirstFlight` or `Auto`.
    ClientHello,
    FirstFlight(FirstFlight),
    Eof,
    Texts(Texts),
    Custom(CustomRule),
}

impl Framer {
    pub(super) fn new(rule: &Rule, limit: usize) -> Self {
        let state = match rule {
            Rule::Auto => RuleState::Auto(Vec::new()),
            Rule::Http => RuleState::Http(HttpFramer::new()),
            Rule::Head => RuleState::Http(HttpFramer::head_only()),
            Rule::ReadOnce { max } => RuleState::ReadOnce { max: *max },
            Rule::Until { delimiter } => RuleState::Until(Delimiter::new(Arc::clone(delimiter))),
            Rule::Lines => RuleState::Until(Delimiter::new(Arc::from(*b"\n"))),
            Rule::Exactly { length } => RuleState::Exactly { left: *length },
            Rule::LengthPrefixed(prefix) => RuleState::LengthPrefixed(LengthReader::new(*prefix)),
            Rule::TlsRecord => RuleState::LengthPrefixed(LengthReader::tls_record()),
            Rule::ClientHello => RuleState::ClientHello,
            Rule::Eof => RuleState::Eof,
            Rule::Nothing => RuleState::Exactly { left: 0 },
            Rule::Texts(texts) => RuleState::Texts(Texts::new(Arc::clone(texts))),
            Rule::Custom(custom) => RuleState::Custom(custom.clone()),
        };
        Framer { state, limit }
    }

    /// Looks at the next bytes of the request, at least one: those that were held, and what one read returned.
    pub(crate) fn feed(&mut self, piece: &[u8]) -> Result<Verdict, NoEnd> {
        match &mut self.state {
            RuleState::Auto(bytes) => {
                // If the first piece decides, nothing is copied.
                let first = bytes.is_empty();
                if !first {
                    bytes.extend_from_slice(piece);
                }
                let so_far = if first { piece } else { bytes.as_slice() };
                match head::starts_with_method(so_far) {
                    None => {
                        if first {
                            bytes.extend_from_slice(piece);
                        }
                        Ok(Verdict::More)
                    }
                    Some(false) if !(first && head::starts_with_request_line(so_far)) => {
                        Ok(Verdict::Done(piece.len()))
                    }
                    Some(_) => self.become_http(piece),
                }
            }
            RuleState::Http(http) => Ok(http.feed(piece, self.limit)?),
            RuleState::ReadOnce { max } => Ok(Verdict::Done(piece.len().min(*max))),
            RuleState::Until(delimiter) => Ok(delimiter.find(piece)),
            RuleState::Exactly { left } => Ok(count_down(left, piece.len())),
            RuleState::LengthPrefixed(length) => match length.feed(piece) {
                Reading::Incomplete => Ok(Verdict::More),
                Reading::Left(mut left) => {
                    let verdict = count_down(&mut left, piece.len());
                    self.state = RuleState::Exactly { left };
                    Ok(verdict)
                }
                Reading::Bad { bad, within } => Err(NoEnd::BadLength { bad, within }),
            },
            RuleState::ClientHello => {
                self.state = match piece.first() {
                    Some(&first) if first_flight::may_begin(first) => {
                        RuleState::FirstFlight(FirstFlight::default())
                    }
                    _ => RuleState::Auto(Vec::new()),
                };
                self.feed(piece)
            }
            RuleState::FirstFlight(records) => records.feed(piece),
            RuleState::Eof => Ok(Verdict::More),
            RuleState::Texts(texts) => Ok(texts.compare(piece)),
            RuleState::Custom(custom) => {
                let within = piece.len().min(self.limit);
                match (custom.rule)(&piece[..within]) {
                    Some(length) if length <= piece.len() => Ok(Verdict::Done(length)),
                    Some(length) => {
                        self.state = RuleState::Exactly { left: length as u64 };
                        Ok(Verdict::Hold)
                    }
                    None if piece.len() > self.limit => {
                        Err(TooMuch { limit: self.limit, within }.into())
                    }
                    None => Ok(Verdict::Hold),
                }
            }
        }
    }

    /// Whether the end of the client's data makes this request a whole one.
    pub(crate) fn ends_at_eof(&self) -> bool {
        matches!(self.state, RuleState::Eof)
    }

    /// How many bytes are missing, if that is known.
    pub(crate) fn left(&self) -> Option<u64> {
        if let RuleState::Exactly { left } = self.state { Some(left) } else { None }
    }

    pub(crate) fn problem(&self) -> Option<&Problem> {
        match &self.state {
            RuleState::Http(http) => http.problem(),
            _ => None,
        }
    }

    /// Turns `auto` into `http`, which then gets the bytes before `piece` and `piece` itself.
    fn become_http(&mut self, piece: &[u8]) -> Result<Verdict, NoEnd> {
        let RuleState::Auto(bytes) =
            std::mem::replace(&mut self.state, RuleState::Http(HttpFramer::new()))
        else {
            unreachable!("only `auto` is undecided");
        };
        let before = bytes.len().saturating_sub(piece.len());
        if before > 0 {
            // Shorter than a method and its space: too short to be over or too long.
            self.feed(&bytes[..before])?;
        }
        self.feed(piece)
    }
}

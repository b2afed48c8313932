//! The steps and blocks of a conversation file, line by line.

use std::path::Path;

use super::line::{Part, brief};
use super::parse_error::ParseConversationError;
use crate::framing::rule::Framing;
use crate::response::delay::parse_time;
use crate::response::ending::Ending;
use crate::response::steps::Response;
use crate::source::conversation::Conversation;
use crate::source::conversation::expect::{Expect, Glob, Kind, is_one_line};
use crate::source::conversation::script::Rounds;

type Result<T> = std::result::Result<T, ParseConversationError>;

/// Blocks in blocks; more are a mistake.
const DEEPEST: usize = 32;

const STEPS: &str = "a step is `< text`, `<- bytes`, `> text`, `>~ text`, `>- bytes`, `receive RULE`, `send FILE`, `pause TIME`, `close`, \
    `reset`, `half-close`, `hold`, or a block of `repeat N`, `forever` or `either` up to its `end`";

/// What has been read so far.
pub(super) struct Parser<'f> {
    /// Where paths begin.
    folder: &'f Path,
    outermost: Conversation,
    /// The blocks that are open, the innermost one last.
    blocks: Vec<Open<'f>>,
}

/// A block whose `end` has not come.
struct Open<'l> {
    /// The line that began it.
    start: Part<'l>,
    kind: Block,
    inside: Conversation,
}

enum Block {
    Repeat(Rounds),
    /// The branches that are complete, and what the client says in the one that is open.
    Either(Vec<(Expect, Conversation)>, Option<Expect>),
}

impl<'f> Parser<'f> {
    pub(super) fn new(folder: &'f Path) -> Self {
        Parser { folder, outermost: Conversation::new(), blocks: Vec::new() }
    }

    pub(super) fn read(&mut self, number: usize, line: &'f str) -> Result<()> {
        let line = Part::of_line(number, line);
        if line.is_empty() || line.text.starts_with('#') {
            return Ok(());
        }
        let (word, rest) = line.split();
        if let Some(ending) = ending(word) {
            no_more(word, rest)?;
            return self.add(line, |inside| inside.try_end(ending));
        }
        match word {
            "<" => self.say(line, [&rest.bytes()?[..], b"\r\n"].concat()),
            "<-" => {
                if rest.is_empty() {
                    return Err(
                        rest.error("there are no bytes to say: `<` alone says an empty line")
                    );
                }
                self.say(line, rest.bytes()?)
            }
            ">" => self.expect(line, expected_line(rest)?),
            ">~" => self.expect(line, expected_line(rest)?.ignoring_case()),
            ">-" => {
                let bytes = rest.bytes()?;
                self.expect(line, Expect::exactly(&bytes))
            }
            "receive" => {
                let rule = rest.trim();
                let framing: Framing =
                    rule.text.parse().map_err(|error| rule.error(format!("{error}")))?;
                self.expect(line, framing.into())
            }
            "send" => {
                let file = rest.trim();
                if file.is_empty() {
                    return Err(rest.error("the name of a file is missing"));
                }
                self.say(line, Response::file(self.folder.join(file.text)))
            }
            "pause" => {
                let time = rest.trim();
                let pause = parse_time(time.text).ok_or_else(|| {
                    time.error(format!(
                        "`{}` is not a time, such as 250ms, 1.5s or 2m",
                        brief(time.text)
                    ))
                })?;
                self.say(line, Response::new().pause(pause))
            }
            "repeat" => {
                let times = rest.trim();
                let rounds =
                    times.text.parse().ok().filter(|&rounds| rounds > 0).ok_or_else(|| {
                        times.error(format!(
                            "`{}` is not a number of rounds, 1 or more",
                            brief(times.text)
                        ))
                    })?;
                self.open(line, Block::Repeat(Rounds::Some(rounds)))
            }
            "forever" => {
                no_more(word, rest)?;
                self.open(line, Block::Repeat(Rounds::ForEver))
            }
            "either" => {
                no_more(word, rest)?;
                self.open(line, Block::Either(Vec::new(), None))
            }
            "or" => {
                no_more(word, rest)?;
                self.next_branch(line)
            }
            "end" => {
                no_more(word, rest)?;
                self.close(line)
            }
            word if word.starts_with(['<', '>']) => {
                let (mark, text) = word.split_at(if word.starts_with(">~") { 2 } else { 1 });
                let text = brief(text);
                Err(line.error(format!("a space comes after the mark: `{mark} {text}`")))
            }
            word => Err(line.error(format!("`{}` is no step: {STEPS}", brief(word)))),
        }
    }

    pub(super) fn end(self) -> Result<Conversation> {
        if let Some(open) = self.blocks.last() {
            return Err(open.start.error("this block has no `end`"));
        }
        if self.outermost.is_empty() {
            let reason = format!("nothing is said and nothing expected: {STEPS}");
            return Err(ParseConversationError::new(1, 1, reason));
        }
        Ok(self.outermost)
    }

    fn say(&mut self, line: Part<'_>, response: impl Into<Response>) -> Result<()> {
        self.add(line, |inside| inside.try_say(response.into()))
    }

    /// The first one of a branch is what the branch is chosen by.
    fn expect(&mut self, line: Part<'_>, expected: Expect) -> Result<()> {
        expected.check().map_err(|reason| line.error(reason))?;
        if let Some(Open { kind: Block::Either(_, first @ None), .. }) = self.blocks.last_mut() {
            *first = Some(expected);
            return Ok(());
        }
        self.add(line, |inside| inside.try_expect(expected))
    }

    /// Adds a step to the innermost block.
    fn add(
        &mut self,
        line: Part<'_>,
        step: impl FnOnce(&mut Conversation) -> std::result::Result<(), String>,
    ) -> Result<()> {
        let inside = match self.blocks.last_mut() {
            None => &mut self.outermost,
            Some(Open { kind: Block::Either(_, None), .. }) => {
                return Err(line.error(
                    "`either` and `or` begin with what the client says: `> text`, `>~ text`, `>- bytes` or `receive RULE`",
                ));
            }
            Some(open) => &mut open.inside,
        };
        step(inside).map_err(|reason| line.error(reason))
    }

    fn open(&mut self, start: Part<'f>, kind: Block) -> Result<()> {
        if self.blocks.len() == DEEPEST {
            return Err(start.error(format!("more than {DEEPEST} blocks in one another")));
        }
        self.blocks.push(Open { start, kind, inside: Conversation::new() });
        Ok(())
    }

    fn next_branch(&mut self, line: Part<'_>) -> Result<()> {
        match self.blocks.last_mut() {
            Some(Open { kind: Block::Either(branches, first), inside, .. }) => {
                let Some(expect) = first.take() else {
                    return Err(line.error("nothing is expected before this `or`"));
                };
                branches.push((expect, std::mem::take(inside)));
                Ok(())
            }
            _ => Err(line.error("`or` stands only within `either` and `end`")),
        }
    }

    fn close(&mut self, line: Part<'_>) -> Result<()> {
        let Some(Open { start, kind, inside }) = self.blocks.pop() else {
            return Err(line.error("there is no block that this could end"));
        };
        match kind {
            Block::Repeat(rounds) => self.add(start, |outside| outside.try_repeat(rounds, inside)),
            Block::Either(mut branches, Some(expect)) => {
                branches.push((expect, inside));
                self.add(start, |outside| outside.try_one_of(branches))
            }
            Block::Either(_, None) => Err(line.error("nothing is expected before this `end`")),
        }
    }
}

/// `> text`.
fn expected_line(text: Part<'_>) -> Result<Expect> {
    let mut pieces = text.pieces()?;
    if let Some(last) = pieces.last_mut() {
        last.extend_from_slice(b"\r\n");
    }
    let whole = pieces.concat();
    if pieces.len() == 1 {
        return Ok(Expect::exactly(&whole));
    }
    if !is_one_line(&whole) {
        return Err(text
            .error(r"a line with a star has no `\n` in it: a star that is meant is written `\*`"));
    }
    Ok(Expect::of(Kind::Glob(Glob::new(pieces))))
}

fn ending(word: &str) -> Option<Ending> {
    Some(match word {
        "close" => Ending::Close,
        "reset" => Ending::Reset,
        "half-close" => Ending::HalfClose,
        "hold" => Ending::Hold,
        "stop-reading" => Ending::StopReading,
        "close-at-once" => Ending::CloseAtOnce,
        _ => return None,
    })
}

fn no_more(word: &str, rest: Part<'_>) -> Result<()> {
    let rest = rest.trim();
    if rest.is_empty() { Ok(()) } else { Err(rest.error(format!("nothing comes after `{word}`"))) }
}

//! Conversations as text, in a file: reading one, and what it looks like. The steps are read in `parser`.

mod line;
mod parse_error;
mod parser;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::str::FromStr;

pub use parse_error::ParseConversationError;
use parser::Parser;

use super::Conversation;
use crate::os::path_error::on_path;

/// No script of people is longer; what is, as `/dev/zero`, is another file.
const LONGEST: u64 = 4 << 20;

/// # In a file
///
/// A conversation may be text, in a test (`"…".parse::<Conversation>()`), or in a file that people read and the program plays:
/// `tcpserver --script FILE`.
///
/// ```text
/// # A comment has a line of its own.
/// < 220 mail
/// >~ EHLO *
/// < 250 ok
///
/// forever
///   either
///     > NOOP
///     < 250 ok
///   or
///     > DATA
///     < 354 go ahead
///     receive until:\r\n.\r\n
///     pause 100ms
///     < 250 queued
///   or
///     > QUIT
///     < 221 bye
///     close
///   end
/// end
/// ```
///
/// | line | what happens |
/// |---|---|
/// | `< text` | the peer says a line: the text, and CR LF |
/// | `<- text` | it says only these bytes, without a line end |
/// | `> text` | the client says a line: the text, and CR LF; `*` stands for any bytes, or none |
/// | `>~ text` | as `>`, with ASCII letters in upper or lower case |
/// | `>- text` | it says exactly these bytes, without a line end; `*` is a star |
/// | `receive RULE` | it says anything, up to where this framing ends: [`http`, `until:TEXT`, `exactly:N`, …](crate::Framing#impl-FromStr-for-Framing) |
/// | `send FILE` | the peer says the bytes of a file; from a file, the path begins at its folder |
/// | `pause TIME` | it waits: `250ms`, `1.5s`, `2m` |
/// | `close`, `reset`, `half-close`, `hold`, `stop-reading`, `close-at-once` | the conversation ends here in this way ([`Ending`](crate::Ending)) |
/// | `repeat N` … `end` | what is between is played N times |
/// | `forever` … `end` | again and again, until the client leaves between two rounds |
/// | `either` … `or` … `end` | the client says one of several things, each followed by what comes of it |
///
/// Texts begin after one space, go on to the end of their line, and may have the escapes `\r \n \t \0 \\ \xHH \*`. Lines may be
/// indented. Empty lines, and lines that begin with `#`, mean nothing.
impl Conversation {
    /// Reads a conversation from a file.
    ///
    /// ```
    /// use fake_peer::{Conversation, Peer};
    /// # use std::io::{Read, Write};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let peer = Peer::answer(Conversation::from_file("examples/smtp.script")?);
    /// # let mut client = std::net::TcpStream::connect(peer.addr())?;
    /// # client.write_all(b"EHLO me\r\nMAIL FROM:<a>\r\nrcpt to:<b>\r\ndata\r\nhi\r\n.\r\nQUIT\r\n")?;
    /// # let mut answers = String::new();
    /// # client.read_to_string(&mut answers)?;
    /// assert!(answers.starts_with("220 "));
    /// # drop(client);
    /// # peer.finish()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// If the file can't be read or is longer than 4 MiB, or with a [`ParseConversationError`] as its source if it is no conversation.
    pub fn from_file(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let failed = |error| on_path("read conversation file", path)(error);
        let bytes = read(path).map_err(failed)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let parsed = match std::str::from_utf8(&bytes) {
            Ok(text) => parse(text, folder),
            Err(error) => Err(ParseConversationError::not_utf8(&bytes[..error.valid_up_to()])),
        };
        parsed.map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error)))
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let length = File::open(path)?.take(LONGEST + 1).read_to_end(&mut bytes)? as u64;
    if length > LONGEST {
        let text = format!("it is longer than {LONGEST} bytes: that is no conversation");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    Ok(bytes)
}

/// The text of a [file](Conversation#in-a-file). The paths in it begin at the current folder.
///
/// ```
/// use fake_peer::Conversation;
///
/// let echo: Conversation = "
///     > hello *
///     < hello yourself
/// ".parse()?;
/// # drop(echo);
///
/// let error = r"< 220\q".parse::<Conversation>().unwrap_err();
/// assert_eq!(error.to_string(), r"line 1, column 6: `\q` is no escape: there are \r \n \t \0 \\ \xHH \*");
/// # Ok::<(), fake_peer::conversation::ParseConversationError>(())
/// ```
impl FromStr for Conversation {
    type Err = ParseConversationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text, Path::new(""))
    }
}

fn parse(text: &str, folder: &Path) -> Result<Conversation, ParseConversationError> {
    let mut parser = Parser::new(folder);
    // Some editors begin a file with this mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, line) in text.lines().enumerate() {
        parser.read(index + 1, line)?;
    }
    parser.end()
}

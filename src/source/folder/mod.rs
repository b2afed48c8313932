//! A source that answers with the files of a folder, by the path that a request names. Reading that path is in `target`.

pub(crate) mod media_type;
mod target;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use self::media_type::media_type;
use self::target::Target;
use crate::journal::request::Request;
use crate::os::open::{leads_nowhere, open_beneath};
use crate::os::path_error::on_path;
use crate::response::http;
use crate::response::steps::Response;
use crate::source::response_source::ResponseSource;

/// Answers with the files of a folder: a request for `/style/main.css` gets the file `style/main.css`, with a Content-Type that its
/// extension decides and its Content-Length.
///
/// ```
/// use fake_peer::{FolderSource, Peer};
/// # use std::io::{Read, Write};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// std::fs::write(folder.path().join("index.html"), "<p>hello")?;
/// let peer = Peer::answer(FolderSource::new(folder.path()));
/// # let mut client = std::net::TcpStream::connect(peer.addr())?;
/// # client.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
/// # let mut answer = String::new();
/// # client.read_to_string(&mut answer)?;
/// // A client asks for `/`:
/// assert_eq!(
///     answer,
///     "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 8\r\n\r\n<p>hello"
/// );
/// # Ok(()) }
/// ```
///
/// | request | answer |
/// |---|---|
/// | GET of a file | 200 and the file. Its query is not looked at |
/// | GET of a folder | its `index.html`; a 301 to the path with a `/` at its end, if that is missing |
/// | HEAD | the same head, and no body |
/// | OPTIONS | 204, and the methods in `Allow` |
/// | another method | 405, and the methods in `Allow` |
/// | a path that leads to no regular file, or out of the folder | 404 |
/// | a file that may not be read | 403 |
/// | what is not HTTP | 400 |
///
/// No path leads out of the folder: not with `..`, however it is encoded, and not with a symbolic link. A link to a file within the
/// folder is followed. On Unix this holds also while links are being changed. (A hard link is the file itself.)
///
/// Every response is built as those of [`http`](crate::http) are: with [`map_response`](ResponseSource::map_response) each of them
/// gets more fields ([`Response::header`]), `keep_alive()`, or a fault. Files are looked for at each request, in a thread for user
/// code, and sent in constant memory.
#[derive(Debug, Clone)]
pub struct FolderSource {
    path: PathBuf,
}

/// What a path leads to.
enum Found {
    File {
        file: File,
        length: u64,
        path: PathBuf,
    },
    /// A folder, asked for without a `/` at the end.
    Folder,
    Nothing,
    Forbidden,
}

const METHODS: &str = "GET, HEAD, OPTIONS";

impl FolderSource {
    /// A source that answers with the files of the folder at `path`. The folder is looked for at each request: if it is not there then,
    /// the exchange fails with [`Error::Respond`](crate::Error::Respond).
    pub fn new(path: impl Into<PathBuf>) -> Self {
        FolderSource { path: path.into() }
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn find(&self, target: &Target) -> io::Result<Found> {
        let folder = fs::canonicalize(&self.path).map_err(on_path("open folder", &self.path))?;
        let found = match find_beneath(&folder, target.path()) {
            // Not only the name of a file: what comes after it is wrong.
            Ok(Some(Found::File { .. })) if target.is_folder() => Ok(None),
            Ok(Some(Found::Folder)) if target.is_folder() => {
                find_beneath(&folder, &target.path().join("index.html"))
                    .map(|found| found.filter(|found| matches!(found, Found::File { .. })))
            }
            found => found,
        };
        match found {
            Ok(found) => Ok(found.unwrap_or(Found::Nothing)),
            Err(error) if leads_nowhere(&error) => Ok(Found::Nothing),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(Found::Forbidden),
            Err(error) => Err(on_path("open response file", &folder.join(target.path()))(error)),
        }
    }
}

impl ResponseSource for FolderSource {
    fn respond(&mut self, request: &Request) -> io::Result<Response> {
        let says_head = match request.method() {
            Some("GET") => false,
            Some("HEAD") => true,
            Some("OPTIONS") => return Ok(http::status(204).header("Allow", METHODS)),
            Some(_) => return Ok(in_words(405, false).header("Allow", METHODS)),
            None => return Ok(in_words(400, false)),
        };
        let Some(target) = request.raw_target().and_then(Target::parse) else {
            return Ok(in_words(404, says_head));
        };
        Ok(match self.find(&target)? {
            Found::File { file, length, path } => {
                let head = http::head_only(200, [("Content-Type", media_type(&path))], length);
                if says_head || length == 0 {
                    head
                } else {
                    head.send_from(WholeFile { file, path, length, read: 0 })
                }
            }
            Found::Folder => in_words(301, says_head).header("Location", target.as_folder()),
            Found::Nothing => in_words(404, says_head),
            Found::Forbidden => in_words(403, says_head),
        })
    }
}

/// What is at `path` below `folder`, which is a path without links; `None` if that is neither a file nor a folder, or elsewhere.
fn find_beneath(folder: &Path, path: &Path) -> io::Result<Option<Found>> {
    let real = fs::canonicalize(folder.join(path))?;
    let Ok(beneath) = real.strip_prefix(folder) else { return Ok(None) };
    // Opening a device may do something.
    let is_either = |file: &fs::Metadata| file.is_file() || file.is_dir();
    if !is_either(&fs::symlink_metadata(&real)?) {
        return Ok(None);
    }
    // Windows opens no folder as a file.
    if cfg!(windows) && real.is_dir() {
        return Ok(Some(Found::Folder));
    }
    let file = open_beneath(folder, beneath)?;
    let metadata = file.metadata()?;
    Ok(if metadata.is_dir() {
        Some(Found::Folder)
    } else if metadata.is_file() {
        Some(Found::File { file, length: metadata.len(), path: folder.join(path) })
    } else {
        None
    })
}

/// A response whose body is its status.
fn in_words(status: u16, says_head: bool) -> Response {
    let body = format!("{}\n", http::Status::from(status));
    let fields = [("Content-Type", "text/plain; charset=utf-8")];
    let head = http::head_only(status, fields, body.len() as u64);
    if says_head { head } else { head.send(body) }
}

/// A file that has as many bytes as the Content-Length says: those that a growing file gets are left out, and missing ones are an error.
struct WholeFile {
    file: File,
    path: PathBuf,
    length: u64,
    read: u64,
}

impl Read for WholeFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.length - self.read;
        let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let read = self.file.read(&mut buffer[..most]).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ => on_path("read response file", &self.path)(error),
        })?;
        if read == 0 && most > 0 {
            let (length, read) = (self.length, self.read);
            let text = format!("it had {length} bytes when it was opened, and ends after {read}");
            let ended = io::Error::new(io::ErrorKind::UnexpectedEof, text);
            return Err(on_path("read response file", &self.path)(ended));
        }
        self.read += read as u64;
        Ok(read)
    }
}

//! Answers without a response file: what the options ask for, and whether it can be done.

pub(super) mod arguments;
mod built;
mod exec;
mod program;
mod running;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use self::arguments::AnswerArguments;
use self::built::{Body, Built, Field, Fields};
use self::exec::Exec;
use self::program::Program;
pub(super) use self::running::kill_all;
use super::console::Console;
use crate::journal::request::Request;
use crate::os::file_name::file_name;
use crate::response::http;
use crate::response::http::Status;
use crate::source::folder::FolderSource;
use crate::source::response_source::ResponseSource;

/// What is answered instead of a file.
#[derive(Debug)]
pub(super) struct AnswerWithoutFile {
    what: AnswerOf,
    fields: Fields,
}

#[derive(Debug)]
enum AnswerOf {
    Built(Built),
    Echo,
    Folder(PathBuf),
    Exec(Program),
}

impl AnswerWithoutFile {
    /// What the options ask for; `None` if nothing of this. `other` is an option for answers that is given, too.
    ///
    /// # Errors
    ///
    /// What is wrong, in one line.
    pub(super) fn of(
        arguments: &AnswerArguments,
        other: Option<&'static str>,
    ) -> Result<Option<Self>, String> {
        let AnswerArguments { status, header, body, echo, dir, exec, args } = arguments;
        if exec.is_none() && !args.is_empty() {
            return Err(
                "what comes after -- are the arguments of a program: give --exec PROGRAM".into()
            );
        }
        let has_built = status.is_some() || body.is_some();
        let kinds = [
            (other.is_some(), other.unwrap_or_default()),
            (status.is_some(), "--status"),
            (body.is_some() && status.is_none(), "--body"),
            (*echo, "--echo"),
            (dir.is_some(), "--dir"),
            (exec.is_some(), "--exec"),
        ];
        let mut given = kinds.iter().filter(|(is_given, _)| *is_given).map(|(_, name)| *name);
        if let (Some(one), Some(another)) = (given.next(), given.next()) {
            return Err(format!(
                "{one} and {another} exclude each other: each is an answer of its own, give one"
            ));
        }
        let untouched = other.or(exec.is_some().then_some("--exec"));
        if let (Some(untouched), false) = (untouched, header.is_empty()) {
            return Err(format!(
                "--header has no place beside {untouched}, whose bytes are never changed: write the field there, or use --status, --body, --echo or --dir"
            ));
        }
        let fields = header.iter().map(|text| Field::parse(text)).collect::<Result<_, _>>()?;
        let what = if *echo {
            AnswerOf::Echo
        } else if let Some(folder) = dir {
            AnswerOf::Folder(a_folder(folder)?)
        } else if let Some(program) = exec {
            AnswerOf::Exec(Program::new(program, args)?)
        } else if has_built || !header.is_empty() {
            AnswerOf::Built(built(status.as_deref(), body.as_deref())?)
        } else {
            return Ok(None);
        };
        Ok(Some(AnswerWithoutFile { what, fields: Fields::new(fields) }))
    }

    /// Where responses come from. A program has this long to answer, and what it complains about is shown on the console.
    pub(super) fn source(
        &self,
        patience: Duration,
        console: &Arc<Console>,
    ) -> Box<dyn ResponseSource> {
        let fields = self.fields.clone();
        match &self.what {
            AnswerOf::Built(built) => {
                Box::new(built.clone().map_response(move |response| fields.set_in(response)))
            }
            AnswerOf::Echo => Box::new(move |request: &Request| fields.set_in(echo(request))),
            AnswerOf::Folder(folder) => {
                let folder = FolderSource::new(folder);
                Box::new(folder.map_response(move |response| fields.set_in(response)))
            }
            AnswerOf::Exec(program) => {
                Box::new(Exec::new(program.clone(), patience, Arc::clone(console)))
            }
        }
    }

    /// Whether all of a request is needed in memory.
    pub(super) fn needs_whole_requests(&self) -> bool {
        matches!(self.what, AnswerOf::Echo | AnswerOf::Exec(_))
    }
}

fn echo(request: &Request) -> crate::Response {
    let head = http::head_only(200, [("Content-Type", "text/plain; charset=utf-8")], request.len());
    if request.method() == Some("HEAD") { head } else { head.send(request.bytes()) }
}

fn a_folder(path: &Path) -> Result<PathBuf, String> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(path.into()),
        Ok(_) => Err(format!(
            "--dir: `{}` is no folder (a single file is --body @FILE, or with its own head --send FILE)",
            path.display()
        )),
        Err(error) => {
            Err(format!("--dir: `{}` is no folder that can be read: {error}", path.display()))
        }
    }
}

fn built(status: Option<&OsStr>, body: Option<&OsStr>) -> Result<Built, String> {
    let (code, status) = match status {
        Some(text) => parse_status(text)?,
        None => (200, Status::from(200)),
    };
    let body = match body {
        Some(text) => parse_body(text)?,
        None => Body::Text(Arc::default()),
    };
    let has_body = !matches!(&body, Body::Text(text) if text.is_empty());
    if has_body && matches!(code, 100..=199 | 204 | 304) {
        return Err(format!(
            "--body: a response with status {code} has no body (to send one all the same, write it to a file for --send)"
        ));
    }
    Ok(Built::new(status, body))
}

/// `503`, `503 Reason`.
fn parse_status(text: &OsStr) -> Result<(u16, Status), String> {
    let parse = || {
        let text = text.to_str().filter(|text| !text.chars().any(char::is_control))?;
        let (code, reason) =
            text.split_once(' ').map_or((text, None), |(code, reason)| (code, Some(reason)));
        let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
        let code = code.parse().ok().filter(|code| is_code && *code >= 100)?;
        Some((code, if reason.is_some() { Status::from(text) } else { Status::from(code) }))
    };
    parse().ok_or_else(|| {
        format!(
            "--status: `{}` is not a status from 100 to 999, such as 503 or '503 Come Back Later'",
            text.display()
        )
    })
}

/// `text`, `@file`, `@-`, `@@text`.
fn parse_body(text: &OsStr) -> Result<Body, String> {
    let bytes = text.as_encoded_bytes();
    let Some(name) = bytes.strip_prefix(b"@").filter(|name| !name.starts_with(b"@")) else {
        return Ok(Body::Text(bytes.strip_prefix(b"@").unwrap_or(bytes).into()));
    };
    let path = PathBuf::from(os_string(name));
    if name.is_empty() {
        return Err("--body: `@` names no file, as @FILE does (the text @ is @@)".into());
    } else if super::stdin::is_dash(&path) {
        return Ok(Body::stdin());
    }
    match fs::metadata(&path) {
        Ok(metadata) if !metadata.is_dir() => Ok(Body::File(path)),
        Ok(_) => Err(format!(
            "--body: `{}` is a folder, and not a file (--dir answers with the files of one)",
            path.display()
        )),
        Err(error) => Err(format!(
            "--body: `{}` is no file that can be read: {error} (text that begins with @ is written @@)",
            path.display()
        )),
    }
}

/// A part of an argument: it was cut at ASCII characters.
pub(super) fn os_string(bytes: &[u8]) -> OsString {
    file_name(bytes.into())
}

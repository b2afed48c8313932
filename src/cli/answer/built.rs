//! Responses that the program builds: a status, fields and a body.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::super::stdin::Stdin;
use crate::journal::request::Request;
use crate::os::lock::lock;
use crate::os::path_error::on_path;
use crate::response::http::{self, Status};
use crate::response::steps::Response;
use crate::source::folder::media_type::media_type;
use crate::source::response_source::ResponseSource;

/// A source that answers with a status and a body.
#[derive(Debug, Clone)]
pub(super) struct Built {
    status: Status,
    body: Body,
}

#[derive(Debug, Clone)]
pub(super) enum Body {
    Text(Arc<[u8]>),
    File(PathBuf),
    /// What stdin had, when it has been read.
    Stdin(Arc<Mutex<Option<Arc<[u8]>>>>),
}

impl Body {
    pub(super) fn stdin() -> Self {
        Body::Stdin(Arc::default())
    }
}

impl Built {
    pub(super) fn new(status: Status, body: Body) -> Self {
        Built { status, body }
    }

    fn with_body(&self, body: &[u8], says_head: bool) -> Response {
        let status = self.status.clone();
        if body.is_empty() {
            return http::status(status);
        }
        let fields = [("Content-Type", "text/plain; charset=utf-8")];
        let head = http::head_only(status, fields, body.len() as u64);
        if says_head { head } else { head.send(body) }
    }
}

impl ResponseSource for Built {
    fn respond(&mut self, request: &Request) -> io::Result<Response> {
        let says_head = request.method() == Some("HEAD");
        Ok(match &self.body {
            Body::Text(text) => self.with_body(text, says_head),
            Body::File(path) if says_head => {
                let metadata = fs::metadata(path).map_err(on_path("open response file", path))?;
                let fields = [("Content-Type", media_type(path))];
                http::head_only(self.status.clone(), fields, metadata.len())
            }
            Body::File(path) => http::file_with_status(self.status.clone(), path)
                .header("Content-Type", media_type(path)),
            Body::Stdin(kept) => {
                let mut kept = lock(kept);
                if kept.is_none() {
                    let mut all = Vec::new();
                    Stdin::new(false).read_to_end(&mut all)?;
                    *kept = Some(all.into());
                }
                self.with_body(kept.as_deref().unwrap_or_default(), says_head)
            }
        })
    }
}

/// A header field that an option asks for.
#[derive(Debug, Clone)]
pub(super) struct Field {
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Field {
    /// `Name: value`.
    pub(super) fn parse(text: &OsStr) -> Result<Self, String> {
        let bytes = text.as_encoded_bytes();
        let is_token =
            |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        let is_text = |byte: &u8| *byte == b'\t' || !byte.is_ascii_control();
        let colon = bytes.iter().position(|byte| *byte == b':');
        let field = colon.map(|colon| (&bytes[..colon], bytes[colon + 1..].trim_ascii()));
        field
            .filter(|(name, value)| !name.is_empty() && name.iter().all(is_token) && value.iter().all(is_text))
            .map(|(name, value)| Field { name: name.into(), value: value.into() })
            .ok_or_else(|| {
                let text = text.display();
                format!("--header: `{text}` is not one field of a header, 'Name: value', such as 'Retry-After: 1'")
            })
    }
}

/// The fields that options ask for. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Fields(Arc<[Field]>);

impl Fields {
    pub(super) fn new(fields: Vec<Field>) -> Self {
        Fields(fields.into())
    }

    /// The response with these fields. They replace those of the same names.
    pub(super) fn set_in(&self, response: Response) -> Response {
        let without = |response: Response, field: &Field| response.without_field(&field.name);
        let response = self.0.iter().fold(response, without);
        self.0.iter().fold(response, |response, field| response.header(&field.name, &field.value))
    }
}

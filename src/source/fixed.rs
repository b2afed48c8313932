//! Sources that give the same answer to every request: a response, and the types that bytes are written as.

use std::io;

use super::hints::{Answers, FirstFraming, Hints};
use super::response_source::ResponseSource;
use crate::framing::rule::Framing;
use crate::journal::client::Client;
use crate::journal::request::Request;
use crate::response::steps::Response;

impl ResponseSource for Response {
    fn respond(&mut self, _: &Request) -> io::Result<Response> {
        Ok(self.clone())
    }

    fn hints(&mut self) -> Hints<'_> {
        let answers = Answers::Fixed(Box::new(self.clone()));
        let first_framing = if self.after.is_some() { Some(self as _) } else { None };
        Hints { answers, first_framing, ..Hints::default() }
    }
}

impl FirstFraming for Response {
    fn first_framing(&mut self, _: &Client) -> Option<Framing> {
        self.after.clone()
    }
}

macro_rules! fixed_answer {
    ($($bytes:ty $(, $length:ident)?;)*) => {$(
        impl$(<const $length: usize>)? ResponseSource for $bytes {
            fn respond(&mut self, _: &Request) -> io::Result<Response> {
                Ok(Response::from(self.clone()))
            }

            fn hints(&mut self) -> Hints<'_> {
                Hints::fixed(Response::from(self.clone()))
            }
        }
    )*};
}

fixed_answer! {
    &'static str;
    String;
    &'static [u8];
    &'static [u8; N], N;
    [u8; N], N;
    Vec<u8>;
}

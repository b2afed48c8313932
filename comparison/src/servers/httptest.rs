//! httptest: a delay, and a closure instead of a response.

use std::net::SocketAddr;
use std::time::Duration;

use httptest::Expectation;
use httptest::matchers::any;
use httptest::responders::{Responder, ResponseBuilder, delay_and_then, status_code};

use crate::attempt::{Attempt, Server};
use crate::wish::Wish;

/// A server that expects any request, as often as it comes, and has this responder.
macro_rules! respond {
    ($($responder:tt)*) => {
        Attempt::new(stringify!($($responder)*), || boxed($($responder)*))
    };
}

pub fn attempts(wish: Wish) -> Vec<Attempt> {
    match wish {
        Wish::CloseUnanswered => {
            vec![respond!(|| -> ResponseBuilder<&str> { panic!("no answer") })]
        }
        Wish::CloseInBody => vec![respond!(
            status_code(200)
                .insert_header("Content-Length", "5")
                .insert_header("Connection", "close")
                .body("hel")
        )],
        Wish::SilenceInBody => {
            vec![respond!(status_code(200).insert_header("Content-Length", "5").body("hel"))]
        }
        Wish::Late => {
            vec![respond!(delay_and_then(Duration::from_secs(3), status_code(200)))]
        }
        Wish::CloseAfter | Wish::CloseUnread => {
            vec![respond!(status_code(200).insert_header("Connection", "close").body("hello"))]
        }
        Wish::Drop => vec![Attempt::new("Server::run()", || {
            boxed(delay_and_then(Duration::from_secs(3), status_code(200)))
        })],
        Wish::Forget => {
            vec![Attempt::new("Server::verify_and_clear()", || boxed(status_code(200)))]
        }
        Wish::ResetUnanswered | Wish::ResetOnAccept | Wish::CloseInHead | Wish::ResetInBody => {
            vec![]
        }
    }
}

fn boxed(responder: impl Responder + 'static) -> Box<dyn Server> {
    let server = httptest::Server::run();
    server.expect(Expectation::matching(any()).times(..).respond_with(responder));
    Box::new(server)
}

impl Server for httptest::Server {
    fn addr(&self) -> SocketAddr {
        httptest::Server::addr(self)
    }

    fn forget(&mut self) {
        self.verify_and_clear();
    }
}

//! httpmock: a delay, and a closure instead of a response.

use std::net::SocketAddr;
use std::time::Duration;

use httpmock::{MockServer, Then};

use crate::attempt::{Attempt, Server};
use crate::wish::Wish;

/// A server with a mock for every request, and this call of its `Then`.
macro_rules! then {
    ($($call:tt)*) => {
        Attempt::new(stringify!($($call)*), || boxed(|then| then.$($call)*))
    };
}

pub fn attempts(wish: Wish) -> Vec<Attempt> {
    match wish {
        Wish::CloseUnanswered => vec![then!(respond_with(|_| panic!("no answer")))],
        Wish::CloseInBody => vec![then!(
            status(200).header("Content-Length", "5").header("Connection", "close").body("hel")
        )],
        Wish::SilenceInBody => vec![then!(status(200).header("Content-Length", "5").body("hel"))],
        Wish::Late => vec![then!(status(200).delay(Duration::from_secs(3)))],
        Wish::CloseAfter | Wish::CloseUnread => {
            vec![then!(status(200).header("Connection", "close").body("hello"))]
        }
        Wish::Drop => vec![Attempt::new("MockServer::start()", || {
            boxed(|then| then.status(200).delay(Duration::from_secs(3)))
        })],
        Wish::Forget => {
            vec![Attempt::new("MockServer::reset()", || boxed(|then| then.status(200)))]
        }
        Wish::ResetUnanswered | Wish::ResetOnAccept | Wish::CloseInHead | Wish::ResetInBody => {
            vec![]
        }
    }
}

fn boxed(response: fn(Then) -> Then) -> Box<dyn Server> {
    let server = MockServer::start();
    server.mock(|when, then| {
        when.any_request();
        response(then);
    });
    Box::new(server)
}

impl Server for MockServer {
    fn addr(&self) -> SocketAddr {
        *self.address()
    }

    fn forget(&mut self) {
        self.reset();
    }
}

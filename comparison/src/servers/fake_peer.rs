//! fake-peer: responses with an ending, and addresses that are not served.

use std::net::SocketAddr;
use std::time::Duration;

use fake_peer::faults::{self, Unserved};
use fake_peer::{Ending, Peer, Response, http};

use crate::attempt::{Attempt, Server};
use crate::wish::Wish;

/// A peer that gives this answer.
macro_rules! answer {
    ($($response:tt)*) => {
        Attempt::new(stringify!($($response)*), || Running::boxed($($response)*))
    };
}

pub fn attempts(wish: Wish) -> Vec<Attempt> {
    match wish {
        Wish::CloseUnanswered => vec![answer!(faults::no_answer(Ending::Close))],
        Wish::ResetUnanswered => vec![answer!(faults::no_answer(Ending::Reset))],
        Wish::ResetOnAccept => vec![answer!(faults::reset_on_accept())],
        Wish::CloseInHead => vec![answer!(http::ok("hello").cut(20, Ending::Close))],
        Wish::CloseInBody => vec![answer!(http::ok("hello").cut(41, Ending::Close))],
        Wish::ResetInBody => vec![answer!(http::ok("hello").cut(41, Ending::Reset))],
        Wish::SilenceInBody => vec![answer!(http::ok("hello").cut(41, Ending::Hold))],
        Wish::Late => vec![
            answer!(faults::no_answer(Ending::Hold)),
            answer!(Response::new().pause(Duration::from_secs(3)).send("HTTP/1.1 200 OK\r\n\r\n")),
        ],
        Wish::CloseAfter => vec![answer!(http::ok("hello"))],
        Wish::CloseUnread => {
            vec![answer!(http::ok("hello")), answer!(http::ok("hello").ending(Ending::CloseAtOnce))]
        }
        Wish::Drop => vec![
            Attempt::new("Peer::answer(faults::no_answer(Ending::Hold))", || {
                Running::boxed(faults::no_answer(Ending::Hold))
            }),
            Attempt::new("Unserved::never_accepted()", || {
                Box::new(Unserved::never_accepted().expect("a free port"))
            }),
        ],
        Wish::Forget => vec![],
    }
}

struct Running(Option<Peer>);

impl Running {
    fn boxed(response: Response) -> Box<dyn Server> {
        Box::new(Running(Some(Peer::answer(response))))
    }
}

impl Server for Running {
    fn addr(&self) -> SocketAddr {
        self.0.as_ref().expect("not dropped").addr()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A fault may make the exchange fail: that is expected.
        let _ = self.0.take().map(Peer::finish);
    }
}

impl Server for Unserved {
    fn addr(&self) -> SocketAddr {
        Unserved::addr(self)
    }
}

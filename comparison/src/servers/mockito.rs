//! mockito: `Connection: close` by default, and a chunked body from a closure that may wait and fail.

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use mockito::{Matcher, Mock, ServerGuard, ServerOpts};

use crate::attempt::{Attempt, Server};
use crate::wish::Wish;

/// A server with a mock for each `GET`, and this call.
macro_rules! mock {
    ($($call:tt)*) => {
        Attempt::new(stringify!($($call)*), || boxed(|mock| mock.$($call)*))
    };
}

pub fn attempts(wish: Wish) -> Vec<Attempt> {
    match wish {
        Wish::CloseUnanswered => vec![
            mock!(with_chunked_body(|_| Err(io::ErrorKind::UnexpectedEof.into()))),
            mock!(with_body_from_request(|_| panic!("no answer"))),
        ],
        Wish::ResetUnanswered => {
            vec![mock!(with_chunked_body(|_| Err(io::ErrorKind::ConnectionReset.into())))]
        }
        Wish::CloseInBody => vec![
            mock!(
                with_header("Content-Length", "5").with_chunked_body(|body| body.write_all(b"hel"))
            ),
            mock!(with_header("Content-Length", "5").with_chunked_body(|body| {
                body.write_all(b"hel")?;
                thread::sleep(Duration::from_millis(100));
                Ok(())
            })),
        ],
        Wish::ResetInBody => vec![
            mock!(with_header("Content-Length", "5").with_chunked_body(|body| {
                body.write_all(b"hel")?;
                Err(io::ErrorKind::ConnectionReset.into())
            })),
            mock!(with_header("Content-Length", "5").with_chunked_body(|body| {
                body.write_all(b"hel")?;
                thread::sleep(Duration::from_millis(100));
                Err(io::ErrorKind::ConnectionReset.into())
            })),
        ],
        Wish::SilenceInBody => {
            vec![mock!(with_header("Content-Length", "5").with_chunked_body(|body| {
                body.write_all(b"hel")?;
                thread::sleep(Duration::from_secs(3));
                body.write_all(b"lo")
            }))]
        }
        Wish::Late => vec![
            mock!(with_chunked_body(|body| {
                thread::sleep(Duration::from_secs(3));
                body.write_all(b"hello")
            })),
            mock!(with_body_from_request(|_| {
                thread::sleep(Duration::from_secs(3));
                "hello".into()
            })),
        ],
        Wish::CloseAfter | Wish::CloseUnread => vec![mock!(with_body("hello"))],
        Wish::Drop => vec![
            Attempt::new("Server::new()", || {
                let mut server: ServerGuard = mockito::Server::new();
                answer(&mut server, late);
                Box::new(server)
            }),
            Attempt::new("Server::new_with_opts(ServerOpts::default())", || boxed(late)),
        ],
        Wish::Forget => vec![Attempt::new("Server::reset()", || boxed(|mock| mock))],
        Wish::ResetOnAccept | Wish::CloseInHead => vec![],
    }
}

fn late(mock: Mock) -> Mock {
    mock.with_chunked_body(|body| {
        thread::sleep(Duration::from_secs(3));
        body.write_all(b"hello")
    })
}

fn boxed(response: fn(Mock) -> Mock) -> Box<dyn Server> {
    let mut server = mockito::Server::new_with_opts(ServerOpts::default());
    answer(&mut server, response);
    Box::new(server)
}

fn answer(server: &mut mockito::Server, response: fn(Mock) -> Mock) {
    response(server.mock("GET", Matcher::Any)).create();
}

impl Server for mockito::Server {
    fn addr(&self) -> SocketAddr {
        self.socket_address()
    }

    fn forget(&mut self) {
        self.reset();
    }
}

/// A server of the pool.
impl Server for ServerGuard {
    fn addr(&self) -> SocketAddr {
        self.socket_address()
    }
}

//! wiremock: templates, a delay, and an error instead of a response.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use wiremock::matchers::any;
use wiremock::{Mock, MockBuilder, MockServer, ResponseTemplate};

use crate::attempt::{Attempt, Server};
use crate::wish::Wish;

/// A server with the mock `Mock::given(any())` and this call.
macro_rules! mock {
    ($($call:tt)*) => {
        Attempt::new(stringify!($($call)*), || alone(|mock| mock.$($call)*))
    };
}

pub fn attempts(wish: Wish) -> Vec<Attempt> {
    match wish {
        Wish::CloseUnanswered => {
            vec![mock!(respond_with_err(|_: &_| io::Error::from(io::ErrorKind::UnexpectedEof)))]
        }
        Wish::ResetUnanswered => {
            vec![mock!(respond_with_err(|_: &_| io::Error::from(io::ErrorKind::ConnectionReset)))]
        }
        Wish::CloseInBody => vec![mock!(respond_with(
            ResponseTemplate::new(200)
                .insert_header("Content-Length", "5")
                .insert_header("Connection", "close")
                .set_body_string("hel")
        ))],
        Wish::SilenceInBody => vec![mock!(respond_with(
            ResponseTemplate::new(200).insert_header("Content-Length", "5").set_body_string("hel")
        ))],
        Wish::Late => {
            vec![mock!(respond_with(ResponseTemplate::new(200).set_delay(Duration::from_secs(3))))]
        }
        Wish::CloseAfter | Wish::CloseUnread => vec![mock!(respond_with(
            ResponseTemplate::new(200)
                .insert_header("Connection", "close")
                .set_body_string("hello")
        ))],
        Wish::Drop => vec![
            Attempt::new("MockServer::start()", || Running::boxed(MockServer::start(), late)),
            Attempt::new("MockServer::builder().start()", || alone(late)),
        ],
        Wish::Forget => vec![Attempt::new("MockServer::reset()", || {
            alone(|mock| mock.respond_with(ResponseTemplate::new(200)))
        })],
        Wish::ResetOnAccept | Wish::CloseInHead | Wish::ResetInBody => vec![],
    }
}

fn late(mock: MockBuilder) -> Mock {
    mock.respond_with(ResponseTemplate::new(200).set_delay(Duration::from_secs(3)))
}

/// A server that is not one of the pool.
fn alone(mock: fn(MockBuilder) -> Mock) -> Box<dyn Server> {
    Running::boxed(MockServer::builder().start(), mock)
}

struct Running {
    server: MockServer,
    runtime: Runtime,
}

impl Running {
    fn boxed(
        server: impl Future<Output = MockServer>,
        mock: fn(MockBuilder) -> Mock,
    ) -> Box<dyn Server> {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let server = runtime.block_on(async {
            let server = server.await;
            mock(Mock::given(any())).mount(&server).await;
            server
        });
        Box::new(Running { server, runtime })
    }
}

impl Server for Running {
    fn addr(&self) -> SocketAddr {
        *self.server.address()
    }

    fn forget(&mut self) {
        self.runtime.block_on(self.server.reset());
    }
}

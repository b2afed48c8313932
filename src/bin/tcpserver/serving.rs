//! Makes the library's server from the options, and tells its events to who wants to know.

use std::env;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use fake_peer::{Error, Event, Stop, TcpServer};

use crate::checking;
use crate::console::{Console, Line, Lines, Which};
use crate::options::{Exchanges, Options, Recv, Send, Talk};
use crate::progress::Progress;
use crate::signals::{self, OnSignal};
use crate::sinks;
use crate::sources::{self, Failures};
use crate::transcript::{Colours, Numbers, Transcript};

pub(crate) fn run(options: Options) -> ExitCode {
    let lines = if let Recv::Stdout = options.recv { Lines::Stderr } else { Lines::Stdout };
    let console = Arc::new(Console::new(options.lang, options.talk, lines));
    let stop = options.exchanges.stop();
    let signalled = signals::watch(
        &console,
        match options.exchanges {
            Exchanges::Count(1) => OnSignal::End,
            _ => OnSignal::Stop(stop.clone()),
        },
    );
    let failures = Failures::new(&console);
    console.say(Line::Starting);
    let served = serve(options, &stop, &console, &failures);
    console.say(Line::Stopping);
    let mut code = match served {
        Ok(Served::AsAsked) if failures.are_none() => 0,
        Ok(_) => 1,
        Err(error) => {
            console.complain(&error.report().to_string());
            let wrong_usage =
                error.io_error().is_some_and(|error| error.kind() == io::ErrorKind::InvalidInput);
            if wrong_usage && matches!(error, Error::Listen { .. }) { 2 } else { 1 }
        }
    };
    if let Some(error) = console.first_error() {
        console.complain(&format!("failed to write to stdout: {error}"));
        code = code.max(1);
    }
    ExitCode::from(signalled.exit_code().unwrap_or(code))
}

/// What became of everything that was to be served.
enum Served {
    AsAsked,
    /// An exchange of many failed, and that was told.
    WithFailures,
}

fn serve(
    options: Options,
    stop: &Stop,
    console: &Arc<Console>,
    failures: &Failures,
) -> Result<Served, Error> {
    let (_, port) = options.listen.rsplit_once(':').unwrap_or_default();
    let names_port = port.parse() == Ok(0);
    let exchanges = options.exchanges;
    let observer = observer(&options, console);
    let is_record = matches!(options.send, Send::Record { .. });
    // A person may take their time to read, and to type.
    let deadline = Some(Duration::from_secs(60)).filter(|_| !options.faults.waits_for_client());
    let mut server = TcpServer::builder()
        .addr(&options.listen)
        // A person may take their time to type, as with the tutorial's recv. Nobody else waits for the first byte.
        .idle_timeout(None)
        .timeout(deadline)
        .framing(options.framing)
        .sink(sinks::sink(options.recv))
        .source(sources::source(&options.send, exchanges, options.faults, failures))
        .on_event(observer);
    if exchanges == Exchanges::Count(1) {
        // As the tutorial's listen(10).
        server = server.backlog(10);
    }
    if is_record {
        // A request is forwarded from memory.
        server = server.retain(usize::MAX);
    }
    let server = server.bind()?;
    if names_port {
        console.complain(&format!("listening on {}", server.local_addr()));
    }
    if let Send::Files(files) = &options.send {
        checking::notice(files, console);
    }
    console.say(Line::Waiting);
    match exchanges {
        Exchanges::Count(1) => {
            let exchange = server.serve_once()?;
            drop(server);
            console.say(Line::Stopping);
            console.notice(&exchange, Which::TheOne);
            Ok(Served::AsAsked)
        }
        // Each failure has been told when it happened.
        _ => Ok(match server.serve_until(stop) {
            Ok(()) => Served::AsAsked,
            Err(_) => Served::WithFailures,
        }),
    }
}

/// Who is told what happens.
fn observer(
    options: &Options,
    console: &Arc<Console>,
) -> impl FnMut(&Event<'_>) + std::marker::Send + 'static {
    let is_one = options.exchanges == Exchanges::Count(1);
    let mut transcript = options.transcript.map(|form| {
        let numbers = if is_one { Numbers::Later } else { Numbers::Always };
        Transcript::new(form, colours(), numbers)
    });
    let progress = shows_progress(options).then(|| {
        let progress = Progress::default();
        progress.show_on(console);
        progress
    });
    let console = Arc::clone(console);
    move |event| {
        if let Event::Accepted { client, .. } = event
            && let Some(addr) = client.addr().socket_addr()
        {
            console.say(Line::Connected(addr));
        }
        if let Some(transcript) = &mut transcript {
            let lines = transcript.tell(event);
            if !lines.is_empty() {
                console.write(&lines);
            }
        }
        if let Some(progress) = &progress {
            progress.tell(event);
        }
        match event {
            Event::Served { exchange, .. } if !is_one => console.notice(exchange, Which::OneOfMany),
            Event::Failed { error, .. } if !is_one => console.complain(&error.report().to_string()),
            _ => {}
        }
    }
}

/// See <https://no-color.org>.
fn colours() -> Colours {
    let is_unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || env::var_os("TERM").is_none_or(|term| term == "dumb");
    if io::stderr().is_terminal() && !is_unwanted { Colours::Ansi } else { Colours::None }
}

/// A line that is rewritten goes with nothing else that is written to the terminal by others.
fn shows_progress(options: &Options) -> bool {
    let has_stdout = matches!(options.recv, Recv::Stdout);
    options.talk == Talk::Normal
        && options.transcript.is_none()
        && io::stderr().is_terminal()
        && env::var_os("TERM").is_some_and(|term| term != "dumb")
        && !(has_stdout && io::stdout().is_terminal())
}

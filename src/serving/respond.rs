//! Gets the response to a request: from the source, with its files opened.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::Ordering;

use super::connection::Connection;
use super::context::Context;
use super::event::Event;
use super::failure::Failure;
use super::receiving::Pending;
use super::rest::Rest;
use super::sending::Sending;
use super::service::Role;
use super::states::{After, Answering, State, Step, stop};
use crate::journal::exchange::Exchange;
use crate::journal::request::{Request, RequestEnd};
use crate::response::ending::Ending;
use crate::response::parts::{Parts, Prepared, has_file, read_from};
use crate::response::steps::{Response, Scripted};

impl Connection {
    pub(super) fn answer(
        &mut self,
        mut answering: Box<Answering>,
        context: &mut Context<'_>,
    ) -> Step {
        let response = match answering.response.take() {
            Some(response) => response,
            None => match respond(&answering.pending.request, context) {
                Ok(Ok(response)) => response,
                Ok(Err(failure)) => return self.fail(answering.pending, failure, context),
                Err(rest) => return stop(State::Answering(answering), rest),
            },
        };
        let request = &answering.pending.request;
        let asks_for_nothing = match &response.ending {
            Ending::KeepOpen => request.is_empty(),
            Ending::Then(_) if matches!(response.scripted, Scripted::Turn) => false,
            Ending::Then(framing) => request.is_empty() && framing.is_nothing(),
            _ => false,
        };
        if asks_for_nothing {
            let text = "the response to an empty request keeps the connection open for another empty request, which would never end";
            return self.refuse_response(answering.pending, text.to_owned(), response, context);
        }
        if has_file(&response)
            && let Some(sink) = &context.service.user_code.sink
        {
            let Some(sink) = sink.take(|| context.waker()) else {
                answering.response = Some(response);
                return stop(State::Answering(answering), Rest::WOKEN);
            };
            let file = sink.file(request.client());
            if let Some(path) = file.and_then(|file| read_from(&response, &file)) {
                let text = format!(
                    "the response file `{}` is the file that the request was written to",
                    path.display()
                );
                drop(sink);
                return self.refuse_response(answering.pending, text, response, context);
            }
        }
        let mut prepared = Parts::prepare(response, false);
        if context.may_run_user_code()
            && let Prepared::MayBlock(response) = prepared
        {
            // While it does, the source may block for another connection.
            context.service.user_code.gives_more.store(true, Ordering::Relaxed);
            context.about_to_block();
            let prepare = || Parts::prepare(response, true);
            prepared = context.run_user_code("response file", Some(request), prepare);
        }
        match prepared {
            Prepared::Ready(parts) => {
                let offered = parts.offered;
                context.tell(|| {
                    let client = self.client.clone();
                    Box::new(move |observe| {
                        observe(&Event::Responding { client: &client, offered });
                    })
                });
                Step::Continue(State::Sending(Box::new(Sending::new(
                    parts,
                    answering.pending,
                    self.client.exchange,
                    context.service.settings.retain_sent,
                    context.finishing.is_some(),
                ))))
            }
            Prepared::MayBlock(response) => {
                answering.response = Some(response);
                stop(State::Answering(answering), Rest::UserThread)
            }
            Prepared::Failed(error, unsent) => {
                let step = self.fail(answering.pending, Failure::Respond(error), context);
                if unsent.is_of_user() {
                    self.drop_unsent(unsent, context);
                }
                step
            }
        }
    }

    /// The source has answered with what cannot be sent.
    fn refuse_response(
        &mut self,
        pending: Pending,
        text: String,
        response: Response,
        context: &Context<'_>,
    ) -> Step {
        let failure = Failure::Respond(io::Error::new(io::ErrorKind::InvalidInput, text));
        let step = self.fail(pending, failure, context);
        self.drop_response(response, context);
        step
    }

    /// A response that is not sent. Its exchange is over.
    pub(super) fn drop_response(&mut self, response: Response, context: &Context<'_>) {
        if response.has_reader() {
            self.drop_unsent(response, context);
        }
    }

    /// What that panics with is a failure of the connection.
    pub(super) fn drop_unsent(&mut self, unsent: impl Send + 'static, context: &Context<'_>) {
        if let Some(payload) = context.drop_of_user("drop of a reader", unsent) {
            self.fail_with_panic(payload, context);
        }
    }

    /// Why a request that was answered is a failure of the test: its client left before it was complete.
    pub(super) fn failure_of_request(
        &self,
        request: &Request,
        context: &Context<'_>,
    ) -> Option<Failure> {
        if request.end() != RequestEnd::ClientClosed {
            return None;
        }
        let is_allowed = context.service.settings.clients_may_leave_early
            || context.service.role == Role::Foreground
            || (!self.framing.knows_the_end_of(request.bytes()) && !self.stream.was_cut_off());
        if is_allowed {
            return None;
        }
        let text = format!(
            "the client ended its side before the request was complete by framing `{}`; it was answered all the same",
            self.framing
        );
        Some(Failure::Receive(io::Error::new(io::ErrorKind::UnexpectedEof, text)))
    }

    /// The exchange has failed before the first byte of a response, and the connection ends.
    pub(super) fn fail(
        &mut self,
        pending: Pending,
        failure: Failure,
        context: &Context<'_>,
    ) -> Step {
        let is_gone = pending.request.end() == RequestEnd::Reset || failure.is_client_gone();
        if is_gone && context.service.settings.clients_may_leave_early {
            let parts = self.parts(pending, 0, None);
            self.record(Exchange::new(parts), None, context);
        } else {
            self.conclude_failed(pending, failure, context);
        }
        let after = if is_gone { After::Gone } else { After::End(Ending::Close) };
        self.go_on(after, context)
    }
}

/// The source's answer or its failure; what it waits for if it can't be asked yet.
fn respond(request: &Request, context: &Context<'_>) -> Result<Result<Response, Failure>, Rest> {
    let user_code = &context.service.user_code;
    if let Some(fixed) = &user_code.fixed {
        return Ok(Ok(fixed.clone()));
    }
    if !user_code.is_source_prompt && !context.may_run_user_code() {
        return Err(Rest::UserThread);
    }
    let Some(mut source) = user_code.source.take(|| context.waker()) else {
        return Err(Rest::WOKEN);
    };
    let has_more = || {
        user_code.has_user_code_beside_the_source() || context.service.settings.framing.is_custom()
    };
    if !user_code.is_source_prompt && has_more() {
        context.about_to_block();
    }
    let respond = || {
        if user_code.is_source_prompt {
            return source.respond(request);
        }
        context.run_user_code("source", Some(request), || source.respond(request))
    };
    Ok(match panic::catch_unwind(AssertUnwindSafe(respond)) {
        Ok(Ok(response)) => {
            drop(source);
            if response.has_user_code() {
                // While that is to run, the source may block for another connection.
                user_code.gives_more.store(true, Ordering::Relaxed);
                context.about_to_block();
            }
            Ok(response)
        }
        Ok(Err(error)) => Err(Failure::Respond(error)),
        Err(payload) => Err(Failure::Panic("the source", payload)),
    })
}

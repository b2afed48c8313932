//! What a family takes parts of: a response, or each response of a conversation.

use std::fmt;

use super::case::Case;
use crate::response::steps::Response;
use crate::source::conversation::Conversation;

/// What [`truncations`](super::truncations), [`splits`](super::splits) and [`byte_by_byte`](super::byte_by_byte) change: bytes or a
/// [`Response`], or a [`Conversation`], in which each answer is changed in turn. Both convert into it.
#[derive(Debug, Clone)]
pub struct Whole(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Response(Response),
    Conversation(Conversation),
}

impl<R: Into<Response>> From<R> for Whole {
    fn from(response: R) -> Self {
        Whole(Kind::Response(response.into()))
    }
}

impl From<Conversation> for Whole {
    fn from(conversation: Conversation) -> Self {
        Whole(Kind::Conversation(conversation))
    }
}

impl Whole {
    /// The responses that can be changed, in their order.
    pub(super) fn responses(&self) -> Vec<Response> {
        match &self.0 {
            Kind::Response(response) => vec![response.clone()],
            Kind::Conversation(conversation) => conversation.said(),
        }
    }

    /// Whether closures make some of the responses, whose lengths are not known.
    pub(super) fn asks_closures(&self) -> bool {
        matches!(&self.0, Kind::Conversation(conversation) if conversation.asks_closures())
    }

    /// The case in which the response of this number, from 0, is another one.
    pub(super) fn case(
        &self,
        number: usize,
        change: &impl fmt::Display,
        changed: Response,
    ) -> Case {
        match &self.0 {
            Kind::Response(_) => Case::new(change.to_string(), changed),
            Kind::Conversation(conversation) => {
                let with_changed = conversation.with_said(number, &changed);
                Case::of_conversation(
                    format!("answer {}: {change}", number + 1),
                    changed,
                    with_changed,
                )
            }
        }
    }

    /// The case in which every response is changed.
    pub(super) fn changed(
        self,
        name: String,
        change: impl Fn(Response) -> Response + Clone + Send + 'static,
    ) -> Case {
        match self.0 {
            Kind::Response(response) => Case::new(name, change(response)),
            Kind::Conversation(conversation) => {
                let changed = conversation.with_each_said(change);
                let first = changed.said().into_iter().next().unwrap_or_default();
                Case::of_conversation(name, first, changed)
            }
        }
    }
}

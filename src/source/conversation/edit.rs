//! Changes what the peer says in a conversation: for families of faults.

use std::sync::Arc;

use super::Conversation;
use super::script::{Block, Item, has_closure};
use crate::response::steps::Response;

impl Conversation {
    /// What the peer says, in the order in which it is written. What is said together is one response. What a closure says is counted,
    /// too, but is not known: an empty response stands for it.
    pub(crate) fn said(&self) -> Vec<Response> {
        let mut said = Vec::new();
        let _ = change(&self.block, &mut |item| {
            said.push(match item {
                Item::Say(response) => response.clone(),
                _ => Response::new(),
            });
            item.clone()
        });
        said
    }

    /// The same conversation, with another response where the peer says something for the time `number`, from 0.
    pub(crate) fn with_said(&self, number: usize, response: &Response) -> Self {
        let mut at = 0;
        let block = change(&self.block, &mut |item| {
            at += 1;
            if at == number + 1 { Item::Say(response.clone()) } else { item.clone() }
        });
        Conversation { block, ..self.clone() }
    }

    /// The same conversation, with each response changed, also those of closures.
    pub(crate) fn with_each_said(
        &self,
        change_response: impl Fn(Response) -> Response + Clone + Send + 'static,
    ) -> Self {
        let block = change(&self.block, &mut |item| match item {
            Item::Say(response) => Item::Say(change_response(response.clone())),
            Item::SayWith(closure, place) => {
                Item::SayWith(closure.changed(change_response.clone()), place)
            }
            Item::Rest(framing, closure) => {
                Item::Rest(framing.clone(), closure.changed(change_response.clone()))
            }
            other => other.clone(),
        });
        Conversation { block, ..self.clone() }
    }

    /// Whether closures say part of it.
    pub(crate) fn asks_closures(&self) -> bool {
        let mut asks = false;
        let _ = change(&self.block, &mut |item| {
            asks |= !matches!(item, Item::Say(_));
            item.clone()
        });
        asks
    }

    /// Whether it calls user code.
    pub(crate) fn has_closure(&self) -> bool {
        has_closure(&self.block)
    }
}

/// The same steps, with another one where the peer says something.
fn change(block: &[Item], change_item: &mut dyn FnMut(&Item) -> Item) -> Block {
    let items = block.iter().map(|item| match item {
        Item::Say(_) | Item::SayWith(..) | Item::Rest(..) => change_item(item),
        Item::OneOf(framing, branches) => {
            let branches =
                branches.iter().map(|(expect, block)| (expect.clone(), change(block, change_item)));
            Item::OneOf(framing.clone(), branches.collect())
        }
        Item::Repeat(rounds, block) => Item::Repeat(*rounds, change(block, change_item)),
        Item::Expect(_) | Item::End(_) => item.clone(),
    });
    Arc::new(items.collect())
}

//! Changes what the peer says in a conversation: for families of faults.

use std::sync::Arc;

use super::Conversation;
use super::script::{Block, Item, has_closure};
use crate::response::steps::Response;

impl Conversation {
    /// What the peer says, in the order in which it is written. What is said together is one response.
    pub(crate) fn said(&self) -> Vec<Response> {
        let mut said = Vec::new();
        let _ = change(&self.block, &mut |response| {
            said.push(response.clone());
            response
        });
        said
    }

    /// The same conversation, with another response where the peer says something for the time `number`, from 0.
    pub(crate) fn with_said(&self, number: usize, response: &Response) -> Self {
        let mut at = 0;
        self.with_each_said(|said| {
            at += 1;
            if at == number + 1 { response.clone() } else { said }
        })
    }

    /// The same conversation, with each response changed.
    pub(crate) fn with_each_said(
        &self,
        mut change_response: impl FnMut(Response) -> Response,
    ) -> Self {
        Conversation { block: change(&self.block, &mut change_response), ..self.clone() }
    }

    /// Whether it calls user code.
    pub(crate) fn has_closure(&self) -> bool {
        has_closure(&self.block)
    }
}

fn change(block: &[Item], change_response: &mut dyn FnMut(Response) -> Response) -> Block {
    let items = block.iter().map(|item| match item {
        Item::Say(response) => Item::Say(change_response(response.clone())),
        Item::OneOf(framing, branches) => {
            let branches = branches
                .iter()
                .map(|(expect, block)| (expect.clone(), change(block, change_response)));
            Item::OneOf(framing.clone(), branches.collect())
        }
        Item::Repeat(rounds, block) => Item::Repeat(*rounds, change(block, change_response)),
        Item::Expect(_) | Item::Rest(..) | Item::End(_) => item.clone(),
    });
    Arc::new(items.collect())
}

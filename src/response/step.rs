//! The steps of a response as a list: what is sent, in which order, and between what it waits. Building them is in `steps`.

use std::fmt;
use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::slice;
use std::sync::{Arc, Mutex};
use std::vec;

use super::delay::Delay;
use super::gate::Gate;
use super::head::{Head, Length};
use crate::os::layer::LayerAct;
use crate::os::lock::lock;

/// The steps of a response. Taken out of it, they are as they are sent: the head of a file has its length.
#[derive(Clone, Default)]
pub(crate) struct Steps {
    list: Vec<Step>,
    /// The head that the first `Step::Send` begins with, if this crate has built it.
    head: Option<Head>,
}

#[derive(Clone)]
pub(crate) enum Step {
    Send(Arc<[u8]>),
    SendFile(PathBuf),
    Repeat {
        pattern: Arc<[u8]>,
        total: u64,
    },
    Pause(Delay),
    Gate(Gate),
    /// Only TLS can do it.
    #[cfg_attr(not(feature = "tls"), allow(dead_code))]
    Act(LayerAct),
    /// Taken by the exchange that sends it.
    SendFrom(Arc<Mutex<Option<Box<dyn Read + Send>>>>),
}

impl Steps {
    pub(crate) fn iter(&self) -> slice::Iter<'_, Step> {
        self.list.iter()
    }

    pub(super) fn push(&mut self, step: Step) {
        self.list.push(step);
    }

    pub(super) fn insert_first(&mut self, step: Step) {
        self.list.insert(0, step);
    }

    /// Whether there is no step that does something.
    pub(super) fn is_empty(&self) -> bool {
        self.list.iter().all(|step| match step {
            Step::Pause(_) | Step::Gate(_) | Step::Act(_) => false,
            step => step.known_length() == Some(0),
        })
    }

    /// Whether the head gets the length of the first file.
    pub(super) fn has_length_of_file(&self) -> bool {
        self.head.as_ref().is_some_and(|head| head.length == Length::OfFile)
    }

    /// Adds the steps of another response as the last ones.
    pub(super) fn append(&mut self, mut last: Self) {
        self.list.append(&mut last.list);
    }

    /// The first step has bytes that begin with this head.
    pub(super) fn set_head(&mut self, head: Head) {
        self.head = Some(head);
    }

    /// Adds a field to the head, if this crate has built it; how many bytes were added.
    pub(super) fn add_field(&mut self, name: &[u8], value: &[u8]) -> Option<u64> {
        let head = self.head.as_mut()?;
        let first = self.list.iter_mut().find_map(|step| match step {
            Step::Send(bytes) => Some(bytes),
            _ => None,
        })?;
        let longer = head.add_field(first, name, value);
        let added = longer.len() - first.len();
        *first = longer.into();
        Some(added as u64)
    }

    /// Takes a field out of the head, if this crate has built it.
    #[cfg(feature = "cli")]
    pub(super) fn remove_field(&mut self, name: &[u8]) {
        let Some(head) = &mut self.head else { return };
        let first = self.list.iter_mut().find_map(|step| match step {
            Step::Send(bytes) => Some(bytes),
            _ => None,
        });
        if let Some(first) = first {
            *first = head.remove_field(first, name).into();
        }
    }

    /// Replaces the reader of a response that begins with one; false if it does not. Nothing is left after the reader.
    pub(super) fn cut_reader(
        &mut self,
        cut: impl FnOnce(Box<dyn Read + Send>) -> Box<dyn Read + Send>,
    ) -> bool {
        let first = self
            .list
            .iter()
            .position(|step| !matches!(step, Step::Pause(_) | Step::Gate(_) | Step::Act(_)));
        let Some(first) = first else { return false };
        let Step::SendFrom(reader) = &mut self.list[first] else { return false };
        // What was sent already reports that itself.
        let unsent = lock(reader).take();
        if let Some(unsent) = unsent {
            *reader = Arc::new(Mutex::new(Some(cut(unsent))));
        }
        self.list.truncate(first + 1);
        true
    }

    /// The length of the first file, if it is there and has one.
    fn file_length(&self) -> Option<u64> {
        let path = self.list.iter().find_map(|step| match step {
            Step::SendFile(path) => Some(path),
            _ => None,
        })?;
        // If this fails so does opening the file, which reports it.
        fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|metadata| metadata.len())
    }
}

impl IntoIterator for Steps {
    type Item = Step;
    type IntoIter = vec::IntoIter<Step>;

    fn into_iter(mut self) -> Self::IntoIter {
        if self.head.is_some_and(|head| head.length == Length::OfFile)
            && let Some(length) = self.file_length()
        {
            self.add_field(b"Content-Length", length.to_string().as_bytes());
        }
        self.list.into_iter()
    }
}

impl Step {
    /// How many bytes it sends, if that is known without opening anything.
    pub(super) fn known_length(&self) -> Option<u64> {
        match self {
            Step::Send(bytes) => Some(bytes.len() as u64),
            Step::Repeat { total, .. } => Some(*total),
            Step::Pause(_) | Step::Gate(_) | Step::Act(_) => Some(0),
            Step::SendFile(_) | Step::SendFrom(_) => None,
        }
    }
}

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.list).finish()
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Send(bytes) => write!(f, "Send(\"{}\")", bytes.escape_ascii()),
            Step::SendFile(path) => write!(f, "SendFile({})", path.display()),
            Step::Repeat { pattern, total } => {
                write!(f, "Repeat(\"{}\", {total})", pattern.escape_ascii())
            }
            Step::Pause(delay) => write!(f, "Pause({delay:?})"),
            Step::Gate(_) => f.write_str("Gate(..)"),
            Step::Act(act) => write!(f, "{act:?}"),
            Step::SendFrom(_) => f.write_str("SendFrom(..)"),
        }
    }
}

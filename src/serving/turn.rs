//! Which thread may touch a connection: one at a time, and none waits for another.

use crate::os::lock::{Mutex, lock};

/// Something that several threads want to carry on. A thread that finds it taken leaves a note, and the thread that has it carries
/// on once more before it gives it back. So no thread waits, and nothing is missed.
#[derive(Debug)]
pub(crate) struct Turn<T>(Mutex<Slot<T>>);

#[derive(Debug)]
enum Slot<T> {
    Free(T),
    Taken { again: bool },
    Ended,
}

impl<T> Turn<T> {
    pub(crate) fn new(value: T) -> Self {
        Turn(Mutex::new(Slot::Free(value)))
    }

    /// Takes it. `None` if another thread has it, which then carries on once more, or if it has ended.
    pub(crate) fn take(&self) -> Option<T> {
        let mut slot = lock(&self.0);
        match std::mem::replace(&mut *slot, Slot::Taken { again: false }) {
            Slot::Free(value) => Some(value),
            Slot::Taken { .. } => {
                *slot = Slot::Taken { again: true };
                None
            }
            Slot::Ended => {
                *slot = Slot::Ended;
                None
            }
        }
    }

    /// Gives it back.
    ///
    /// # Errors
    ///
    /// With the value, if another thread wanted it meanwhile: carry on once more.
    pub(crate) fn give_back(&self, value: T) -> Result<(), T> {
        let mut slot = lock(&self.0);
        if let Slot::Taken { again: true } = *slot {
            *slot = Slot::Taken { again: false };
            return Err(value);
        }
        *slot = Slot::Free(value);
        Ok(())
    }

    /// Ends it: the thread that has it has used it up.
    pub(crate) fn end(&self) {
        *lock(&self.0) = Slot::Ended;
    }
}

//! Strict reading: JSON into wire forms.

use shipote_card::json::{self, Source, Unfit};

use crate::wire::Wire;

/// Reads all of `json`; none where it is not exactly what is written. Where and why is for the walk over the field table
/// to find out.
pub(crate) fn read<T: Wire>(json: &str) -> Option<T> {
    let mut read = None;
    let is_whole = json::read(json, &mut |value| {
        read = Some(T::read(value)?);
        Ok(())
    });
    read.filter(|_| is_whole)
}

/// A field that waits for its value.
pub(crate) trait Slot {
    /// Reads the value, which stands once.
    fn fill(&mut self, value: &mut dyn Source<'_>) -> Result<(), Unfit>;
}

impl<T: Wire> Slot for Option<T> {
    fn fill(&mut self, value: &mut dyn Source<'_>) -> Result<(), Unfit> {
        if self.is_some() {
            return Err(Unfit);
        }
        *self = Some(T::read(value)?);
        Ok(())
    }
}

/// The fields of an object.
pub(crate) struct Slots<'s> {
    names: &'static [&'static str],
    slots: &'s mut [&'s mut dyn Slot],
    /// Where the next field is looked for first: they mostly come in their order.
    next: usize,
}

impl<'s> Slots<'s> {
    pub(crate) fn new(names: &'static [&'static str], slots: &'s mut [&'s mut dyn Slot]) -> Self {
        Self { names, slots, next: 0 }
    }

    /// Reads one member.
    pub(crate) fn fill(&mut self, key: &str, value: &mut dyn Source<'_>) -> Result<(), Unfit> {
        let mut at = self.next;
        if self.names.get(at).is_none_or(|name| *name != key) {
            let (before, after) = self.names.split_at_checked(at).ok_or(Unfit)?;
            let is_it = |name: &&str| *name == key;
            let found = after.iter().position(is_it).map(|further| at + further);
            at = found.or_else(|| before.iter().position(is_it)).ok_or(Unfit)?;
        }
        self.next = at + 1;
        self.slots.get_mut(at).ok_or(Unfit)?.fill(value)
    }
}

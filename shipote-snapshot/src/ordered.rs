//! Order: one kind of sort and one kind of index for everything, since each further kind is code that the inspector page
//! has to carry.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use crate::domain::Collection;

/// Puts `items` in the order of their keys; those with equal keys stay in theirs.
pub fn sort_by_key<T>(items: &mut [T], key: impl Fn(&T) -> u128) {
    let mut order: Vec<(u128, usize)> = items.iter().enumerate().map(|(at, item)| (key(item), at)).collect();
    order.sort_unstable();
    for at in 0..order.len() {
        let mut from = order[at].1;
        // What stood there has been swapped away, to where its place was filled from.
        while from < at {
            from = order[from].1;
        }
        // Noted, so that no way is gone twice: this takes a step for each item, and not for each pair.
        order[at].1 = from;
        items.swap(at, from);
    }
}

/// Where each of some names stands.
#[derive(Debug, Default)]
pub(crate) struct Index(BTreeMap<String, u64>);

impl Index {
    pub(crate) fn get(&self, name: &str) -> Option<usize> {
        self.0.get(name).map(|at| *at as usize)
    }

    /// Returns where `name` stands already. If it does not, it stands at `at` from now on.
    pub(crate) fn first(&mut self, name: &str, at: usize) -> Option<usize> {
        let first = self.get(name);
        if first.is_none() {
            self.0.insert(name.into(), at as u64);
        }
        first
    }

    /// Returns all names in their order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// What names an entity: its list, and its id or name there.
pub(crate) type Name = (Collection, String);

/// Something for each of several entities, in the order of their names.
#[derive(Debug)]
pub(crate) struct Named<V> {
    places: Index,
    values: Vec<Option<V>>,
}

impl<V> Default for Named<V> {
    fn default() -> Self {
        Self { places: Index::default(), values: Vec::new() }
    }
}

impl<V> Named<V> {
    pub(crate) fn is_empty(&self) -> bool {
        self.places.0.is_empty()
    }

    pub(crate) fn get(&self, name: &Name) -> Option<&V> {
        self.values[self.places.get(&key(name))?].as_ref()
    }

    /// Puts `value` in the place of what had that name.
    pub(crate) fn insert(&mut self, name: Name, value: V) {
        *self.slot(&name) = Some(value);
    }

    /// Returns what has that name, which is `first` where nothing had it.
    pub(crate) fn or_insert(&mut self, name: Name, first: V) -> &mut V {
        self.slot(&name).get_or_insert(first)
    }

    pub(crate) fn remove(&mut self, name: &Name) -> Option<V> {
        let at = self.places.0.remove(&key(name))?;
        self.values[at as usize].take()
    }

    pub(crate) fn into_iter(mut self) -> impl Iterator<Item = (Name, V)> {
        let named = move |(key, at): (String, u64)| {
            let (list, name) = key.split_at_checked(1)?;
            let list = Collection::ALL.get(list.parse::<usize>().ok()?)?;
            Some(((*list, name.into()), self.values[at as usize].take()?))
        };
        self.places.0.into_iter().filter_map(named)
    }

    fn slot(&mut self, name: &Name) -> &mut Option<V> {
        let new = self.values.len();
        let at = self.places.first(&key(name), new).unwrap_or(new);
        if at == new {
            self.values.push(None);
        }
        &mut self.values[at]
    }
}

/// Returns a name as one text: texts are in the order of the names.
fn key((list, name): &Name) -> String {
    let mut key = String::with_capacity(1 + name.len());
    key.push((b'0' + *list as u8).into());
    key.push_str(name);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_order_is_that_of_a_stable_sort(keys in proptest::collection::vec(0_u8..8, 0..40)) {
            let mut items: Vec<(u8, usize)> = keys.into_iter().enumerate().map(|(at, key)| (key, at)).collect();
            let mut stable = items.clone();
            stable.sort_by_key(|(key, _)| *key);
            sort_by_key(&mut items, |(key, _)| u128::from(*key));
            prop_assert_eq!(items, stable);
        }
    }

    #[test]
    fn a_turn_of_many_items_takes_a_step_for_each() {
        // Step by step through each pair, this would take minutes.
        let mut items: Vec<usize> = (1..200_000).chain([0]).collect();
        sort_by_key(&mut items, |item| *item as u128);
        assert!(items.into_iter().eq(0..200_000));
    }

    #[test]
    fn the_order_of_lists_is_that_of_their_digits() {
        assert!(Collection::ALL.into_iter().enumerate().all(|(at, list)| list as usize == at));
        assert!(Collection::ALL.is_sorted());
    }

    #[test]
    fn a_name_holds_what_was_put_there_last() {
        let name = |key: &str| (Collection::Workspaces, String::from(key));
        let mut named = Named::default();
        named.insert(name("b"), 1);
        named.insert(name("a"), 2);
        *named.or_insert(name("b"), 7) += 10;
        named.insert(name("c"), 3);
        assert_eq!(
            (named.get(&name("b")).copied(), named.remove(&name("c")), named.remove(&name("c"))),
            (Some(11), Some(3), None)
        );
        assert_eq!(named.into_iter().collect::<Vec<_>>(), [(name("a"), 2), (name("b"), 11)]);
    }
}

//! A database whose changes are told to who traces requests.

use std::path::Path;

use super::super::Answer;
use super::Engine;
use super::session::{Result, Session};
use crate::traces;

/// A database.
pub struct Traced<E>(pub E);

impl<E: Engine> Engine for Traced<E> {
    fn read<T: Send + 'static>(
        &self,
        read: impl FnMut(&mut dyn Session) -> Result<T> + Send + 'static,
    ) -> Answer<'_, T> {
        self.0.read(read)
    }

    fn change<T: Send + 'static>(
        &self,
        durable: bool,
        change: impl FnMut(&mut dyn Session) -> Result<T> + Send + 'static,
    ) -> Answer<'_, T> {
        let name = operation(std::any::type_name_of_val(&change));
        traced(name, durable, || self.0.change(durable, change))
    }

    fn take<T: Send + 'static>(
        &self,
        durable: bool,
        change: impl FnMut(&mut dyn Session) -> Result<T> + Send + 'static,
    ) -> Answer<'_, T> {
        let name = operation(std::any::type_name_of_val(&change));
        traced(name, durable, || self.0.take(durable, change))
    }

    fn maintain(&self) -> Answer<'_, ()> {
        self.0.maintain()
    }

    fn copy_into(&self, path: &Path) -> Answer<'_, ()> {
        self.0.copy_into(path)
    }
}

/// Makes a change of this name within a span.
fn traced<'a, T: Send + 'static>(
    name: &str,
    durable: bool,
    change: impl FnOnce() -> Answer<'a, T>,
) -> Answer<'a, T> {
    let span = traces::start("database change");
    let answer = change();
    let Some(mut span) = span else {
        return answer;
    };
    span.set("basalt.change", name);
    span.set("basalt.durable", durable);
    Box::pin(async move {
        let changed = answer.await;
        if changed.is_err() {
            span.failed();
        }
        changed
    })
}

/// The method of [`super::Metadata`] that a change is written in: the compiler names closures after where they stand.
fn operation(closure: &str) -> &str {
    let mut parts = closure.rsplit("::");
    let is_method = |part: &&str| !part.starts_with('{') && !part.contains(['<', '>']);
    parts.find(is_method).unwrap_or("change")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_called_as_the_method_that_makes_it() {
        fn put_manifest() -> &'static str {
            let change = || ();
            operation(std::any::type_name_of_val(&change))
        }
        assert_eq!(put_manifest(), "put_manifest");
        assert_eq!(operation("{{closure}}"), "change");
    }
}

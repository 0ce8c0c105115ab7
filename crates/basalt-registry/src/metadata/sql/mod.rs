//! Metadata in a database of tables: what is asked and what is changed, written once for every engine.

mod bills;
mod blobs;
mod change;
mod collect;
mod copies;
mod hooks;
mod logins;
mod manifests;
mod metadata;
mod operate;
mod overview;
mod piece;
mod quota;
mod read;
mod robots;
pub(super) mod schema;
pub mod session;
pub(super) mod tables;
mod traced;
mod verdict;
pub(super) mod writer;

use std::path::Path;

use super::{Answer, Grace};
pub(super) use robots::is_old;
use session::{Result as SqlResult, Session};
use tables::Table;
use traced::Traced;

/// A database that answers questions and makes changes.
pub trait Engine: Send + Sync + 'static {
    /// Asks. It may be asked anew when the connection was lost.
    fn read<T: Send + 'static>(
        &self,
        read: impl FnMut(&mut dyn Session) -> SqlResult<T> + Send + 'static,
    ) -> Answer<'_, T>;

    /// Makes a change, whole or not at all. What is not `durable` need not have reached the disk when it is answered. It
    /// may be made anew when others came between.
    fn change<T: Send + 'static>(
        &self,
        durable: bool,
        change: impl FnMut(&mut dyn Session) -> SqlResult<T> + Send + 'static,
    ) -> Answer<'_, T>;

    /// Makes a change that brings something new to be kept. One is refused when the disk has no room for it beside what is
    /// kept free for changes that make room.
    fn take<T: Send + 'static>(
        &self,
        durable: bool,
        change: impl FnMut(&mut dyn Session) -> SqlResult<T> + Send + 'static,
    ) -> Answer<'_, T>;

    /// Does what it needs from time to time.
    fn maintain(&self) -> Answer<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Writes all that there is at one moment into a file of SQLite that is not there.
    fn copy_into(&self, path: &Path) -> Answer<'_, ()>;

    /// Does what it needs once rows were brought from elsewhere.
    fn settle(_session: &mut dyn Session, _tables: &[Table]) -> SqlResult<()> {
        Ok(())
    }
}

/// Metadata in such a database.
pub struct Sql<E> {
    engine: Traced<E>,
    grace: Grace,
}

impl<E: Engine> Sql<E> {
    /// Metadata in this database.
    pub fn new(engine: E, grace: Grace) -> Self {
        let engine = Traced(engine);
        Self { engine, grace }
    }

    /// Makes a change if a look says that something is due, so that a server that rests writes nothing.
    fn change_if_due<T: Default + Send + 'static>(
        &self,
        durable: bool,
        is_due: impl FnMut(&mut dyn Session) -> SqlResult<bool> + Send + 'static,
        change: impl FnMut(&mut dyn Session) -> SqlResult<T> + Send + 'static,
    ) -> Answer<'_, T> {
        let looked = self.engine.read(is_due);
        Box::pin(async move {
            match looked.await? {
                true => self.engine.change(durable, change).await,
                false => Ok(T::default()),
            }
        })
    }
}

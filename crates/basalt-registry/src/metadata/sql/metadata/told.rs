//! The audit log, and how far hooks were told what it says.

use super::super::{Engine, Sql, hooks, read};
use crate::metadata::{
    Answer, AuditEntry, AuditHead, DeadEvent, Delivery, HookPosition, Moment, Outbox,
};

impl<E: Engine> Outbox for Sql<E> {
    fn audit_chains(&self) -> Answer<'_, Vec<AuditHead>> {
        self.engine.read(read::audit_chains)
    }

    fn audit(&self, chain: &str, after: i64, limit: u64) -> Answer<'_, Vec<AuditEntry>> {
        let chain = chain.to_owned();
        self.engine
            .read(move |session| read::audit(session, &chain, after, limit))
    }

    fn hook_positions(&self, hook: &str) -> Answer<'_, Vec<HookPosition>> {
        let hook = hook.to_owned();
        self.engine
            .change(false, move |session| hooks::positions(session, &hook))
    }

    fn all_hook_positions(&self) -> Answer<'_, Vec<HookPosition>> {
        self.engine.read(|session| hooks::shown(session, None))
    }

    fn note_delivery(
        &self,
        position: HookPosition,
        delivery: Delivery,
        now: Moment,
    ) -> Answer<'_, ()> {
        // One that is told again after a crash is told at least once.
        self.engine.change(false, move |session| {
            hooks::note_delivery(session, &position, &delivery, now)
        })
    }

    fn dead_events(&self, limit: u64) -> Answer<'_, Vec<DeadEvent>> {
        self.engine.read(move |session| hooks::dead(session, limit))
    }
}

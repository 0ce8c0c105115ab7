//! The audit log, and how far hooks were told what it says.

use super::{Answer, AuditEntry, AuditHead, DeadEvent, Delivery, HookPosition, Moment};

/// The audit log, and how far hooks were told what it says.
pub trait Outbox: Send + Sync + 'static {
    /// The chains of the audit log, and how far each is.
    fn audit_chains(&self) -> Answer<'_, Vec<AuditHead>>;

    /// What was written, by whom, in order, behind this number of a chain.
    fn audit(&self, chain: &str, after: i64, limit: u64) -> Answer<'_, Vec<AuditEntry>>;

    /// How far a hook is in each chain of the audit log. One that is new begins with what happens from now on.
    fn hook_positions(&self, hook: &str) -> Answer<'_, Vec<HookPosition>>;

    /// How far all hooks are.
    fn all_hook_positions(&self) -> Answer<'_, Vec<HookPosition>>;

    /// Notes what became of an event.
    fn note_delivery(
        &self,
        position: HookPosition,
        delivery: Delivery,
        now: Moment,
    ) -> Answer<'_, ()>;

    /// Events that hooks did not take, the latest first.
    fn dead_events(&self, limit: u64) -> Answer<'_, Vec<DeadEvent>>;
}

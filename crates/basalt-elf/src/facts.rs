//! What the dynamic linker and `ldconfig` read from an ELF object.

use serde::{Deserialize, Serialize};

/// What sort of ELF object it is (`e_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ElfKind {
    /// `ET_EXEC`: a program at a fixed address.
    Executable,
    /// `ET_DYN`: a shared library or a position-independent program.
    Shared,
    /// `ET_REL`, `ET_CORE` and all else.
    Other,
}

/// The machine it runs on (`e_machine`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Machine {
    /// `EM_X86_64`.
    Amd64,
    /// `EM_AARCH64`.
    Arm64,
    /// `EM_386`.
    I386,
    /// `EM_ARM`.
    Arm,
    /// Any other, by number.
    Other(u16),
}

/// The facts of one ELF object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElfFacts {
    /// Sort of object.
    pub kind: ElfKind,
    /// Machine.
    pub machine: Machine,
    /// Whether it is a 64-bit object.
    pub is_64: bool,
    /// `e_flags`.
    pub flags: u32,
    /// `DT_SONAME`.
    pub soname: Option<String>,
    /// `DT_NEEDED`, in order.
    pub needed: Vec<String>,
    /// `PT_INTERP`.
    pub interpreter: Option<String>,
    /// `DT_RUNPATH`, else `DT_RPATH`.
    pub runpath: Option<String>,
    /// Whether a dynamic section is there.
    pub is_dynamic: bool,
    /// The x86 instruction-set level it needs (`GNU_PROPERTY_X86_ISA_1_NEEDED`), as `ldconfig` records it; 0 for none.
    pub isa_level: u32,
}

/// Why an ELF object could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a readable ELF object: {0}")]
pub struct ElfError(pub String);

//! What is reached, on small trees made for the occasion.

mod elf;
mod hostile;
mod python;
mod support;
mod texts;

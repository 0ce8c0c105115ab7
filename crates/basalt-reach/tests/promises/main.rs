//! What is reached, on small trees made for the occasion.

mod elf;
mod hostile;
mod perl;
mod python;
mod services;
mod support;
mod texts;

//! What the black-box tests share: a mirror that can lie, places to run the program in, and an
//! archive of our own with packages that no archive should have.
#![allow(dead_code, reason = "each test program uses its own part")]

pub mod debs;
pub mod keys;
pub mod mirror;
pub mod own_archive;
pub mod run;
pub mod served;
pub mod upstream;
pub mod workplace;

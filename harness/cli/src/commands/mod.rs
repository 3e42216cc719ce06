//! The commands, a file each: its options, its help with examples, and what it does.

pub(crate) mod bench;
pub(crate) mod check;
pub(crate) mod checklist;
pub(crate) mod clean;
pub(crate) mod compare;
pub(crate) mod compose;
pub(crate) mod doctor;
pub(crate) mod down;
pub(crate) mod env;
pub(crate) mod isolation;
pub(crate) mod prove;
pub(crate) mod proxy;
pub(crate) mod run;
pub(crate) mod scenario;
pub(crate) mod status;
pub(crate) mod up;
pub(crate) mod verify;

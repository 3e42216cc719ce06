//! Kinds of target. So far there is one, [`native`]: servers that run on this machine as our own processes.

pub mod native;

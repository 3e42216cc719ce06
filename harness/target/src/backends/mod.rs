//! Kinds of target: [`native`], servers that run on this machine as our own processes, [`docker`], the same in containers,
//! and [`mod@env`], the real ones to which the environment's variables lead; [`auto`] chooses between the first two.
//! [`compose`] writes containers down for others to start.

pub mod auto;
pub mod compose;
pub mod docker;
pub mod env;
pub mod native;

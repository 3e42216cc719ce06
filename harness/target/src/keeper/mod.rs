//! stub
pub mod janitor;
use std::process::ExitCode;
/// stub
pub fn main() -> ExitCode {
    todo!()
}

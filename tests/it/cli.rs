//! The command as people and CI run it: real binary, real servers, exit codes, files, what is left behind.

mod auto;
mod bench;
mod command;
mod compare;
mod docker;
mod doctor;
mod env;
mod input;
mod interrupted;
mod isolation;
mod leak;
mod library;
mod picture;
mod prove;
mod run;
mod secrets;
mod standing;
mod subfolder;
mod terminal;
mod up;
mod verify;

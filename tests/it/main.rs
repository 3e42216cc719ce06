//! The end-to-end suite: one binary, a module a subject.
//!
//! Everything here runs on real servers. A test gets them from [`support`], which installs what is missing when
//! `BULKHEAD_INSTALL=1` and says in one message how to install it otherwise.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "a test says on standard error what it installs or skips")]

mod allowance;
mod altered;
mod bounds;
mod checklist;
mod cli;
mod clients;
mod endings;
mod first_byte;
mod http;
mod isolation;
mod keeper;
mod links;
mod porcupine;
mod postgres;
mod proxy;
mod rabbitmq;
mod redis;
mod s3;
mod sabotage;
mod scenarios;
mod sharing;
mod support;
mod template;
mod tidy;
mod tools;
mod workloads;

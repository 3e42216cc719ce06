//! S3 as a stand-in: it serves over TLS on loopback, fences tenants as B2 does, keeps what it acknowledged, and streams.
//!
//! `common` starts servers and makes clients. Every test owns its server.

mod common;
mod conditions;
mod docker;
mod fence;
mod keys;
mod listing;
mod matrix;
pub(crate) mod minio;
mod multipart;
mod objects;
mod raw;
mod serves;
mod signatures;
mod stream;
mod survives;

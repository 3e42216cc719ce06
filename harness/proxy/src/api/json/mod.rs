//! JSON as Go's `encoding/json` reads and writes it, since clients of Toxiproxy have come to rely on that.
//!
//! Only the first value of a text is read. Its syntax is checked first, without recursion; what is wanted of it is then
//! looked up in the checked text, so that nothing is built for what nobody asked for.

mod scan;
mod value;
mod write;

pub(crate) use value::{Json, Shape};
pub(crate) use write::{float32, float64, object, string};

//! What an app's own tests need of Bulkhead: stand-ins, slices and connections.

pub use bulkhead_model as model;
pub use bulkhead_target as target;

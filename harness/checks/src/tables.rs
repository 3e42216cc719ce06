//! Hash tables of what a history holds by the million. The standard ones withstand whoever picks keys that collide; a
//! history is one's own, and the hash that withstands was a quarter of what a check took.

use foldhash::fast::FixedState;

/// A map from what a history holds.
pub(crate) type Table<K, V> = std::collections::HashMap<K, V, FixedState>;

/// The same without values.
pub(crate) type Places<K> = std::collections::HashSet<K, FixedState>;

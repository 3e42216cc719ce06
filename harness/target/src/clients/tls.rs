//! A TLS handshake on its own, for evidence.

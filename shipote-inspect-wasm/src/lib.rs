//! The inspector: bytes in, view models out.

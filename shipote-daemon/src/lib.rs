//! The shipote program as a library.

//! What the loader refuses.

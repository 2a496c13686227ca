//! What is wrong with a request is said, all of it, exactly once; and nothing comes of it.
//!
//! What is answered while a part is down stands in [`crate::parts_down`].

mod bounds;
mod decisions;
mod fields;
mod overload;
mod texts;
mod tokens;

//! The program against itself: `countersign up` as a process, all other commands against it.

#![cfg(test)]

mod chain;
mod instance;
mod lossy;
mod overload;
mod up;
mod usage;

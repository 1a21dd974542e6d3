//! What a user does on a cluster, and what must come of it.

mod access;
mod control;
mod failure;
mod publish;
mod security;
mod traces;

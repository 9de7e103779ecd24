//! dh_venv's pure part.

pub mod from_dh_virtualenv;

//! What the tests that need a whole system stand on: chroot images, sessions in
//! them, and the toolkit's own packages.
//!
//! It owns how a test gets a chroot and how it learns what happened there. It
//! knows nothing of what is tested. Whatever is missing (root, a tool, an image,
//! a package) is a failure that says so: no test is ever skipped.
#![allow(dead_code, reason = "each test crate uses a part of it")]
#![allow(unused_imports, reason = "each test crate uses a part of it")]

mod boot;
mod image;
mod package;
mod planted;
mod session;

pub use boot::Booted;
pub use image::{Kind, Suite, cache_dir, image as image_directory, repository, target_dir, uv};
pub use package::{build, build_session, example_debs, toolkit_debs};
pub use planted::planted_appctl;
pub use session::{Output, Running, Session};

/// Makes one `#[test]` a suite of each function named, which takes the [`Suite`]:
/// `on_both_suites!(installs, purges)` gives `bookworm::installs`,
/// `trixie::installs` and so on.
#[macro_export]
macro_rules! on_both_suites {
    ($($name:ident),+ $(,)?) => {
        mod bookworm {
            $(#[test] fn $name() { super::$name($crate::harness::Suite::Bookworm) })+
        }
        mod trixie {
            $(#[test] fn $name() { super::$name($crate::harness::Suite::Trixie) })+
        }
    };
}

/// The same where not all of them are run on both suites each time: what stands
/// below one suite runs on the other in `make soak` (feature `soak`).
#[macro_export]
macro_rules! on_suites {
    (both: [$($both:ident),*], bookworm: [$($old:ident),*], trixie: [$($new:ident),*] $(,)?) => {
        mod bookworm {
            $(#[test] fn $both() { super::$both($crate::harness::Suite::Bookworm) })*
            $(#[test] fn $old() { super::$old($crate::harness::Suite::Bookworm) })*
            $(#[cfg(feature = "soak")] #[test] fn $new() { super::$new($crate::harness::Suite::Bookworm) })*
        }
        mod trixie {
            $(#[test] fn $both() { super::$both($crate::harness::Suite::Trixie) })*
            $(#[test] fn $new() { super::$new($crate::harness::Suite::Trixie) })*
            $(#[cfg(feature = "soak")] #[test] fn $old() { super::$old($crate::harness::Suite::Trixie) })*
        }
    };
}

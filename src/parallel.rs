//! Work on many items by several threads.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::Result;

/// What `work` makes of each item, in order; so many are worked on at once, each
/// thread with a `state` of its own. None is begun after one has failed.
pub fn each<'i, I: Sync, S, T: Send>(
    threads: usize,
    items: &'i [I],
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, &'i I) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let one_after_another = || {
        let (mut own, mut state) = (Vec::new(), state());
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(number) else { break own };
            let result = work(&mut state, item);
            if result.is_err() {
                next.store(items.len(), Ordering::Relaxed);
            }
            own.push((number, result));
        }
    };
    let mut all = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads.min(items.len())).map(|_| scope.spawn(one_after_another)).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().flat_map(join).collect::<Vec<_>>()
    });
    all.sort_by_key(|(number, _)| *number);
    all.into_iter().map(|(_, result)| result).collect()
}

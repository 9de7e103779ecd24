"""Byte-compile files so that the same sources give the same bytes.

Standard input, NUL-separated: mode, jobs, then pairs of source path and the
path that the code object shall name. What marshal writes depends on which
strings the process has interned before (CPython issue 78274), so each batch
is compiled in a child forked from the same clean state. Batches depend on the
files alone: the number of jobs has no influence. Files that are no valid Python
(templates, other versions' syntax) are left alone, as pip does.
"""
import gc
import importlib.util
import os
import sys
import warnings
from importlib._bootstrap_external import _code_to_hash_pyc

# Bytes of source in a batch: small enough that several jobs end together, large
# enough that a child uses the memory again that it has touched.
BATCH = 1 << 20


def compile_one(source, shown, checked):
    with open(source, "rb") as file:
        text = file.read()
    try:
        code = compile(text, shown, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError, RecursionError):
        return
    data = _code_to_hash_pyc(code, importlib.util.source_hash(text), checked)
    target = importlib.util.cache_from_source(source, optimization="")
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target, "wb") as file:
        file.write(data)


def divided(pairs):
    batch, size = [], 0
    for pair in pairs:
        batch.append(pair)
        size += os.path.getsize(pair[0])
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def main():
    words = sys.stdin.buffer.read().decode("utf-8", "surrogateescape").split("\0")
    checked = words[0] == "checked-hash"
    jobs = int(words[1])
    pairs = list(zip(words[2::2], words[3::2]))
    batches = list(divided(pairs))
    warnings.simplefilter("ignore")
    gc.collect()
    gc.freeze()
    gc.disable()
    running = 0
    failed = False
    for batch in batches:
        if running == jobs:
            failed |= os.wait()[1] != 0
            running -= 1
        child = os.fork()
        if child == 0:
            status = 1
            try:
                for source, shown in batch:
                    compile_one(source, shown, checked)
                status = 0
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                sys.stderr.flush()
                os._exit(status)
        running += 1
    while running:
        failed |= os.wait()[1] != 0
        running -= 1
    sys.exit(1 if failed else 0)


main()

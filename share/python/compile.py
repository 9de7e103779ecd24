"""Byte-compile modules so that the same sources give the same bytes.

Standard input, NUL-separated: mode, jobs, directory for the results, the venv,
the prefix that code objects shall name, then groups of module paths below the
venv, each ended by an empty word. The results are files `GROUP-BATCH` of
records: module, path of the byte code, number of its bytes, each ended by NUL,
and the bytes.

What marshal writes depends on which strings the process has interned before
(CPython issue 78274), so each batch is compiled in a child forked from the same
clean state. Batches depend on their group's files alone: neither the number of
jobs nor the other groups have influence. Files that are no valid Python
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


def compile_one(root, prefix, module, checked, out):
    with open(os.path.join(root, module), "rb") as file:
        text = file.read()
    # Kept until the end: marshal marks a text that others hold, too.
    shown = os.path.join(prefix, module)
    try:
        code = compile(text, shown, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError, RecursionError):
        return
    data = _code_to_hash_pyc(code, importlib.util.source_hash(text), checked)
    target = importlib.util.cache_from_source(module, optimization="")
    out.write(f"{module}\0{target}\0{len(data)}\0".encode("utf-8", "surrogateescape"))
    out.write(data)


def divided(root, modules):
    batch, size = [], 0
    for module in modules:
        batch.append(module)
        size += os.path.getsize(os.path.join(root, module))
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def grouped(words):
    group = []
    for word in words:
        if word:
            group.append(word)
        else:
            yield group
            group = []


def main():
    words = sys.stdin.buffer.read().decode("utf-8", "surrogateescape").split("\0")
    mode, jobs, place, root, prefix = words[:5]
    batches = [
        (f"{group}-{number}", batch)
        for group, modules in enumerate(grouped(words[5:]))
        for number, batch in enumerate(divided(root, modules))
    ]
    warnings.simplefilter("ignore")
    gc.collect()
    gc.freeze()
    gc.disable()
    running = 0
    failed = False
    for name, batch in batches:
        if running == int(jobs):
            failed |= os.wait()[1] != 0
            running -= 1
        child = os.fork()
        if child == 0:
            status = 1
            try:
                with open(os.path.join(place, name), "wb") as out:
                    for module in batch:
                        compile_one(root, prefix, module, mode == "checked-hash", out)
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

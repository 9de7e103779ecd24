"""Import modules, each in a child of its own, and report those that fail.

Arguments: "each" or "once", the number of children at a time, module names.
With "once", what another module's child has loaded already is not tried again:
most of a dependency's modules are loaded by the ones that need them. Prints a
JSON list of [module, exception, text]. No child knows what another has loaded.
"""
import json
import os
import sys
import traceback


def attempt(module, wanted):
    """Whether it can be imported, and what has been loaded or has failed."""
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(2, 1)
    try:
        __import__(module)
    except BaseException as error:
        text = "".join(traceback.format_exception_only(type(error), error)).strip()
        kind = "ImportError" if isinstance(error, ImportError) else type(error).__name__
        return False, [kind, text[-2000:]]
    return True, [name for name in wanted if sys.modules.get(name) is not None]


def start(module, wanted):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        succeeded = False
        try:
            succeeded, answer = attempt(module, wanted)
            os.write(writer, json.dumps(answer).encode())
        finally:
            os._exit(0 if succeeded else 1)
    os.close(writer)
    return child, reader


def main():
    once, jobs, modules = sys.argv[1] == "once", int(sys.argv[2]), sys.argv[3:]
    waiting, running, loaded, failures = list(modules), {}, set(), {}
    while waiting or running:
        while waiting and len(running) < jobs:
            module = waiting.pop(0)
            if not (once and module in loaded):
                child, reader = start(module, modules)
                running[child] = module, reader
        if not running:
            break
        child, status = os.wait()
        module, reader = running.pop(child)
        with os.fdopen(reader, "rb") as pipe:
            answer = json.loads(pipe.read() or "null")
        if status == 0:
            loaded.update(answer or ())
        elif answer is None:
            failures[module] = ["Crash", "ended with status %d" % status]
        else:
            failures[module] = answer
    json.dump([[module, *failures[module]] for module in modules if module in failures], sys.stdout)


main()

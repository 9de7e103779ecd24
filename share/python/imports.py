"""Import modules, each in a child of its own, and report those that fail.

Arguments: module names. Prints a JSON list of [module, exception, text].
A child shares nothing with the next but what this process has imported.
"""
import json
import os
import sys
import traceback

failures = []
for module in sys.argv[1:]:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        os.dup2(2, 1)
        try:
            __import__(module)
        except BaseException as error:
            text = "".join(traceback.format_exception_only(type(error), error)).strip()
            kind = "ImportError" if isinstance(error, ImportError) else type(error).__name__
            os.write(writer, json.dumps([module, kind, text[-2000:]]).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read()
    status = os.waitpid(child, 0)[1]
    if answer:
        failures.append(json.loads(answer))
    elif status:
        failures.append([module, "Crash", "ended with status %d" % status])
json.dump(failures, sys.stdout)

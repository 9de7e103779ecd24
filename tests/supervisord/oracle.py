"""supervisor's own parser as an oracle.

Each line of standard input is JSON, {"here": DIRECTORY, "files": {NAME: TEXT}};
each answer is a line, {"groups": [...]} or {"error": TEXT}. The files are put
into DIRECTORY and included by a supervisord.conf, as Debian's does it. Accounts
and directories are not looked up: they belong to another machine.
"""

import json
import os
import sys
import tempfile

from supervisor import datatypes, options
from supervisor.events import EventTypes


def log(value):
    return "auto" if value is datatypes.Automatic else value


def restart(value):
    if value is datatypes.RestartWhenExitUnexpected:
        return "unexpected"
    return value is datatypes.RestartUnconditionally


def process(config):
    plain = (
        "name command directory umask priority autostart startsecs startretries "
        "stopsignal stopwaitsecs stopasgroup killasgroup exitcodes redirect_stderr environment serverurl"
    ).split()
    shown = {name: getattr(config, name) for name in plain}
    shown["stopsignal"] = int(config.stopsignal)
    shown["user"] = config.uid
    shown["autorestart"] = restart(config.autorestart)
    for stream in "stdout", "stderr":
        for what in "capture_maxbytes events_enabled logfile_backups logfile_maxbytes syslog".split():
            shown[f"{stream}_{what}"] = getattr(config, f"{stream}_{what}")
        shown[f"{stream}_logfile"] = log(getattr(config, f"{stream}_logfile"))
    return shown


def group(config):
    shown = {"name": config.name, "priority": config.priority}
    shown["processes"] = [process(one) for one in config.process_configs]
    if isinstance(config, options.EventListenerPoolConfig):
        names = {getattr(EventTypes, name): name for name in dir(EventTypes) if name.isupper()}
        shown["events"] = sorted(names[event] for event in config.pool_events)
        shown["buffer_size"] = config.buffer_size
    if isinstance(config, options.FastCGIGroupConfig):
        socket = config.socket_config
        shown["socket"] = {"url": socket.url, "backlog": socket.backlog}
        if socket.url.startswith("unix:"):
            shown["socket"].update(mode=socket.mode, owner=socket.owner)
    return shown


def identity(value):
    return value


options.name_to_uid = identity
options.colon_separated_user_group = identity
options.gid_for_uid = identity
options.existing_dirpath = identity
options.existing_directory = identity
datatypes.existing_dirpath = identity
options.normalize_path = identity
options.platform.node = lambda: "localhost"
# All that a package can rely on of supervisord's own environment.
os.environ.clear()
os.environ["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def answer(request):
    here = request["here"]
    os.makedirs(here, exist_ok=True)
    for name, text in request["files"].items():
        with open(os.path.join(here, name), "w", encoding="utf-8", newline="") as file:
            file.write(text)
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as main:
        main.write(f"[supervisord]\n[include]\nfiles = {here}/*.conf\n")
        main.flush()
        parser = options.ServerOptions()
        parser.configfile = main.name
        parser.here = os.path.dirname(main.name)
        try:
            parser.read_config(main.name)
        except Exception as error:  # The parser lets several kinds through.
            return {"error": f"{type(error).__name__}: {error}"}
        finally:
            parser.poller.close()
            for name in request["files"]:
                os.unlink(os.path.join(here, name))
    return {"groups": [group(one) for one in parser.configroot.supervisord.process_group_configs]}


sys.stdin.reconfigure(encoding="utf-8")
sys.stdout.reconfigure(encoding="utf-8")
for line in sys.stdin:
    try:
        print(json.dumps(answer(json.loads(line))), flush=True)
    except Exception as error:
        print(json.dumps({"broken": repr(error)}), flush=True)

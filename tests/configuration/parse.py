"""parse.py FORMAT FILE: the values in a file, as JSON by key, read by the format's own parser."""

import json
import sys


def ini(path):
    import configparser

    parser = configparser.ConfigParser()
    with open(path, encoding="utf-8") as file:
        parser.read_file(file)
    return dict(parser["values"])


def toml(path):
    import tomllib

    with open(path, "rb") as file:
        return tomllib.load(file)


def json_(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def yaml(path):
    import yaml

    results = []
    for loader in yaml.SafeLoader, yaml.CSafeLoader:
        with open(path, "rb") as file:
            results.append(yaml.load(file, loader))
    assert results[0] == results[1], "PyYAML and libyaml differ"
    return results[0]


SCHEMA = """<schema><key name="+" attribute="values" datatype="string"/></schema>"""


def zconfig(path):
    import io

    import ZConfig

    schema = ZConfig.loadSchemaFile(io.StringIO(SCHEMA))
    config, _ = ZConfig.loadConfig(schema, path)
    return config.values


parsers = {"ini": ini, "toml": toml, "json": json_, "yaml": yaml, "zconfig": zconfig}
json.dump(parsers[sys.argv[1]](sys.argv[2]), sys.stdout)

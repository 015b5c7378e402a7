"""Holds documents against the schemas in a folder, by an implementation that is none of ours.

Usage: validate.py FOLDER < CASES. Each line of CASES is an object: `schema`, the name of a file in the folder, and
`document`, a text. Each line of the answer is an object: `json`, whether the text is JSON; `valid`; and `broken`, the
rules that it breaks, each as the schema and the object that it belongs to and the way from there.
"""

import json
import pathlib
import sys

from jsonschema import Draft202012Validator


def validators(folder):
    """Returns the schemas in the folder and a validator for each; they may refer to each other by name."""
    schemas = {}
    for path in pathlib.Path(folder).glob("*.schema.json"):
        schemas[path.name] = json.loads(path.read_text())
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    try:
        from referencing import Registry, Resource

        registry = Registry().with_resources(
            (name, Resource.from_contents(schema)) for name, schema in schemas.items()
        )
        more = lambda schema: {"registry": registry}
    except ImportError:
        # Versions before 4.18.
        from jsonschema import RefResolver

        more = lambda schema: {"resolver": RefResolver.from_schema(schema, store=schemas)}
    return schemas, {name: Draft202012Validator(schema, **more(schema)) for name, schema in schemas.items()}


def location(schemas, name, steps):
    """Returns the file and the object that a rule belongs to, and the way from there."""
    owner, way, node = "#", [], schemas[name]
    for step in steps:
        # The validator's paths leave references out.
        while isinstance(node, dict) and "$ref" in node and step not in node:
            file, _, part = node["$ref"].partition("#/$defs/")
            name, owner, way = file or name, part or "#", []
            node = schemas[name]["$defs"][part] if part else schemas[name]
        node = node[step]
        way.append(str(step))
    return [name, owner], way


def broken(schemas, name, error):
    """Yields every rule that an error is about, those within alternatives included."""
    owner, way = location(schemas, name, error.absolute_schema_path)
    if error.validator == "required":
        way.append(next(key for key in error.validator_value if f"'{key}' is" in error.message))
    yield " ".join([*owner, "/".join(way)])
    for inner in error.context or ():
        yield from broken(schemas, name, inner)


def main():
    schemas, every = validators(sys.argv[1])
    for line in sys.stdin:
        case = json.loads(line)
        try:
            document = json.loads(case["document"])
        except ValueError:
            print(json.dumps({"json": False, "valid": False, "broken": []}))
            continue
        found = set()
        for error in every[case["schema"]].iter_errors(document):
            found.update(broken(schemas, case["schema"], error))
        print(json.dumps({"json": True, "valid": not found, "broken": sorted(found)}))


main()

"""Find what a new API document takes away from clients of a released one. ``docs/versioning.md`` has the rules."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

_Schema: TypeAlias = Mapping[str, Any]

_AT_MOST: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_AT_LEAST: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_ANYTHING: Final = "anything"


def breaks(released: _Schema, current: _Schema) -> list[str]:
    """Return a line for each break; none if every client of the released document still works."""
    return list(_Comparison(released, current).breaks())


class _Comparison:
    """Two documents, and which of their schemas were compared already: schemas may contain themselves."""

    def __init__(self, old: _Schema, new: _Schema) -> None:
        self._old, self._new = old, new
        self._seen: set[tuple[Any, ...]] = set()

    def breaks(self) -> Iterator[str]:
        """Yield the breaks of every call, and those of the webhooks that are sent."""
        for group, is_sent in (("paths", False), ("webhooks", True)):
            for path, item in self._old.get(group, {}).items():
                for method, old in item.items():
                    place = f"{method.upper()} {path}"
                    new = self._new.get(group, {}).get(path, {}).get(method)
                    if new is None:
                        yield f"{place} is gone"
                    else:
                        yield from self._call(place, old, new, is_sent=is_sent)

    def _call(self, place: str, old: _Schema, new: _Schema, *, is_sent: bool) -> Iterator[str]:
        if old["operationId"] != new["operationId"]:
            yield f"{place}: the operationId {old['operationId']} is gone"
        for scope in sorted(_scopes(new) - _scopes(old)):
            yield f"{place} needs {scope} now"
        yield from self._parameters(place, old, new)
        # The body of a webhook is sent by the service, as an answer is.
        yield from self._bodies(f"{place} body", old.get("requestBody"), new.get("requestBody"), is_asked=not is_sent)
        for status, answer in old["responses"].items():
            if status not in new["responses"]:
                yield f"{place}: the answer {status} is gone"
            else:
                yield from self._answer(f"{place} {status}", answer, new["responses"][status])

    def _answer(self, place: str, old: _Schema, new: _Schema) -> Iterator[str]:
        for header in sorted(old.get("headers", {}).keys() - new.get("headers", {}).keys()):
            yield f"{place}: the header {header} is gone"
        yield from self._bodies(place, old, new, is_asked=False)
        problem = "application/problem+json"
        codes = (set(one.get("content", {}).get(problem, {}).get("examples", ())) for one in (old, new))
        before, after = codes
        for code in sorted(before - after):
            yield f"{place}: the code {code} is gone"

    def _parameters(self, place: str, old: _Schema, new: _Schema) -> Iterator[str]:
        olds, news = ({_name(one): one for one in call.get("parameters", ())} for call in (old, new))
        for name, parameter in news.items():
            before = olds.get(name, {})
            if parameter.get("required") and not before.get("required"):
                yield f"{place}: {name} is required now"
            if before:
                yield from self._schemas(f"{place} {name}", before["schema"], parameter["schema"], is_asked=True)
        yield from (f"{place}: {name} is gone" for name in olds if name not in news)

    def _bodies(self, place: str, old: Any, new: Any, *, is_asked: bool) -> Iterator[str]:
        old, new = old or {}, new or {}
        if is_asked and new.get("required") and not old.get("required"):
            yield f"{place} is required now"
        for media_type, content in old.get("content", {}).items():
            if media_type not in new.get("content", {}):
                yield f"{place}: {media_type} is gone"
            elif "schema" in content:
                schema = new["content"][media_type].get("schema", {})
                yield from self._schemas(place, content["schema"], schema, is_asked=is_asked)

    def _schemas(self, place: str, old: Any, new: Any, *, is_asked: bool) -> Iterator[str]:
        pair = (old.get("$ref"), new.get("$ref"), is_asked)
        if pair in self._seen and pair[0] and pair[1]:
            return
        self._seen.add(pair)
        olds, news = _kinds(self._old, old), _kinds(self._new, new)
        if _ANYTHING in (news if is_asked else olds):
            return
        gone = olds.keys() - news.keys() if is_asked else ()
        yield from (f"{place}: {kind} is refused now" for kind in sorted(gone))
        # A further kind of object in an answer is like a further value of an enumeration, which clients must expect.
        added = () if is_asked else {kind for kind in news.keys() - olds.keys() if not kind.startswith("object ")}
        yield from (f"{place} may be {kind} now" for kind in sorted(added))
        for kind in olds.keys() & news.keys():
            yield from self._values(place, olds[kind], news[kind], is_asked=is_asked)

    def _values(self, place: str, old: _Schema, new: _Schema, *, is_asked: bool) -> Iterator[str]:
        if is_asked:
            yield from (f"{place}: {rule} is stricter now" for rule in _stricter(old, new))
        if old.get("format") != new.get("format") and (not is_asked or "format" in new):
            yield f"{place}: the format is another one now"
        olds, news = old.get("properties", {}), new.get("properties", {})
        for name, member in olds.items():
            if name in news:
                yield from self._schemas(f"{place}/{name}", member, news[name], is_asked=is_asked)
            else:
                yield f"{place}/{name} is gone"
        before, after = set(old.get("required", ())), set(new.get("required", ()))
        yield from (f"{place}/{name} is required now" for name in sorted(after - before) if is_asked)
        yield from (
            f"{place}/{name} may be missing now" for name in sorted((before - after) & news.keys()) if not is_asked
        )
        for part in ("items", "additionalProperties"):
            if isinstance(old.get(part), dict) and isinstance(new.get(part), dict):
                yield from self._schemas(f"{place}/*", old[part], new[part], is_asked=is_asked)


def _scopes(call: _Schema) -> set[str]:
    return {scope for way in call.get("security", ()) for scopes in way.values() for scope in scopes}


def _name(parameter: _Schema) -> str:
    # The names of headers are the same in upper and lower case.
    name = parameter["name"].lower() if parameter["in"] == "header" else parameter["name"]
    return f"{parameter['in']} parameter {name}"


def _kinds(document: _Schema, schema: _Schema, name: str = "") -> dict[str, _Schema]:
    """Return the kinds of values that a schema describes, each with its own part. ``name`` is that of a component."""
    if "$ref" in schema:
        component = schema["$ref"].rpartition("/")[2]
        return _kinds(document, document["components"]["schemas"][component], name and component)
    if alternatives := schema.get("anyOf") or schema.get("oneOf"):
        return {kind: part for one in alternatives for kind, part in _kinds(document, one, "-").items()}
    types = schema.get("type", _ANYTHING)
    # Several objects of a union are told apart by the names of their components.
    return {
        f"object {name}" if kind == "object" and name else kind: schema
        for kind in (types if isinstance(types, list) else [types])
    }


def _stricter(old: _Schema, new: _Schema) -> Iterator[str]:
    """Yield the rules of a request that refuse more than before."""
    olds, news = (one.get("enum", [one["const"]] if "const" in one else None) for one in (old, new))
    if news is not None and (olds is None or not {*map(str, olds)} <= {*map(str, news)}):
        yield "enum"
    yield from (rule for rule in _AT_MOST if rule in new and new[rule] < old.get(rule, float("inf")))
    yield from (rule for rule in _AT_LEAST if rule in new and new[rule] > old.get(rule, float("-inf")))
    yield from (rule for rule in ("pattern", "multipleOf") if rule in new and new[rule] != old.get(rule))

"""Values that a client computes, as the matrix declares them (`rules: computed:` of a recording).

computed:
  - {header: X-Signature, sha256-hmac: body, key: {env: HOOK_SECRET}, for: ["POST /hooks/*"]}
  - {query: sig, md5: "{method}\\n{path}\\n{header.X-Date}\\n{body./order/id}"}
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal, cast

from verifier.located import Located, Reader
from verifier.matrix.traffic_rules import ComputedRule, Credential, ExchangePattern

FUNCTIONS = ("md5", "sha1", "sha256", "sha512")
PARTS = re.compile(r"\{(method|target|path|query|body|header)(?:\.([^{}]+))?\}")
_TEMPLATE = "{method}, {target}, {path}, {query}, {query.NAME}, {header.NAME}, {body} and {body./POINTER}"
_PLACES = ("header", "query", "body")
_HOWS = (*FUNCTIONS, *(f"{name}-hmac" for name in FUNCTIONS))


def read_computed(
    reader: Reader,
    at: Located | None,
    patterns: Callable[[Reader, Located | None], tuple[ExchangePattern, ...]],
    credential: Callable[[str, str, Located], Credential | None],
) -> tuple[ComputedRule, ...]:
    """The rules; `credential` reads the source (env or file) of the secret that a placeholder stands for."""
    found = []
    for item in reader.items(at):
        items = reader.mapping(item, (*_PLACES, *_HOWS, "key", "for"))
        places, hows = [name for name in _PLACES if name in items], [name for name in _HOWS if name in items]
        if len(places) != 1 or len(hows) != 1:
            reader.problem(
                item, "needs one place (header, query, or body with a JSON pointer) and one function (sha256-hmac, ...)"
            )
            continue
        kind, how = places[0], hows[0]
        name, over = reader.text(items[kind]), reader.text(items[how])
        over = "{body}" if over == "body" else over
        if kind == "body" and not name.startswith("/"):
            reader.problem(items[kind], "must be a JSON pointer such as /signature")
        if "{" in PARTS.sub("", over) or not PARTS.search(over):
            reader.problem(items[how], f"must be body, or a template of {_TEMPLATE}")
        keyed = how.endswith("-hmac")
        if keyed != ("key" in items):
            reader.problem(
                item, f"{how} needs a key: {{env: NAME}} or {{file: PATH}}" if keyed else f"{how} has no key"
            )
            continue
        placeholder = f"redacted-key-{item.line}-{re.sub(r'[^A-Za-z0-9]', '', name) or 'x'}" if keyed else ""
        source = None
        for where, value in reader.mapping(items["key"], ("env", "file")).items() if keyed else ():
            source = credential(placeholder, where, value)
        if keyed and source is None:
            reader.problem(items["key"], "needs 'env', a variable's name, or 'file', a path")
        only = patterns(reader, items.get("for"))
        place = cast(Literal["header", "query", "body"], kind)
        found.append(ComputedRule(place, name, how.removesuffix("-hmac"), over, placeholder, only, source))
    return tuple(found)

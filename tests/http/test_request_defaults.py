"""Defaults of requests are told in words; those of answers and of parameters stay as they are."""

from typing import Any

from app.http.request_defaults import as_text


def test_a_default_of_a_request_becomes_text_wherever_it_is():
    member = {"type": "array", "items": {"type": "object", "properties": {"deep": {"default": "x"}}}, "default": ["a"]}
    described: dict[str, Any] = {
        "paths": {
            "/a": {
                "parameters": [],
                "post": {
                    "parameters": [{"name": "limit", "schema": {"default": 100}}],
                    "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Body"}}}},
                    "responses": {"200": {"$ref": "#/components/schemas/Answer"}},
                },
            }
        },
        "components": {
            "schemas": {
                "Body": {"properties": {"n": {"default": 4, "description": "A number."}, "o": {"$ref": "#/components/schemas/Other"}}},
                "Other": {"properties": {"default": {"type": "string"}, "m": member, "back": {"$ref": "#/components/schemas/Body"}}},
                "Answer": {"properties": {"n": {"default": 4}}},
            }
        },
    }  # fmt: skip
    schemas = as_text(described)["components"]["schemas"]
    assert schemas["Body"]["properties"]["n"] == {"description": "A number. Default: `4`."}
    # A member that is called so is none.
    assert schemas["Other"]["properties"]["default"] == {"type": "string"}
    assert schemas["Other"]["properties"]["m"]["description"] == 'Default: `["a"]`.'
    assert member["items"]["properties"]["deep"] == {"description": 'Default: `"x"`.'}  # type: ignore[index]
    assert schemas["Answer"]["properties"]["n"] == {"default": 4}
    assert described["paths"]["/a"]["post"]["parameters"] == [{"name": "limit", "schema": {"default": 100}}]

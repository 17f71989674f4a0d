"""Hostile tokens: each is a 401 like any other, whatever python-jose alone would make of it."""

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jose import jwk

from app.identity import tokens
from app.identity.keyring import Keyring
from app.identity.tokens import InvalidToken
from tests.conftest import Tenant


def b64(raw: bytes | str) -> str:
    return base64.urlsafe_b64encode(raw.encode() if isinstance(raw, str) else raw).rstrip(b"=").decode()


class Forge:
    """Has our signing key, and signs what we would not."""

    def __init__(self, path: Path, tenant: Tenant, other: Tenant) -> None:
        self.keys = Keyring(path)
        self.kid, self.key = self.keys.signing()
        self.public = self.key.prepared_key.public_key()
        self.spare = next(kid for kid in self.keys._public if kid != self.kid)
        self.tenant, self.other = tenant, other
        self.now = int(time.time())

    def header(self, **changes: Any) -> dict[str, Any]:
        return _without_none({"alg": "ES256", "kid": self.kid, "typ": "at+jwt"} | changes)

    def claims(self, **changes: Any) -> dict[str, Any]:
        claims = {
            "iss": "task-queue",
            "aud": "task-queue-api",
            "sub": f"key:{self.tenant.api_key[8:20]}",
            "jti": str(uuid.uuid4()),
            "iat": self.now,
            "nbf": self.now,
            "exp": self.now + 900,
            "scope": "tasks:read",
            "tenant_id": self.tenant.tenant_id,
            "tenant_version": 1,
            "member_version": 0,
        }
        return _without_none(claims | changes)

    def sign(self, header: Any = None, claims: Any = None, key: Any = None) -> str:
        body = ".".join(b64(_raw(part)) for part in (header or self.header(), claims or self.claims()))
        return f"{body}.{b64((key or self.key).sign(body.encode()))}"

    def mac(self, secret: bytes, algorithm: str = "HS256") -> str:
        body = f"{b64(_raw(self.header(alg=algorithm)))}.{b64(_raw(self.claims()))}"
        digest = {"HS256": hashlib.sha256, "HS512": hashlib.sha512}[algorithm]
        return f"{body}.{b64(hmac.digest(secret, body.encode(), digest))}"

    def encoded(self, encoding: str, form: str) -> bytes:
        return self.public.public_bytes(
            getattr(serialization.Encoding, encoding), getattr(serialization.PublicFormat, form)
        )


OMITTED = object()


def _without_none(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not OMITTED}


def _raw(part: Any) -> bytes:
    return part if isinstance(part, bytes) else json.dumps(part).encode()


def _claim(**changes: Any) -> Callable[[Forge], str]:
    return lambda forge: forge.sign(claims=forge.claims(**changes))


def _header(**changes: Any) -> Callable[[Forge], str]:
    return lambda forge: forge.sign(header=forge.header(**changes))


def _later(name: str, seconds: float) -> Callable[[Forge], str]:
    return lambda forge: forge.sign(claims=forge.claims(**{name: int(forge.now + seconds)}))


def _raw_claim(name: str, text: str) -> Callable[[Forge], str]:
    def make(forge: Forge) -> str:
        rest = json.dumps(forge.claims(**{name: OMITTED}))[1:]
        return forge.sign(claims=f'{{"{name}": {text}, {rest}'.encode())

    return make


def _raw_header(text: str) -> Callable[[Forge], str]:
    return lambda forge: forge.sign(header=text.replace("KID", forge.kid).encode())


def _change(edit: Callable[[str], str]) -> Callable[[Forge], str]:
    return lambda forge: edit(forge.sign())


def _last_character(token: str) -> str:
    # The last of 86 characters carries two bits that mean nothing: another spelling of the same signature.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]


def _signature(edit: Callable[[bytes], bytes]) -> Callable[[Forge], str]:
    def make(forge: Forge) -> str:
        body, _, signature = forge.sign().rpartition(".")
        return f"{body}.{b64(edit(base64.urlsafe_b64decode(signature + '==')))}"

    return make


def _unsigned(alg: str) -> Callable[[Forge], str]:
    return lambda forge: f"{b64(_raw(forge.header(alg=alg)))}.{b64(_raw(forge.claims()))}."


def _none_with_signature(forge: Forge) -> str:
    return forge.sign(header=forge.header(alg="none"))


def _der(forge: Forge) -> str:
    body = ".".join(b64(_raw(part)) for part in (forge.header(), forge.claims()))
    return f"{body}.{b64(forge.key.prepared_key.sign(body.encode(), ec.ECDSA(hashes.SHA256())))}"


def _rsa(forge: Forge) -> str:
    key = jwk.construct(rsa.generate_private_key(65537, 2048), "RS256")
    return forge.sign(header=forge.header(alg="RS256"), key=key)


def _other_curve(forge: Forge) -> str:
    key = jwk.construct(ec.generate_private_key(ec.SECP521R1()), "ES256")
    return forge.sign(key=key)


def _swapped(forge: Forge) -> str:
    header, _, signature = forge.sign().split(".")
    return f"{header}.{b64(_raw(forge.claims(scope='keys:manage')))}.{signature}"


_HOSTILE_KEY = {"kty": "oct", "k": "AAAA"}

CORPUS: dict[str, Callable[[Forge], str]] = {
    # The algorithm.
    **{f"alg {alg}": _unsigned(alg) for alg in ("none", "None", "NONE", "nOnE", "")},
    "alg none with a signature": _none_with_signature,
    "HMAC with the PEM": lambda forge: forge.mac(forge.encoded("PEM", "SubjectPublicKeyInfo")),
    "HMAC with the DER": lambda forge: forge.mac(forge.encoded("DER", "SubjectPublicKeyInfo")),
    "HMAC with the DER, HS512": lambda forge: forge.mac(forge.encoded("DER", "SubjectPublicKeyInfo"), "HS512"),
    "HMAC with bare base64": lambda forge: forge.mac(base64.b64encode(forge.encoded("DER", "SubjectPublicKeyInfo"))),
    "HMAC with the SSH text": lambda forge: forge.mac(forge.encoded("OpenSSH", "OpenSSH")),
    "HMAC with the point": lambda forge: forge.mac(forge.encoded("X962", "UncompressedPoint")),
    "HMAC with the JWK": lambda forge: forge.mac(json.dumps(forge.key.public_key().to_dict()).encode()),
    "HMAC with nothing": lambda forge: forge.mac(b""),
    "HMAC with the kid": lambda forge: forge.mac(forge.kid.encode()),
    "RSA": _rsa,
    "alg ES384": _header(alg="ES384"),
    "alg ES512": _header(alg="ES512"),
    "alg es256": _header(alg="es256"),
    "alg missing": _header(alg=OMITTED),
    "alg null": _header(alg=None),
    "alg a list": _header(alg=["ES256"]),
    "alg a dict": _header(alg={"ES256": 1}),
    "alg two in a string": _header(alg="ES256 HS256"),
    # The key.
    "kid missing": _header(kid=OMITTED),
    "kid null": _header(kid=None),
    "kid empty": _header(kid=""),
    "kid a list": _header(kid=["a"]),
    "kid a dict": _header(kid={}),
    "kid unknown": _header(kid="j0123456789abcdef"),
    "kid a path": _header(kid="../../dev/null"),
    "kid some SQL": _header(kid="' OR 1=1 --"),
    "kid of the spare, signed by the active": lambda forge: forge.sign(header=forge.header(kid=forge.spare)),
    "our kid, another key": lambda forge: forge.sign(
        key=jwk.construct(ec.generate_private_key(ec.SECP256R1()), "ES256")
    ),
    "our kid, another curve": _other_curve,
    # Headers that bring keys, or say how to read the rest.
    **{
        f"header {name}": _header(**{name: value})
        for name, value in {
            "crit": ["exp"],
            "jwk": _HOSTILE_KEY,
            "jku": "https://example.com/jwks.json",
            "x5u": "https://example.com",
            "x5c": ["MII"],
            "x5t": "AA",
            "zip": "DEF",
            "b64": False,
            "cty": "JWT",
            "enc": "A256GCM",
            "use": "enc",
            "nonce": "x",
        }.items()
    },
    "typ missing": _header(typ=OMITTED),
    "typ JWT": _header(typ="JWT"),
    "typ null": _header(typ=None),
    "typ in capitals": _header(typ="AT+JWT"),
    "alg twice": _raw_header('{"alg":"none","alg":"ES256","kid":"KID","typ":"at+jwt"}'),
    "kid twice": _raw_header('{"alg":"ES256","kid":"x","kid":"KID","typ":"at+jwt"}'),
    **{
        f"header {text[:20]!r}": _raw_header(text)
        for text in ("[]", "null", "1", '"x"', "{}", "NaN", "{", '{"alg":NaN,"kid":"KID","typ":"at+jwt"}', "[" * 2_500)
    },
    "header with a byte order mark": lambda forge: forge.sign(header=b"\xef\xbb\xbf" + _raw(forge.header())),
    "header in UTF-16": lambda forge: forge.sign(header=json.dumps(forge.header()).encode("utf-16")),
    # The claims.
    **{
        f"{name} missing": _claim(**{name: OMITTED})
        for name in (
            "iss",
            "aud",
            "sub",
            "jti",
            "iat",
            "nbf",
            "exp",
            "scope",
            "tenant_id",
            "tenant_version",
            "member_version",
        )
    },
    **{
        f"{name} {value!r}": _claim(**{name: value})
        for name in ("exp", "iat", "nbf")
        for value in (None, "1795509762", 1795509762.5, True, [], {}, 2**63 - 1)
    },
    **{f"{name} {value}": _claim(**{name: value}) for name in ("exp", "iat") for value in (-1, 0)},
    "exp 1e400": _raw_claim("exp", "1e400"),
    "exp 2^63": _raw_claim("exp", str(2**63)),
    "exp of 4,000 digits": _raw_claim("exp", "9" * 2_000),
    "exp NaN": _raw_claim("exp", "NaN"),
    "exp twice": _raw_claim("exp", '1, "exp": 99999999999'),
    "sub twice": _raw_claim("sub", '"key:aaaaaaaaaaaa", "sub": "key:bbbbbbbbbbbb"'),
    "expired": lambda forge: forge.sign(
        claims=forge.claims(iat=forge.now - 900, nbf=forge.now - 900, exp=forge.now - 31)
    ),
    "for a hundred years": _later("exp", 100 * 365 * 86_400),
    "for an hour and a second": _later("exp", 3_601),
    "ends as it begins": _later("exp", 0),
    "ends before it begins": _later("exp", -5),
    "issued in ten years": lambda forge: forge.sign(
        claims=forge.claims(iat=forge.now + 10 * 365 * 86_400, exp=forge.now + 10 * 365 * 86_400 + 900)
    ),
    "issued in two minutes": _later("iat", 120),
    "not yet": _later("nbf", 120),
    "iss of somebody else": _claim(iss="https://example.com"),
    "iss null": _claim(iss=None),
    "iss a list": _claim(iss=["task-queue"]),
    "aud of somebody else": _claim(aud="other"),
    "aud a list": _claim(aud=["task-queue-api"]),
    "aud a dict": _claim(aud={"task-queue-api": 1}),
    "aud a prefix": _claim(aud="task-queue"),
    "aud null": _claim(aud=None),
    "sub empty": _claim(sub=""),
    "sub a number": _claim(sub=1),
    "sub without a kind": _claim(sub="abcdefghijkl"),
    "sub of an unknown key": _claim(sub="key:aaaaaaaaaaaa"),
    "sub with a newline": lambda forge: forge.sign(claims=forge.claims(sub=f"key:{forge.tenant.api_key[8:20]}\n")),
    "sub of an unknown member": _claim(sub="member:00000000-0000-4000-8000-000000000000"),
    "sub of a member, in capitals": _claim(sub="member:00000000-0000-4000-8000-00000000000A"),
    "key of another tenant": lambda forge: forge.sign(claims=forge.claims(sub=f"key:{forge.other.api_key[8:20]}")),
    "tenant_id of another tenant": lambda forge: forge.sign(claims=forge.claims(tenant_id=forge.other.tenant_id)),
    "tenant_id unknown": _claim(tenant_id=str(uuid.UUID(int=1))),
    "tenant_id a number": _claim(tenant_id=1),
    "tenant_version another": _claim(tenant_version=2),
    "tenant_version too large": _claim(tenant_version=2**40),
    "tenant_version true": _claim(tenant_version=True),
    "tenant_version a string": _claim(tenant_version="1"),
    "jti empty": _claim(jti=""),
    "jti a number": _claim(jti=7),
    "jti in capitals": lambda forge: forge.sign(claims=forge.claims(jti="ABCDEF00-0000-4000-8000-000000000000")),
    "jti in braces": lambda forge: forge.sign(claims=forge.claims(jti=f"{{{uuid.uuid4()}}}")),
    "scope a list": _claim(scope=["tasks:read"]),
    "claims a list": lambda forge: forge.sign(claims=b"[]"),
    "claims null": lambda forge: forge.sign(claims=b"null"),
    "claims no JSON": lambda forge: forge.sign(claims=b"{"),
    "claims deep": lambda forge: forge.sign(claims=b"[" * 2_500),
    "half a surrogate": _raw_claim("extra", '"\\ud800"'),
    "NUL in a claim": _raw_claim("extra", '"\\u0000"'),
    # The form.
    "two segments": _change(lambda token: token.rpartition(".")[0]),
    "four segments": _change(lambda token: token + ".AAAA"),
    "five segments": lambda _: "eyJhbGciOiJkaXIifQ..AAAA.AAAA.AAAA",
    "no signature": _change(lambda token: token.rpartition(".")[0] + "."),
    "no claims": _change(lambda token: f"{token.split('.')[0]}..{token.split('.')[2]}"),
    "no header": _change(lambda token: token[token.index(".") :]),
    "only dots": lambda _: "..",
    "padding": _change(lambda token: token + "=="),
    "one padding": _change(lambda token: token + "="),
    "padding in the header": _change(lambda token: token.replace(".", "=.", 1)),
    "another last character": _change(_last_character),
    "junk in the signature": _change(lambda token: token[:-5] + "!" + token[-5:]),
    "a plus sign": _change(lambda token: token[:-1] + "+"),
    "a slash": _change(lambda token: token[:-1] + "/"),
    "a space": _change(lambda token: token[:-3] + " " + token[-3:]),
    "a tab at the end": _change(lambda token: token + "\tx"),
    "a suffix beyond ASCII": _change(lambda token: token + "\xe9"),
    "one more character": _change(lambda token: token + "A"),
    "one character less": _change(lambda token: token[:-1]),
    "signature in DER": _der,
    "signature of zeros": _signature(lambda raw: bytes(len(raw))),
    "signature cut": _signature(lambda raw: raw[:32]),
    "signature twice": _signature(lambda raw: raw + raw),
    "signature with a bit turned": _signature(lambda raw: bytes([raw[0] ^ 1]) + raw[1:]),
    "signature of other claims": _swapped,
    "5 KB": lambda forge: forge.sign(claims=forge.claims(extra="x" * 5_000)),
    "4,097 characters": lambda forge: forge.sign().ljust(4_097, "A"),
    "a key id only": lambda forge: forge.kid,
    "an API key with a dot": lambda forge: f"{forge.tenant.api_key}.x.y",
}


@pytest.fixture(scope="module")
def forge(environment: dict[str, str], acme: Tenant, globex: Tenant) -> Forge:
    return Forge(Path(environment["SECRETS_FILE"]), acme, globex)


@pytest.fixture(scope="module")
def ask(acme: Tenant) -> Iterator[Callable[[str], httpx.Response]]:
    with httpx.Client(base_url=acme.client.base_url, timeout=20) as client:
        yield lambda token: client.get(
            "/api/tasks", headers=[(b"Authorization", b"Bearer " + token.encode("latin-1", "replace"))]
        )


Ask = Callable[[str], httpx.Response]


def test_the_forge_makes_a_token_that_holds(forge: Forge, ask: Ask) -> None:
    assert ask(forge.sign()).status_code == 200
    tolerated = forge.sign(claims=forge.claims(iat=forge.now - 900, nbf=forge.now - 900, exp=forge.now - 5))
    assert ask(tolerated).status_code == 200


@pytest.mark.parametrize("name", CORPUS)
def test_a_hostile_token_is_a_401(forge: Forge, ask: Ask, name: str) -> None:
    token = CORPUS[name](forge)
    response = ask(token)
    assert response.status_code == 401, response.text
    assert response.json()["code"] == "unauthenticated"
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="task-queue", error="invalid_token"'
    assert len(token) < 20 or token not in response.text


@pytest.mark.parametrize("header", ["[" * 100_000, "x" * 40_000])
def test_a_token_beyond_any_header_is_refused_unread(forge: Forge, ask: Ask, header: str) -> None:
    token = f"{b64(header)}.e30.AAAA"
    assert ask(token).status_code in {401, 431}
    with pytest.raises(InvalidToken):
        tokens.read(token, forge.keys)


def test_a_token_is_taken_from_the_bearer_header_only(forge: Forge) -> None:
    token = forge.sign()
    url = f"{forge.tenant.client.base_url}/api/tasks"
    assert httpx.get(url, headers={"X-API-Key": token}).status_code == 401
    assert httpx.get(url, params={"access_token": token}).status_code == 401


def test_a_token_is_confined_to_its_scopes_and_its_tenant(forge: Forge) -> None:
    headers = {"Authorization": f"Bearer {forge.sign()}"}
    base = str(forge.tenant.client.base_url)
    refused = httpx.post(base + "/api/tasks/submit", json={}, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
    assert 'scope="tasks:write"' in refused.headers["WWW-Authenticate"]
    foreign = forge.other.submit(task="echo", payload=1)
    assert httpx.get(f"{base}/api/tasks/{foreign}", headers=headers).status_code == 404


def test_no_line_of_the_log_has_a_token(forge: Forge, environment: dict[str, str]) -> None:
    log = (Path(environment["SECRETS_FILE"]).parent / "api.log").read_text()
    assert "eyJ" not in log
    assert forge.tenant.api_key not in log

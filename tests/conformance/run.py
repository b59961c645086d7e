"""Lets the vendors' Python packages sign and verify webhooks: one JSON request a line in, one JSON answer a line out.

{"id":1,"op":"list"}                            -> {"id":1,"providers":[...]}
{"id":2,"op":"describe","provider":"slack"}     -> package, version, secret, options, contentType, body, headers, ...
{"id":3,"op":"sign","provider":"slack","method","url","body_base64","secret","now"}
                                                -> {"id":3,"method","url","headers","body_base64"}
{"id":4,"op":"verify","provider":"slack","method","url","headers","body_base64","secret","now"}
                                                -> {"id":4,"ok":true} or {"id":4,"ok":false,"error":"..."}
An error answers {"id":...,"error":"..."}; the process ends when its input ends.
"""

import base64
import importlib.metadata
import importlib.util
import json
import os
import sys
import time
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# Only answers go to standard output: whatever a package prints goes to standard error.
answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
sys.stdout = sys.stderr
sys.dont_write_bytecode = True
warnings.simplefilter("ignore", DeprecationWarning)

PROVIDERS = Path(__file__).resolve().parent / "python"


@dataclass
class Request:
    method: str
    url: str
    headers: dict  # lower-case names
    body: bytes
    secret: str
    now: int


def names():
    return sorted(path.stem for path in PROVIDERS.glob("*.py"))


@cache
def load(provider):
    """The module of a provider, under a name that does not hide the package of the same name."""
    if provider not in names():
        raise LookupError(f"no such provider: {provider}")
    spec = importlib.util.spec_from_file_location("conformance_" + provider, PROVIDERS / (provider + ".py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lower_case(headers):
    return {name.lower(): str(value) for name, value in (headers or {}).items()}


def request_of(question, module):
    body = question.get("body_base64")
    return Request(
        method=question.get("method", "POST"),
        url=question.get("url", "https://hooks.example.com/in"),
        headers=lower_case(question.get("headers")),
        body=module.BODY.encode() if body is None else base64.b64decode(body),
        secret=question.get("secret", module.SECRET),
        now=int(question.get("now") or time.time()),
    )


def describe(module):
    return {
        "package": module.PACKAGE,
        "version": importlib.metadata.version(module.PACKAGE),
        "secret": module.SECRET,
        "options": module.OPTIONS,
        "contentType": module.CONTENT_TYPE,
        "body": module.BODY,
        "headers": lower_case(module.HEADERS),
        "canSign": hasattr(module, "sign"),
        "canVerify": hasattr(module, "verify"),
        "signs": getattr(module, "SIGNS", None),
        "keys": getattr(module, "KEYS", {}),
        "root": getattr(module, "ROOT", None),
    }


def sign(module, question):
    if not hasattr(module, "sign"):
        raise LookupError(f"{module.PACKAGE} does not sign")
    request = request_of(question, module)
    request.headers = {"content-type": module.CONTENT_TYPE} | lower_case(module.HEADERS) | request.headers
    signed = module.sign(request)
    return {
        "method": signed.get("method", request.method),
        "url": signed.get("url", request.url),
        "headers": request.headers | lower_case(signed["headers"]),
        "body_base64": base64.b64encode(signed.get("body", request.body)).decode(),
    }


def verify(module, question):
    if not hasattr(module, "verify"):
        raise LookupError(f"{module.PACKAGE} does not verify")
    try:
        result = module.verify(request_of(question, module))
        return {"ok": True} if result is True else {"ok": False, "error": f"{module.PACKAGE} answered {result}"}
    except Exception as error:
        return {"ok": False, "error": f"{type(error).__name__}: {error}"}


def answer(question):
    operation = question.get("op")
    if operation == "list":
        return {"providers": names()}
    module = load(question.get("provider"))
    if operation == "describe":
        return describe(module)
    if operation == "sign":
        return sign(module, question)
    if operation == "verify":
        return verify(module, question)
    raise LookupError(f"no such operation: {operation}")


for line in sys.stdin.buffer:
    if not line.strip():
        continue
    number = None
    try:
        question = json.loads(line)
        number = question.get("id")
        result = answer(question)
    except Exception as error:
        result = {"error": f"{type(error).__name__}: {error}"}
    answers.write(json.dumps({"id": number} | result) + "\n")
    answers.flush()

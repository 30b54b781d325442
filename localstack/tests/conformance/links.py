"""Requests that no SDK makes: to presigned URLs, as they are and changed.

    {call: http.Sign, with: {Operation: get_object, Parameters: {…}, Method: GET}, save: {url: Url}}
    {call: http.Send, with: {Url: "{url}", Method: GET, Headers: {…}, Body: …, Query: {…}}}

`Query` replaces parameters of the URL. An answer has its headers by lower-case name, and `Body`.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from xml.etree import ElementTree

SERVICE = "http"
OPERATIONS = ("Send", "Sign")
TIMEOUT_S = 30.0

Answered = tuple[int, dict[str, Any], str | None, str]
"""Status, fields, and of an error its code and message."""


def asked(client: Any, operation: str, given: Mapping[str, Any]) -> Answered:
    """Sign a URL with the client, or send a request to one."""
    if operation == "Sign":
        url = client.generate_presigned_url(
            given["Operation"],
            Params=given["Parameters"],
            ExpiresIn=given.get("ExpiresIn", 60),
            HttpMethod=given.get("Method"),
        )
        return 200, {"Url": url}, None, ""
    return _sent(given)


def _sent(given: Mapping[str, Any]) -> Answered:
    parts = urlsplit(given["Url"])
    query = dict(parse_qsl(parts.query, keep_blank_values=True)) | given.get("Query", {})
    body = given.get("Body")
    request = urllib.request.Request(  # noqa: S310  of the endpoint that is asked
        urlunsplit(parts._replace(query=urlencode(query))) if given.get("Query") else given["Url"],
        data=None if body is None else body.encode(),
        headers=given.get("Headers", {}),
        method=given.get("Method", "GET"),
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            return answer.status, _fields(answer), None, ""
    except urllib.error.HTTPError as error:
        fields = _fields(error)
        if error.code < HTTPStatus.BAD_REQUEST:
            return error.code, fields, None, ""
        code, message = _error(fields["Body"])
        return error.code, fields, code or str(error.code), message


def _fields(answer: Any) -> dict[str, Any]:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return {**headers, "Body": answer.read().decode(errors="replace")}


def _error(body: str) -> tuple[str, str]:
    try:
        root = ElementTree.fromstring(body)  # noqa: S314  of the endpoint that is asked
    except ElementTree.ParseError:
        return "", body[:200]
    return root.findtext(".//Code", ""), root.findtext(".//Message", "")

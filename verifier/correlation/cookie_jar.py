"""A cookie jar for one session, as a browser keeps it (RFC 6265, as far as it matters in a short session)."""

from __future__ import annotations

from dataclasses import dataclass, field

from verifier.http.message import Headers, header

_Key = tuple[str, str, str]  # domain, path, name


@dataclass(slots=True)
class CookieJar:
    """Cookies by domain, path and name. Expiry counts only where a response deletes a cookie."""

    cookies: dict[_Key, str] = field(default_factory=dict)

    def store(self, host: str, target: str, headers: Headers, request_headers: Headers = ()) -> None:
        """Store the cookies of a response from `host` to a request for `target` with the headers `request_headers`.

        A recording may name a service otherwise than its client did (`record --as`). So a Domain that matches the
        Host header of the request belongs to the service too.
        """
        for name, value in headers:
            if len(name) == 10 and name.lower() == "set-cookie":
                self._store_one(_hostname(host), target, value, request_headers)

    def _store_one(self, host: str, target: str, line: str, request_headers: Headers) -> None:
        pair, *attributes = line.split(";")
        name, mark, value = pair.partition("=")
        if not mark or not name.strip():
            return
        domain, path, gone = host, _default_path(target), False
        for attribute in attributes:
            key, _, text = attribute.partition("=")
            key, text = key.strip().lower(), text.strip()
            if key == "domain" and text:
                wanted = text.lstrip(".").lower()
                if _belongs(host, wanted):
                    domain = f".{wanted}"
                elif not _belongs(_hostname(header(request_headers, "host") or ""), wanted):
                    return
            elif key == "path" and text.startswith("/"):
                path = text
            elif key == "max-age":
                gone = text.startswith("-") or text == "0"
            elif key == "expires":
                # The only date in the past that servers send is a deletion; 1970 is how they write it.
                gone = gone or " 1970 " in f" {text.replace('-', ' ')} "
        if gone:
            self.cookies.pop((domain, path, name.strip()), None)
        else:
            self.cookies[domain, path, name.strip()] = value.strip()

    def sent(self, host: str, target: str) -> dict[str, str]:
        """The cookies that belong to a request, longest path first."""
        name_of_host = _hostname(host)
        path = target.partition("?")[0]
        fitting = [
            (stored, name, value)
            for (domain, stored, name), value in self.cookies.items()
            if (name_of_host == domain or (domain[0] == "." and f".{name_of_host}".endswith(domain)))
            and (path == stored or path.startswith(stored if stored.endswith("/") else f"{stored}/"))
        ]
        found: dict[str, str] = {}
        for _, name, value in sorted(fitting, key=lambda item: -len(item[0])):
            found.setdefault(name, value)
        return found


def _belongs(host: str, domain: str) -> bool:
    return host == domain or host.endswith(f".{domain}")


def _hostname(authority: str) -> str:
    """Cookies are shared by all ports of a host."""
    host, mark, port = authority.rpartition(":")
    return (host if mark and port.isdecimal() else authority).lower()


def _default_path(target: str) -> str:
    path = target.partition("?")[0]
    return path[: path.rfind("/")] or "/"
